"""Where an act comes from: set at the edge (a request, a command), read when the audit log is written.

Services know no request, so it travels beside the call. Whatever sets nothing is the system itself.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal
from uuid import UUID

if TYPE_CHECKING:  # manage.py imports this before Django's models can be
    from teams.models import Scope

Source = Literal["page", "api", "admin", "command", "system"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What an API token narrows its owner's role to. `integrations` None: it is for all of them."""

    scope: "Scope"
    integrations: frozenset[UUID] | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """`ip` is the client's address; `token` the name of the API token and `limits` what it may do, if there is one."""

    source: Source = "system"
    ip: str | None = None
    token: str = ""
    limits: Limits | None = None


_SYSTEM = Origin()
_current: ContextVar[Origin] = ContextVar("origin", default=_SYSTEM)


def current() -> Origin:
    """The origin of what is done now."""
    return _current.get()


@contextmanager
def acting(origin: Origin) -> Iterator[None]:
    """What is done within comes from there."""
    before = _current.set(origin)
    try:
        yield
    finally:
        _current.reset(before)


def with_token(name: str, limits: Limits) -> None:
    """The rest of this request is done with an API token."""
    _current.set(replace(_current.get(), token=name, limits=limits))
