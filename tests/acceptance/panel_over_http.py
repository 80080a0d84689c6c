"""A panel as the acceptance run sees it, whose rows a test chooses."""

import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import responses

BASE = "http://127.0.0.1:9/api/v1"
LISTS = ("integrations", "providers", "repositories", "aws-accounts", "operations")


class PanelOverHttp:
    """Answers as the panel's API does, from rows by their noun; `calls` are those that change something."""

    def __init__(self, mocked: responses.RequestsMock) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {noun: [] for noun in LISTS}
        self.calls: list[str] = []
        self.busy = False
        self.outcome = "succeeded"
        for method in ("GET", "POST", "DELETE"):
            mocked.add_callback(method, re.compile(re.escape(BASE) + "/.*"), callback=self.answer)

    def answer(self, request: Any) -> tuple[int, dict[str, str], str]:
        status, body = self.decide(request.method, urlsplit(request.url))
        return status, {}, "" if body is None else json.dumps(body)

    def decide(self, method: str, url: Any) -> tuple[int, Any]:
        noun, _, rest = url.path.removeprefix("/api/v1/").partition("/")
        found = [row for row in self.rows[noun] if row["id"] == rest.partition("/")[0]]
        if not rest:
            wanted = {key: value[0] for key, value in parse_qs(url.query).items() if not key.startswith("page")}
            rows = [row for row in self.rows[noun] if all(row.get(key) == value for key, value in wanted.items())]
            return 200, {"results": rows, "next": None}
        if not found:
            return 404, {}
        if method == "GET":
            return 200, found[0]
        self.calls.append(f"{method} {url.path.removeprefix('/api/v1')}")
        if method == "POST":  # cancel
            found[0]["status"] = "cancelled"
            self.busy = False
            return 200, found[0]
        if noun != "integrations":
            self.rows[noun].remove(found[0])
            return 204, None
        if self.busy:
            return 409, {"detail": "Another operation is active."}
        assert url.query == "bucket=purge"
        operation = {"id": f"o-{len(self.calls)}", "kind": "delete", "status": self.outcome}
        operation |= {"problem": "CloudFormation says no.", "remedy": "", "integration": found[0]["id"]}
        self.rows["operations"].append(operation)
        if self.outcome == "succeeded":
            self.rows["integrations"].remove(found[0])
        return 202, operation
