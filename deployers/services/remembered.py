"""Reads dataclasses back from what the cache kept of them, and trusts none of it."""

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")


def read(kind: type[T], stored: object) -> T:
    """The instance of a dataclass that `dataclasses.asdict` made `stored` of, after its way through JSON.

    Every field has to be there, with a value of its type: str, int, bool, None, dataclasses, and lists, tuples and
    dictionaries by str of those. Raises ValueError for anything else, such as the entry of another version.
    """
    found: T = _value(kind, stored)
    return found


def _value(kind: Any, stored: object) -> Any:
    if kind in (str, int, bool, NoneType):
        if type(stored) is kind:
            return stored
    elif isinstance(kind, UnionType):
        for each in get_args(kind):
            try:
                return _value(each, stored)
            except ValueError:
                continue
    elif get_origin(kind) in (list, tuple):
        if isinstance(stored, list):
            return get_origin(kind)(_value(get_args(kind)[0], each) for each in stored)
    elif get_origin(kind) is dict:
        if isinstance(stored, Mapping) and all(isinstance(key, str) for key in stored):
            return {key: _value(get_args(kind)[1], each) for key, each in stored.items()}
    elif isinstance(stored, Mapping):
        hints = get_type_hints(kind)
        if stored.keys() == hints.keys():
            return kind(**{name: _value(hint, stored[name]) for name, hint in hints.items()})
    raise ValueError(f"no {kind}")
