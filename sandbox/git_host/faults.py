"""Answers that the git host gives once in place of its own, for tests of what a provider's bad moment does."""

from sandbox.git_host.access import ApiError
from sandbox.git_host.database import Database

_MATCHING = "FROM faults WHERE method = ? AND instr(?, path) > 0 ORDER BY id LIMIT 1"


class Faults:
    """The faults to come, of whatever process asked for them; each is met once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, status: int, method: str, path: str, *, retry_after: int | None = None) -> None:
        """Answer the next request so.

        Args:
            status: the HTTP status.
            method: of the request, such as POST.
            path: what has to be in the path of the request, such as /keys.
            retry_after: seconds of the header of that name.
        """
        fields = {"status": status, "method": method, "path": path, "retry_after": retry_after}
        self._database.insert("faults", fields)

    def clear(self) -> int:
        """Drop those that no request met; returns how many."""
        row = self._database.row("SELECT count(*) AS left FROM faults")
        self._database.run("DELETE FROM faults")
        return int(row["left"]) if row else 0

    def meet(self, method: str, path: str) -> None:
        """Raise ApiError if this request is to be answered otherwise."""
        if self._database.row(f"SELECT id {_MATCHING}", (method, path)) is None:
            return
        fault = self._database.row(
            f"DELETE FROM faults WHERE id = (SELECT id {_MATCHING}) RETURNING status, retry_after", (method, path)
        )
        if fault is not None:
            headers = {} if fault["retry_after"] is None else {"Retry-After": str(fault["retry_after"])}
            raise ApiError(fault["status"], "As a test asks", headers=headers)
