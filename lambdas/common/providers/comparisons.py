"""Which files differ between two commits, as the provider tells, for what its webhooks do not say."""

from collections.abc import Callable, Mapping
from typing import Any

PAGES = 10
"""Of a list, read at most: who changes more than that is not asked further, but compared by the files themselves."""


class NotTold(Exception):
    """The provider does not tell, or not for sure all of it. The message says why, for people."""


Ask = Callable[[str, Mapping[str, str]], dict[str, Any]]
"""(path below the API root, parameters) -> the JSON object that a GET answers. Raises NotTold."""

ChangedFiles = Callable[[Ask, str, str, str], set[str]]
"""(ask, full name, commit before, commit after) -> every file that differs, both names of a renamed one.

One that was changed and changed back may be among them, but none may be missing: raises NotTold if one might be.
"""


def records(body: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """The list of objects at `key`. Raises NotTold."""
    found = body.get(key)
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise NotTold(f"its answer has no {key}")
    return found


def file_name(record: Mapping[str, Any], *path: str) -> str:
    """The file's name at a path of keys. Raises NotTold."""
    value: Any = record
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    if not isinstance(value, str) or not value:
        raise NotTold("its answer leaves the name of a file out")
    return value
