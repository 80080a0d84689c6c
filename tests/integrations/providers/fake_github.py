"""GitHub's REST API at the socket, as https://docs.github.com/en/rest shows it."""

import json
import re
from collections.abc import Callable
from typing import Any

import requests

from integrations.providers.base import ProviderConfig
from tests.factories import COMMIT
from tests.integrations.providers.contract import REPOSITORY, FakeProvider

Result = tuple[int, dict[str, str], str]
HOST_KEYS = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ==",
]


def reply(status: int, body: Any = None, **headers: str) -> Result:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, named, "" if body is None else json.dumps(body)


def not_found() -> Result:
    return reply(404, {"message": "Not Found", "documentation_url": "https://docs.github.com/rest", "status": "404"})


def invalid(resource: str, message: str) -> Result:
    errors = [{"resource": resource, "code": "custom", "message": message}]
    return reply(422, {"message": "Validation Failed", "errors": errors, "status": "422"})


class FakeGitHub(FakeProvider):
    kind = "github"
    config = ProviderConfig(credentials={"token": "ghp_" + "a1" * 18})
    api = "https://api.github.com"
    web = "https://github.com"
    scopes: str | None = "repo"
    """The X-OAuth-Scopes header; None for a fine-grained token."""
    organization: dict[str, Any] = {"login": "acme", "deploy_keys_enabled_for_repositories": True}
    may_administrate = True
    admin = True
    hook_limit = 20
    deploy_keys_allowed = True
    deliveries_told = True
    tells_who_may_write = True
    meta: dict[str, Any] = {
        "ssh_keys": HOST_KEYS,
        "hooks": ["192.30.252.0/22", "140.82.112.0/20", "2a0a:a440::/29"],
    }

    def install(self) -> None:
        repo = re.escape(f"{self.api}/repos/{REPOSITORY}")
        self._serve(
            "GET", re.escape(f"{self.api}/user"), lambda _: reply(200, {"login": "ada", "id": 1}, **self._scopes())
        )
        self._serve("GET", re.escape(f"{self.api}/user/repos"), lambda _: reply(200, [self.repository()]))
        self._serve("GET", re.escape(f"{self.api}/meta"), lambda _: reply(200, self.meta))
        self._serve("GET", re.escape(f"{self.api}/orgs/acme"), lambda _: reply(200, self.organization))
        self._serve("GET", repo, lambda _: reply(200, self.repository()))
        self._serve("GET", f"{repo}/branches", lambda _: reply(200, [self._ref("main"), self._ref("release/1")]))
        self._serve("GET", f"{repo}/tags", lambda _: reply(200, [self._ref("v1")]))
        self._serve("GET", f"{repo}/commits/(heads/main|tags/v1)", lambda _: (200, {}, COMMIT))
        told = {"sha": COMMIT, "commit": {"author": {"name": "Ada", "email": "a@b.c"}, "message": "Fix it\n\nAt last."}}
        self._serve("GET", rf"{repo}/commits/[0-9a-f]{{40}}", lambda _: reply(200, told))
        gone = {"message": "No commit found for SHA: heads/gone", "status": "422"}
        self._serve("GET", f"{repo}/commits/heads/gone", lambda _: reply(422, gone))
        self._serve("GET", f"{repo}/hooks", self._administration(self._list_hooks))
        self._serve("POST", f"{repo}/hooks", self._administration(self._add_hook))
        self._serve("PATCH", rf"{repo}/hooks/\d+", self._administration(self._change_hook))
        self._serve("DELETE", rf"{repo}/hooks/\d+", self._administration(lambda r: self._remove(self.hooks, r)))
        self._serve("POST", rf"{repo}/hooks/\d+/pings", self._administration(self._ping))
        self._serve("GET", rf"{repo}/hooks/\d+/deliveries", self._administration(self._list_deliveries))
        self._serve("POST", rf"{repo}/hooks/\d+/deliveries/\d+/attempts", self._administration(self._redeliver))
        self._serve("GET", f"{repo}/keys", self._administration(self._list_keys))
        self._serve("POST", f"{repo}/keys", self._administration(self._add_key))
        self._serve("DELETE", rf"{repo}/keys/\d+", self._administration(lambda r: self._remove(self.keys, r)))
        self._serve("POST", f"{repo}/statuses/{COMMIT}", self._add_status)
        for method in ("GET", "POST", "DELETE"):
            elsewhere = re.escape(f"{self.api}/repos/") + rf"(?!{REPOSITORY}(/|\?|$))[\w./-]+"
            self._serve(method, elsewhere, lambda _: not_found())

    def reject_credentials(self) -> None:
        self._always(reply(401, {"message": "Bad credentials", "status": "401"}))

    def limit_rate(self, seconds: int) -> None:
        message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
        self._always(reply(403, {"message": message}, Retry_After=str(seconds)))

    def forbid_administration(self) -> None:
        self.may_administrate = self.admin = False

    def repository(self) -> dict[str, Any]:
        return {
            "id": 1296269,
            "full_name": REPOSITORY,
            "private": True,
            "html_url": f"{self.web}/{REPOSITORY}",
            "default_branch": "main",
            "permissions": {"admin": self.admin, "push": self.may_write, "pull": True},
        }

    def _serve(self, method: str, url: str, answer: Callable[[requests.PreparedRequest], Result]) -> None:
        self.mock.add_callback(method, re.compile(rf"^{url}(\?.*)?$"), callback=answer)

    def _always(self, result: Result) -> None:
        self.mock.reset()
        self.mock.add_callback("GET", re.compile(".*"), callback=lambda _: result)

    def _scopes(self) -> dict[str, str]:
        return {} if self.scopes is None else {"X_OAuth_Scopes": self.scopes}

    def _ref(self, name: str) -> dict[str, Any]:
        return {"name": name, "commit": {"sha": COMMIT, "url": f"{self.api}/repos/{REPOSITORY}/commits/{COMMIT}"}}

    def _administration(self, answer: Callable[[Any], Result]) -> Callable[[Any], Result]:
        return lambda request: answer(request) if self.may_administrate else not_found()

    def _hook(self, id_: str) -> dict[str, Any]:
        hook = self.hooks[id_]
        config = {"url": hook["url"], "content_type": "json", "secret": "********", "insecure_ssl": "0"}
        return {
            "type": "Repository",
            "id": int(id_),
            "name": "web",
            "active": True,
            "events": hook["events"],
            "config": config,
        }

    def _list_hooks(self, request: Any) -> Result:
        return reply(200, [self._hook(id_) for id_ in self.hooks])

    def _store_hook(self, id_: str, body: dict[str, Any]) -> None:
        config = body["config"]
        assert config["content_type"] == "json"
        assert config["insecure_ssl"] == "0"
        self.hooks[id_] = {"url": config["url"], "secret": config["secret"], "events": body["events"]}

    def _add_hook(self, request: Any) -> Result:
        body = json.loads(request.body)
        if len(self.hooks) >= self.hook_limit:
            return invalid("Hook", f'The "push" event cannot have more than {self.hook_limit} hooks')
        if any(hook["url"] == body["config"]["url"] for hook in self.hooks.values()):
            return invalid("Hook", "Hook already exists on this repository")
        id_ = str(100 + len(self.hooks))
        self._store_hook(id_, body)
        return reply(201, self._hook(id_))

    def _change_hook(self, request: Any) -> Result:
        id_ = request.url.rsplit("/", 1)[-1]
        if id_ not in self.hooks:
            return not_found()
        self._store_hook(id_, json.loads(request.body))
        return reply(200, self._hook(id_))

    def _ping(self, request: Any) -> Result:
        self.pings.append(request.url.split("/")[-2])
        return reply(204)

    def _list_deliveries(self, request: Any) -> Result:
        # https://docs.github.com/en/rest/repos/webhooks#list-deliveries-for-a-repository-webhook
        if request.url.split("/")[-2] not in self.hooks:
            return not_found()
        item = {
            "id": 12345678,
            "guid": "0b989ba4-242f-11e5-81e1-c7b6966d2516",
            "delivered_at": "2026-11-23T10:10:00.123Z",
            "redelivery": False,
            "duration": 0.27,
            "status": "OK",
            "status_code": 202,
            "event": "push",
            "action": None,
            "installation_id": None,
            "repository_id": 1296269,
            "throttled_at": None,
        }
        lost = {"id": 12345677, "guid": "0b989ba4-242f-11e5-81e1-c7b6966d2515", "status": "timed out", "status_code": 0}
        return reply(200, [item, item | lost])

    def _redeliver(self, request: Any) -> Result:
        id_ = request.url.split("/")[-2]
        if id_ == "999999":
            return not_found()
        self.redelivered.append(id_)
        return reply(202, {})

    def _remove(self, kept: dict[str, Any], request: Any) -> Result:
        return reply(204) if kept.pop(request.url.rsplit("/", 1)[-1], None) else not_found()

    def _list_keys(self, request: Any) -> Result:
        # GitHub keeps the key without its comment.
        keys = [{"id": int(id_), "key": " ".join(key.split()[:2]), "read_only": True} for id_, key in self.keys.items()]
        return reply(200, keys)

    def _add_key(self, request: Any) -> Result:
        body = json.loads(request.body)
        assert body["read_only"] is True
        if not self.deploy_keys_allowed:
            return invalid("PublicKey", "Deploy keys are disabled for this repository")
        if body["key"] in self.keys_elsewhere or body["key"] in self.keys.values():
            return invalid("PublicKey", "key is already in use")
        id_ = str(200 + len(self.keys))
        self.keys[id_] = body["key"]
        return reply(201, {"id": int(id_), "key": body["key"], "title": body["title"], "read_only": True})

    def _add_status(self, request: Any) -> Result:
        body = json.loads(request.body)
        assert len(body["description"]) <= 140
        self.statuses.append(body)
        return reply(201, body)


class FakeGitHubEnterprise(FakeGitHub):
    kind = "github_enterprise"
    config = ProviderConfig(base_url="https://git.example.com", credentials=FakeGitHub.config.credentials)
    api = "https://git.example.com/api/v3"
    web = "https://git.example.com"
    meta = {"verifiable_password_authentication": True, "ssh_keys": HOST_KEYS}
