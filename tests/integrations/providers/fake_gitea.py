"""Gitea's REST API at the socket, as https://docs.gitea.com/api/ shows it."""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import requests

from integrations.providers.base import ProviderConfig
from integrations.providers.public_keys import fingerprint
from tests.factories import COMMIT
from tests.integrations.providers.contract import REPOSITORY, FakeProvider
from tests.integrations.providers.fake_github import Result, reply

ROOT_URL = "http://gitea.internal:3000"
"""What the server takes for its own address: its Link headers name it, and nothing must follow them."""


def refusal(status: int, message: str) -> Result:
    return reply(status, {"message": message, "url": f"{ROOT_URL}/api/swagger"})


def not_found() -> Result:
    return reply(404, {"errors": None, "message": "The target couldn't be found.", "url": f"{ROOT_URL}/api/swagger"})


class FakeGitea(FakeProvider):
    kind = "gitea"
    config = ProviderConfig(base_url="https://git.example.com", credentials={"token": "c0ffee" * 6 + "c0ff"})
    web = "https://git.example.com"
    may_administrate = True
    tells_who_may_write = True
    missing_scope = ""
    most_items = 50

    def install(self) -> None:
        self.api = f"{self.web}/api/v1"
        self.repositories = [self.repository(REPOSITORY)]
        self.branches = ["main", "release/1"]
        self.titles: set[str] = set()
        repo = re.escape(f"{self.api}/repos/{REPOSITORY}")
        self.serve("GET", re.escape(f"{self.api}/user"), lambda _: reply(200, {"id": 1, "login": "ada"}))
        self.serve("GET", re.escape(f"{self.api}/user/repos"), self._list_repositories)
        self.serve("GET", repo, lambda _: reply(200, self.repository(REPOSITORY)))
        self.serve("GET", f"{repo}/branches", lambda r: self.paged(r, [self._branch(name) for name in self.branches]))
        self.serve("GET", f"{repo}/branches/.+", self._one_branch)
        told = {"sha": COMMIT, "commit": {"author": {"name": "Ada", "email": "a@b.c"}, "message": "Fix it\n\nAt last."}}
        self.serve("GET", rf"{repo}/git/commits/[0-9a-f]{{40}}", lambda _: reply(200, told))
        self.serve("GET", f"{repo}/tags", lambda r: self.paged(r, [self._tag("v1")]))
        self.serve("GET", f"{repo}/tags/v1", lambda r: reply(200, self._tag("v1")))
        # These two lists have a total and no Link header.
        self.serve("GET", f"{repo}/hooks", self._administration(lambda r: self.paged(r, self._hooks(), link=False)))
        self.serve("POST", f"{repo}/hooks", self._administration(self._add_hook))
        self.serve("PATCH", rf"{repo}/hooks/\d+", self._administration(self._change_hook))
        self.serve("DELETE", rf"{repo}/hooks/\d+", self._administration(self._remove_hook))
        self.serve("POST", rf"{repo}/hooks/\d+/tests", self._administration(self._test_hook))
        self.serve("GET", f"{repo}/keys", self._administration(lambda r: self.paged(r, self._keys(), link=False)))
        self.serve("POST", f"{repo}/keys", self._administration(self._add_key))
        self.serve("DELETE", rf"{repo}/keys/\d+", self._administration(self._remove_key))
        self.serve("POST", f"{repo}/statuses/{COMMIT}", self._add_status)
        for method in ("GET", "POST", "PATCH", "DELETE"):
            elsewhere = re.escape(f"{self.api}/repos/") + rf"(?!{REPOSITORY}(/|\?|$))[\w./-]+"
            self.serve(method, elsewhere, lambda _: not_found())

    def reject_credentials(self) -> None:
        self.always(refusal(401, "user does not exist [uid: 0, name: ]"))

    def limit_rate(self, seconds: int) -> None:
        # Not Gitea itself, but what stands before it.
        self.always((429, {"Retry-After": str(seconds)}, "Too Many Requests"))

    def forbid_administration(self) -> None:
        self.may_administrate = False

    def repository(self, full_name: str) -> dict[str, Any]:
        owner, name = full_name.split("/")
        return {
            "id": 42,
            "owner": {"login": owner},
            "name": name,
            "full_name": full_name,
            "private": True,
            "empty": False,
            "default_branch": "main",
            "html_url": f"{ROOT_URL}/{full_name}",
            "permissions": {"admin": True, "push": self.may_write, "pull": True},
        }

    def serve(self, method: str, url: str, answer: Callable[[requests.PreparedRequest], Result]) -> None:
        def checked(request: requests.PreparedRequest) -> Result:
            if request.headers["Authorization"] != f"token {self.config.credentials['token']}":
                return refusal(401, "invalid username, password or token")
            if request.body is not None:
                assert request.headers["Content-Type"] == "application/json"
            return answer(request)

        self.mock.add_callback(method, re.compile(rf"^{url}(\?.*)?$"), callback=checked)

    def always(self, result: Result) -> None:
        self.mock.reset()
        for method in ("GET", "POST", "PATCH", "DELETE"):
            self.mock.add_callback(method, re.compile(".*"), callback=lambda _: result)

    def paged(self, request: Any, items: list[Any], *, link: bool = True) -> Result:
        """https://docs.gitea.com/development/api-usage#pagination"""
        query = {name: values[0] for name, values in parse_qs(urlsplit(request.url).query).items()}
        size, page = min(int(query.get("limit", 30)), self.most_items), int(query.get("page", 1))
        headers = {"X_Total_Count": str(len(items))}
        if link and page * size < len(items):
            path = urlsplit(request.url).path
            headers["Link"] = f'<{ROOT_URL}{path}?limit={size}&page={page + 1}>; rel="next"'
        return reply(200, items[(page - 1) * size : page * size], **headers)

    def _list_repositories(self, request: Any) -> Result:
        if self.missing_scope:
            held = "write:issue,read:user"
            words = f"token does not have at least one of required scope(s), required=[{self.missing_scope}], "
            return refusal(403, f"{words}token scope={held}")
        return self.paged(request, self.repositories)

    def _branch(self, name: str) -> dict[str, Any]:
        return {"name": name, "commit": {"id": COMMIT, "message": "Add stock"}, "protected": False}

    def _one_branch(self, request: Any) -> Result:
        name = unquote(urlsplit(request.url).path.partition("/branches/")[2])
        return reply(200, self._branch(name)) if name in self.branches else not_found()

    def _tag(self, name: str) -> dict[str, Any]:
        return {"name": name, "id": "9" * 40, "commit": {"sha": COMMIT, "created": "2026-11-23T10:00:00Z"}}

    def _administration(self, answer: Callable[[Any], Result]) -> Callable[[Any], Result]:
        words = "user should be an owner or a collaborator with admin write of a repository"
        return lambda request: answer(request) if self.may_administrate else refusal(403, words)

    def _hook(self, id_: str) -> dict[str, Any]:
        hook = self.hooks[id_]
        return {
            "id": int(id_),
            "type": "gitea",
            "branch_filter": "*",
            "config": {"content_type": "json", "url": hook["url"]},
            "events": ["push"],
            "authorization_header": "",
            "active": hook["active"],
        }

    def _hooks(self) -> list[dict[str, Any]]:
        return [self._hook(id_) for id_ in self.hooks]

    def _store_hook(self, id_: str, body: dict[str, Any]) -> None:
        assert set(body["config"]) == {"url", "content_type", "secret"}
        assert body["config"]["content_type"] == "json"
        assert body["events"] == ["push"]
        assert body["branch_filter"] == "*"
        self.hooks[id_] = {
            "url": body["config"]["url"],
            "secret": body["config"]["secret"],
            "active": body["active"],
        }

    def _add_hook(self, request: Any) -> Result:
        body = json.loads(request.body)
        assert set(body) == {"type", "config", "events", "branch_filter", "active"}
        assert body["type"] == "gitea"
        id_ = str(100 + len(self.hooks))
        self._store_hook(id_, body)
        return reply(201, self._hook(id_))

    def _change_hook(self, request: Any) -> Result:
        id_, body = request.url.rsplit("/", 1)[-1], json.loads(request.body)
        assert set(body) == {"config", "events", "branch_filter", "active"}
        if id_ not in self.hooks:
            return not_found()
        self._store_hook(id_, body)
        return reply(200, self._hook(id_))

    def _test_hook(self, request: Any) -> Result:
        id_ = request.url.split("/")[-2]
        if id_ not in self.hooks:
            return not_found()
        self.pings.append(id_)
        return reply(204)

    def _remove_hook(self, request: Any) -> Result:
        return reply(204) if self.hooks.pop(request.url.rsplit("/", 1)[-1], None) else not_found()

    def _keys(self) -> list[dict[str, Any]]:
        return [self._key(id_) for id_ in self.keys]

    def _key(self, id_: str) -> dict[str, Any]:
        # Without its comment, as the server stores it.
        key = " ".join(self.keys[id_].split()[:2])
        return {"id": int(id_), "key_id": 7, "key": key, "title": "Sluice", "fingerprint": fingerprint(key)}

    def _add_key(self, request: Any) -> Result:
        body = json.loads(request.body)
        assert set(body) == {"title", "key", "read_only"}
        assert body["read_only"] is True
        if fingerprint(body["key"]) in {fingerprint(key) for key in self.keys.values()}:
            return refusal(422, "This key has already been added to this repository")
        if body["key"] in self.keys_elsewhere:
            return refusal(422, "Key content has been used as non-deploy key")
        if body["title"] in self.titles:
            return refusal(422, "A key with the same name already exists")
        id_ = str(200 + len(self.keys))
        self.keys[id_] = body["key"]
        self.titles.add(body["title"])
        return reply(201, self._key(id_))

    def _remove_key(self, request: Any) -> Result:
        # No 404 here: a key that is gone is removed.
        self.keys.pop(request.url.rsplit("/", 1)[-1], None)
        return reply(204)

    def _add_status(self, request: Any) -> Result:
        body = json.loads(request.body)
        assert set(body) == {"state", "target_url", "description", "context"}
        assert body["state"] in {"pending", "success", "error", "failure", "warning"}
        assert len(body["description"]) <= 255
        self.statuses.append(body)
        return reply(201, {"id": 1, "status": body["state"], **body})
