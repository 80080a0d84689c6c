"""Bitbucket Cloud's REST API at the socket, as https://developer.atlassian.com/cloud/bitbucket/rest/ shows it."""

import base64
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote

import requests

from integrations.providers.base import ProviderConfig
from tests.factories import COMMIT
from tests.integrations.providers.contract import REPOSITORY, FakeProvider

Result = tuple[int, dict[str, str], str]
HOST_KEYS = [
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTY=",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIazEu89wgQZ4bqs3d63QSMzYVa0MuJ2e2gKTKqu+UUO",
]
KNOWN_HOSTS = "".join(f"bitbucket.org {key}\n" for key in HOST_KEYS) + "# the end\nother.example ssh-rsa AAAA\n"
IP_RANGES = {
    "creationDate": "2026-11-20T09:00:00.000000",
    "syncToken": 1763629200,
    "items": [
        {
            "network": "104.192.136.0",
            "mask_len": 21,
            "cidr": "104.192.136.0/21",
            "mask": "255.255.248.0",
            "region": ["global"],
            "product": ["bitbucket", "jira"],
            "direction": ["egress", "ingress"],
            "perimeter": "commercial",
        },
        {"cidr": "2401:1d80:3000::/36", "product": ["bitbucket"], "direction": ["egress"]},
        {"cidr": "13.52.5.0/25", "product": ["bitbucket"], "direction": ["ingress"]},
        {"cidr": "13.236.8.128/25", "product": ["jira"], "direction": ["egress"]},
    ],
}


def reply(status: int, body: Any = None, **headers: str) -> Result:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, named, "" if body is None else json.dumps(body)


def error(status: int, message: str, detail: Any = None, **headers: str) -> Result:
    said = {"message": message} | ({} if detail is None else {"detail": detail})
    return reply(status, {"type": "error", "error": said}, **headers)


def not_found() -> Result:
    return error(404, f"You may not have access to this repository or it no longer exists: {REPOSITORY}.")


def listed(*values: Any, following: str = "") -> Result:
    body = {"pagelen": 100, "page": 1, "size": len(values), "values": list(values)}
    return reply(200, body | ({"next": following} if following else {}))


class FakeBitbucketCloud(FakeProvider):
    kind = "bitbucket_cloud"
    config = ProviderConfig(credentials={"email": "ada@example.com", "token": "ATATT3x" + "b2" * 18})
    api = "https://api.bitbucket.org/2.0"
    web = "https://bitbucket.org"
    sends_pings = False
    user: dict[str, Any] | None = {
        "type": "user",
        "uuid": "{3b1c1f5e-6f3f-4a54-9d0c-2a1f4a6b7c8d}",
        "nickname": "ada",
        "display_name": "Ada L.",
    }
    """None: these credentials may not read the account, as access tokens never may."""
    scopes: str | None = "read:repository:bitbucket, read:webhook:bitbucket, write:webhook:bitbucket"
    lacking: list[str] | None = None
    """What calls on webhooks and deploy keys are refused for; None lets them through."""
    oauth_token = ""
    """The token that an OAuth consumer was given."""
    hook_limit = 50

    def install(self) -> None:
        repo = re.escape(f"{self.api}/repositories/{REPOSITORY}")
        hook = repo + r"/hooks/%7B[0-9a-f-]{36}%7D"
        self._serve("GET", re.escape(f"{self.api}/user"), self._user)
        self._serve("GET", re.escape(f"{self.api}/hook_events"), lambda _: reply(200, {}, **self._told()))
        self._serve("GET", re.escape(f"{self.api}/user/workspaces"), self._workspaces)
        self._serve("GET", re.escape(f"{self.api}/repositories/acme"), lambda _: listed(self.repository()))
        self._serve("GET", repo, lambda _: reply(200, self.repository()))
        self._serve("GET", f"{repo}/refs/branches", lambda _: listed(self._ref("main"), self._ref("release/1")))
        told = {"hash": COMMIT, "author": {"raw": "Ada <a@b.c>"}, "message": "Fix it\n\nAt last."}
        self._serve("GET", rf"{repo}/commit/[0-9a-f]{{40}}", lambda _: reply(200, told))
        self._serve("GET", f"{repo}/refs/tags", lambda _: listed(self._ref("v1")))
        self._serve("GET", f"{repo}/refs/(branches/main|tags/v1)", lambda _: reply(200, self._ref("main")))
        gone = {"error": {"message": "Branch gone not found"}, "type": "error", "data": {"shas": ["gone"]}}
        self._serve("GET", f"{repo}/refs/branches/gone", lambda _: reply(404, gone))
        self._serve("GET", f"{repo}/hooks", self._administration(self._list_hooks))
        self._serve("POST", f"{repo}/hooks", self._administration(self._add_hook))
        self._serve("PUT", hook, self._administration(self._change_hook))
        self._serve("DELETE", hook, self._administration(lambda r: self._remove(self.hooks, r)))
        self._serve("GET", f"{repo}/deploy-keys", self._administration(self._list_keys))
        self._serve("POST", f"{repo}/deploy-keys", self._administration(self._add_key))
        self._serve("DELETE", rf"{repo}/deploy-keys/\d+", self._administration(lambda r: self._remove(self.keys, r)))
        self._serve("POST", f"{repo}/commit/{COMMIT}/statuses/build", self._add_status)
        self._serve("POST", re.escape(f"{self.web}/site/oauth2/access_token"), self._exchange)
        self._serve("GET", re.escape(f"{self.web}/site/ssh"), lambda _: (200, {}, KNOWN_HOSTS))
        self._serve("GET", re.escape("https://ip-ranges.atlassian.com/"), lambda _: reply(200, IP_RANGES))
        for method in ("GET", "POST", "PUT", "DELETE"):
            elsewhere = re.escape(f"{self.api}/repositories/") + rf"(?!{REPOSITORY}(/|\?|$))[\w.-]+/[\w./%-]+"
            self._serve(method, elsewhere, lambda _: not_found())

    def reject_credentials(self) -> None:
        self._always(error(401, "Token is invalid, expired, or not supported for this endpoint."))

    def limit_rate(self, seconds: int) -> None:
        self._always(error(429, "Rate limit for this resource has been exceeded", Retry_After=str(seconds)))

    def forbid_administration(self) -> None:
        self.lacking = ["webhook", "repository:admin"]

    def repository(self) -> dict[str, Any]:
        return {
            "type": "repository",
            "uuid": "{85d08b4e-571d-44e9-a507-fa476535aa98}",
            "full_name": REPOSITORY,
            "slug": "shop",
            "name": "The Shop",
            "is_private": True,
            "scm": "git",
            "mainbranch": {"name": "main", "type": "branch"},
            "links": {"html": {"href": f"{self.web}/{REPOSITORY}"}},
        }

    def _serve(self, method: str, url: str, answer: Callable[[requests.PreparedRequest], Result]) -> None:
        self.mock.add_callback(method, re.compile(rf"^{url}(\?.*)?$"), callback=answer)

    def _always(self, result: Result) -> None:
        self.mock.reset()
        for method in ("GET", "POST"):
            self.mock.add_callback(method, re.compile(".*"), callback=lambda _: result)

    def _told(self) -> dict[str, str]:
        return {} if self.scopes is None else {"X_OAuth_Scopes": self.scopes}

    def _user(self, request: Any) -> Result:
        if self.user is None:
            return error(401, "Token is invalid, expired, or not supported for this endpoint.")
        return reply(200, self.user, **self._told())

    def _workspaces(self, request: Any) -> Result:
        if self.user is None:
            return error(401, "Token is invalid, expired, or not supported for this endpoint.")
        workspace = {"type": "workspace_base", "uuid": "{a15fb181-db1f-48f7-b41f-e1eff06929d6}", "slug": "acme"}
        return listed({"type": "workspace_access", "administrator": True, "workspace": workspace})

    def _exchange(self, request: Any) -> Result:
        assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
        if parse_qs(request.body) != {"grant_type": ["client_credentials"]}:
            return reply(400, {"error": "unsupported_grant_type"})
        shown = base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode()
        if shown != "consumer:its-secret":
            said = f"Invalid OAuth client credentials {shown.partition(':')[2]}"
            return reply(400, {"error": "unauthorized_client", "error_description": said})
        self.oauth_token = "short-lived-" + "c3" * 12
        scopes = "account repository:admin webhook"
        return reply(200, {"access_token": self.oauth_token, "expires_in": 7200, "scopes": scopes})

    def _ref(self, name: str) -> dict[str, Any]:
        return {"type": "branch", "name": name, "target": {"type": "commit", "hash": COMMIT}}

    def _administration(self, answer: Callable[[Any], Result]) -> Callable[[Any], Result]:
        def checked(request: Any) -> Result:
            if self.lacking is None:
                return answer(request)
            message = "Your credentials lack one or more required privilege scopes."
            return error(403, message, {"required": self.lacking, "granted": ["repository"]})

        return checked

    def _hook(self, id_: str) -> dict[str, Any]:
        hook = self.hooks[id_]
        return {
            "type": "webhook_subscription",
            "uuid": f"{{{id_}}}",
            "url": hook["url"],
            "description": hook["description"],
            "subject_type": "repository",
            "active": hook["active"],
            "events": hook["events"],
            "secret_set": bool(hook["secret"]),
        }

    def _list_hooks(self, request: Any) -> Result:
        return listed(*[self._hook(id_) for id_ in self.hooks])

    def _add_hook(self, request: Any) -> Result:
        if len(self.hooks) >= self.hook_limit:
            return error(400, f"Webhook limit reached: at most {self.hook_limit} are allowed.")
        id_ = f"4b3e6d1c-6f3f-4a54-9d0c-{len(self.hooks) + 1:012x}"
        self.hooks[id_] = json.loads(request.body)
        return reply(201, self._hook(id_))

    def _change_hook(self, request: Any) -> Result:
        id_ = _id(request)
        if id_ not in self.hooks:
            return error(404, f"{id_} not found")
        self.hooks[id_] = json.loads(request.body)
        return reply(200, self._hook(id_))

    def _remove(self, kept: dict[str, Any], request: Any) -> Result:
        return reply(204) if kept.pop(_id(request), None) else error(404, "Not found")

    def _list_keys(self, request: Any) -> Result:
        # Bitbucket keeps the comment apart from the key.
        return listed(*[{"id": int(id_), "key": " ".join(key.split()[:2])} for id_, key in self.keys.items()])

    def _add_key(self, request: Any) -> Result:
        body = json.loads(request.body)
        assert set(body) == {"key", "label"}
        if body["key"] in self.keys_elsewhere or body["key"] in self.keys.values():
            return error(400, "Bad request", {"key": ["Someone has already registered that SSH key."]})
        id_ = str(200 + len(self.keys))
        self.keys[id_] = body["key"]
        return reply(200, {"type": "deploy_key", "id": int(id_), "key": body["key"], "label": body["label"]})

    def _add_status(self, request: Any) -> Result:
        body = json.loads(request.body)
        assert body["state"] in {"INPROGRESS", "SUCCESSFUL", "FAILED", "STOPPED"}
        assert len(body["key"]) <= 40
        assert len(body["description"]) <= 255
        self.statuses.append(body)
        return reply(201, body)


def _id(request: Any) -> str:
    return unquote(request.url.rsplit("/", 1)[-1]).strip("{}")
