"""Replacing MiniStack's private functions, which offers no hooks: a name that is gone stops the local AWS at once."""

from collections.abc import Callable
from typing import Any


class HookGone(RuntimeError):
    """MiniStack no longer has what Sluice replaces; the message names it."""


def replace(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Put what `make` returns, given what stands there now, in its place.

    Args:
        owner: a module, or a dict of functions by their name.
        name: the attribute or the key.
        make: takes the original and returns its successor.

    Raises:
        HookGone: there is nothing of that name.
    """
    by_key = isinstance(owner, dict)
    if not (name in owner if by_key else hasattr(owner, name)):
        raise HookGone(f"MiniStack has no {name} in {'this table' if by_key else owner.__name__} any more")
    if by_key:
        owner[name] = make(owner[name])
    else:
        setattr(owner, name, make(getattr(owner, name)))
