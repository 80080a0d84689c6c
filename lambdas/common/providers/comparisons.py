"""What a provider tells when it is asked: which files differ between two commits, and where a ref stands now."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

PAGES = 10
"""Of a list, read at most: who changes more than that is not asked further, but compared by the files themselves."""


class NotTold(Exception):
    """The provider does not tell, or not for sure all of it. The message says why, for people.

    `status` is what it answered over HTTP, where that was not 200; else 0.
    """

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


Ask = Callable[[str, Mapping[str, str]], dict[str, Any]]
"""(path below the API root, parameters) -> the JSON object that a GET answers. Raises NotTold."""

ChangedFiles = Callable[[Ask, str, str, str], set[str]]
"""(ask, full name, commit before, commit after) -> every file that differs, both names of a renamed one.

One that was changed and changed back may be among them, but none may be missing: raises NotTold if one might be.
"""

RefCommit = Callable[[Ask, str, str, str], str]
"""(ask, full name, full ref, commit of a push) -> the commit that the ref points at now; empty: there is no such ref.

Raises NotTold. The commit of a push may be a tag object, where a webhook does not tell the commit: then that.
"""


def standing(ask: Ask, path: str, params: Mapping[str, str], *, repository: str) -> dict[str, Any] | None:
    """What is at the path of a ref; None if there is no such ref. Raises NotTold, also if the repository is not shown.

    `repository` is the repository's own path: providers answer 404 too for what a token may not see.
    """
    try:
        return ask(path, params)
    except NotTold as error:
        if error.status not in (404, 409, 422):
            raise
    ask(repository, {})
    return None


def commit_at(record: Mapping[str, Any] | None, *path: str) -> str:
    """The commit at a path of keys; empty for no record. Raises NotTold."""
    return "" if record is None else _text(record, path, "a commit")


def records(body: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """The list of objects at `key`. Raises NotTold."""
    found = body.get(key)
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise NotTold(f"its answer has no {key}")
    return found


def file_name(record: Mapping[str, Any], *path: str) -> str:
    """The file's name at a path of keys. Raises NotTold."""
    return _text(record, path, "the name of a file")


def _text(record: Mapping[str, Any], path: Sequence[str], what: str) -> str:
    value: Any = record
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    if not isinstance(value, str) or not value:
        raise NotTold(f"its answer leaves {what} out")
    return value
