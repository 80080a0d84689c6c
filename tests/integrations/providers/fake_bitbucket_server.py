"""Bitbucket Data Center's REST API at the socket: https://developer.atlassian.com/server/bitbucket/rest/."""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

from integrations.providers.base import ProviderConfig
from tests.factories import COMMIT
from tests.integrations.providers.contract import REPOSITORY, FakeProvider

Result = tuple[int, dict[str, str], str]


def reply(status: int, body: Any = None, **headers: str) -> Result:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, named, "" if body is None else json.dumps(body)


def error(status: int, message: str, exception: str, **headers: str) -> Result:
    name = f"com.atlassian.bitbucket.{exception}"
    return reply(status, {"errors": [{"context": None, "message": message, "exceptionName": name}]}, **headers)


def not_found(what: str = "Repository acme/nothing", exception: str = "repository.NoSuchRepositoryException") -> Result:
    return error(404, f"{what} does not exist.", exception)


def not_permitted() -> Result:
    return error(401, "You are not permitted to access this resource", "AuthorisationException")


class FakeBitbucketServer(FakeProvider):
    kind = "bitbucket_server"
    config = ProviderConfig(base_url="https://git.example.com", credentials={"token": "NjE0" + "d4" * 20})
    web = "https://git.example.com"
    api = "https://git.example.com/rest/api/latest"
    user = "ada"
    """The X-AUSERNAME header; empty for somebody who is not signed in."""
    may_administrate = True
    branch: dict[str, Any] | None = {"id": "refs/heads/main", "displayId": "main", "type": "BRANCH"}
    page_limit = 2
    """Of every list, whatever is asked for: clients have to go by `nextPageStart`."""

    def install(self) -> None:
        here = f"/projects/{REPOSITORY.replace('/', '/repos/')}"
        repo, keys = re.escape(f"{self.api}{here}"), re.escape(f"{self.web}/rest/keys/1.0{here}/ssh")
        self._serve("GET", re.escape(f"{self.api}/repos"), self._list_repositories)
        self._serve("GET", re.escape(f"{self.web}/plugins/servlet/applinks/whoami"), lambda _: (200, {}, self.user))
        self._serve("GET", repo, lambda _: reply(200, self.repository()))
        self._serve("GET", f"{repo}/default-branch", lambda _: reply(200 if self.branch else 204, self.branch))
        branches = [self._ref("heads", name) for name in ("main", "release/1", "topic")]
        self._serve("GET", f"{repo}/branches", lambda r: self._listed(r, branches))
        self._serve("GET", f"{repo}/tags", lambda r: self._listed(r, [self._ref("tags", "v1")]))
        self._serve("GET", f"{repo}/commits", self._commits)
        told = {"id": COMMIT, "author": {"name": "Ada", "emailAddress": "a@b.c"}, "message": "Fix it\n\nAt last."}
        self._serve("GET", rf"{repo}/commits/[0-9a-f]{{40}}", lambda _: reply(200, told))
        self._serve("GET", f"{repo}/webhooks", self._administration(self._list_hooks))
        self._serve("POST", f"{repo}/webhooks", self._administration(self._add_hook))
        self._serve("POST", f"{repo}/webhooks/test", self._administration(self._test_hook))
        self._serve("GET", rf"{repo}/webhooks/\d+", self._administration(self._get_hook))
        self._serve("PUT", rf"{repo}/webhooks/\d+", self._administration(self._change_hook))
        self._serve("DELETE", rf"{repo}/webhooks/\d+", self._administration(lambda r: self._remove(self.hooks, r)))
        self._serve("GET", keys, self._administration(self._list_keys))
        self._serve("POST", keys, self._administration(self._add_key))
        self._serve("DELETE", rf"{keys}/\d+", self._administration(lambda r: self._remove(self.keys, r)))
        self._serve("POST", f"{repo}/commits/{COMMIT}/builds", self._add_status)
        for method in ("GET", "POST", "PUT", "DELETE"):
            elsewhere = re.escape(self.web) + rf"/rest/(api/latest|keys/1\.0)(?!{here}(/|\?|$))/projects/[\w./~-]+"
            self._serve(method, elsewhere, lambda _: not_found())

    def reject_credentials(self) -> None:
        message = "Authentication failed. Please check your credentials and try again."
        self._always(error(401, message, "auth.IncorrectPasswordAuthenticationException"))

    def limit_rate(self, seconds: int) -> None:
        self._always(error(429, "You have been rate limited.", "RateLimitedException", Retry_After=str(seconds)))

    def forbid_administration(self) -> None:
        self.may_administrate = False

    def repository(self) -> dict[str, Any]:
        key, slug = REPOSITORY.split("/")
        clone = [
            {"href": f"{self.web}/scm/{key}/{slug}.git", "name": "http"},
            {"href": f"ssh://git@ssh.git.example.com:7999/{key}/{slug}.git", "name": "ssh"},
        ]
        return {
            "slug": slug,
            "id": 1,
            "name": "The Shop",
            "scmId": "git",
            "state": "AVAILABLE",
            "forkable": True,
            "project": {"key": key, "id": 1, "name": "Acme", "public": False, "type": "NORMAL"},
            "public": False,
            "links": {"clone": clone, "self": [{"href": f"{self.web}/projects/{key}/repos/{slug}/browse"}]},
        }

    def _serve(self, method: str, url: str, answer: Callable[[requests.PreparedRequest], Result]) -> None:
        self.mock.add_callback(method, re.compile(rf"^{url}(\?.*)?$"), callback=answer)

    def _always(self, result: Result) -> None:
        self.mock.reset()
        self.mock.add_callback("GET", re.compile(".*"), callback=lambda _: result)

    def _listed(self, request: Any, values: list[Any], **headers: str) -> Result:
        query = parse_qs(urlsplit(request.url).query)
        start, limit = int(query.get("start", ["0"])[0]), min(self.page_limit, int(query["limit"][0]))
        some, last = values[start : start + limit], start + limit >= len(values)
        body = {"size": len(some), "limit": limit, "isLastPage": last, "values": some, "start": start}
        return reply(200, body | {"nextPageStart": None if last else start + limit}, **headers)

    def _list_repositories(self, request: Any) -> Result:
        headers = {"X_AUSERNAME": self.user} if self.user else {}
        wanted = parse_qs(urlsplit(request.url).query).get("permission", ["REPO_READ"])[0]
        seen = [] if wanted == "REPO_ADMIN" and not self.may_administrate else [self.repository()]
        return self._listed(request, seen, **headers)

    def _ref(self, part: str, name: str) -> dict[str, Any]:
        found = {"id": f"refs/{part}/{name}", "displayId": name, "latestCommit": COMMIT, "latestChangeset": COMMIT}
        return found | ({"type": "BRANCH"} if part == "heads" else {"type": "TAG", "hash": "a" * 40})

    def _commits(self, request: Any) -> Result:
        ref = parse_qs(urlsplit(request.url).query)["until"][0]
        if ref not in {"refs/heads/main", "refs/tags/v1"}:
            return not_found(f"Commit '{ref}'", "commit.NoSuchCommitException")
        return self._listed(request, [{"id": COMMIT, "displayId": COMMIT[:11]}, {"id": "b" * 40}])

    def _administration(self, answer: Callable[[Any], Result]) -> Callable[[Any], Result]:
        return lambda request: answer(request) if self.may_administrate else not_permitted()

    def _hook(self, id_: str) -> dict[str, Any]:
        return {"id": int(id_), "createdDate": 1763889000000, "scopeType": "repository", **self.hooks[id_]}

    def _list_hooks(self, request: Any) -> Result:
        return self._listed(request, [self._hook(id_) for id_ in self.hooks])

    def _store_hook(self, id_: str, request: Any) -> None:
        body = json.loads(request.body)
        assert body["sslVerificationRequired"] is True
        self.hooks[id_] = {**body, "secret": body["configuration"]["secret"]}

    def _add_hook(self, request: Any) -> Result:
        id_ = str(10 + len(self.hooks))
        self._store_hook(id_, request)
        return reply(201, self._hook(id_))

    def _get_hook(self, request: Any) -> Result:
        id_ = _id(request)
        return reply(200, self._hook(id_)) if id_ in self.hooks else _no_hook(id_)

    def _change_hook(self, request: Any) -> Result:
        id_ = _id(request)
        if id_ not in self.hooks:
            return _no_hook(id_)
        self._store_hook(id_, request)
        return reply(200, self._hook(id_))

    def _test_hook(self, request: Any) -> Result:
        query = parse_qs(urlsplit(request.url).query)
        (id_,) = query["webhookId"]
        assert query["url"] == [self.hooks[id_]["url"]]
        self.pings.append(id_)
        return reply(200, {"request": {"method": "POST"}, "response": {"status": 200}})

    def _remove(self, kept: dict[str, Any], request: Any) -> Result:
        return reply(204) if kept.pop(_id(request), None) else _no_hook(_id(request))

    def _list_keys(self, request: Any) -> Result:
        return self._listed(request, [self._key(id_) for id_ in self.keys])

    def _key(self, id_: str) -> dict[str, Any]:
        key = {"id": int(id_), "text": self.keys[id_], "label": "sluice"}
        return {"key": key, "repository": self.repository(), "permission": "REPO_READ"}

    def _add_key(self, request: Any) -> Result:
        body = json.loads(request.body)
        assert body["permission"] == "REPO_READ"
        text = body["key"]["text"]
        if text in self.keys_elsewhere or text in self.keys.values():
            return error(409, "This SSH key is already in use by another user.", "ssh.DuplicateSshKeyException")
        id_ = str(200 + len(self.keys))
        self.keys[id_] = text
        return reply(201, self._key(id_))

    def _add_status(self, request: Any) -> Result:
        body = json.loads(request.body)
        assert body["state"] in {"INPROGRESS", "SUCCESSFUL", "FAILED", "CANCELLED", "UNKNOWN"}
        assert len(body["key"]) <= 255
        assert len(body["description"]) <= 255
        self.statuses.append(body)
        return reply(204)


def _file(path: str) -> dict[str, Any]:
    return {"components": path.split("/"), "name": path.rpartition("/")[2], "toString": path}


def _id(request: Any) -> str:
    return urlsplit(request.url).path.rsplit("/", 1)[-1]


def _no_hook(id_: str) -> Result:
    return not_found(f"Webhook {id_}", "webhook.NoSuchWebhookException")
