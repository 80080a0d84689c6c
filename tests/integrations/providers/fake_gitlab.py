"""GitLab's REST API at the socket, as https://docs.gitlab.com/api/rest/ shows it."""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

import requests

from integrations.providers.base import ProviderConfig
from integrations.providers.public_keys import fingerprint
from tests.factories import COMMIT
from tests.integrations.providers.contract import REPOSITORY, FakeProvider
from tests.integrations.providers.fake_github import Result, reply

# https://docs.gitlab.com/api/project_webhooks/#add-a-webhook-to-a-project
HOOK_ATTRIBUTES = {
    "url": str,
    "name": str,
    "push_events": bool,
    "tag_push_events": bool,
    "enable_ssl_verification": bool,
    "token": str,
    "signing_token": str,
}


def not_found(what: str = "404 Not found") -> Result:
    return reply(404, {"message": what})


class FakeGitLab(FakeProvider):
    kind = "gitlab"
    config = ProviderConfig(credentials={"token": "glpat-" + "a1" * 10})
    web = "https://gitlab.com"
    deliveries_told = True
    tells_who_may_write = True
    scopes = ["api"]
    version = "19.1.0-ee"
    """Signing tokens came with 19.0, the list of deliveries with 17.3, tests by the API with 16.11."""
    signs = True
    """Whether the feature flag webhook_signing_token is on."""
    may_administrate = True
    hook_limit = 100
    transition_refused = False

    def install(self) -> None:
        self.api = f"{self.web}/api/v4"
        self.projects = [self.project(REPOSITORY)]
        self.branches = ["main", "release/1"]
        repo = re.escape(f"{self.api}/projects/{quote(REPOSITORY, safe='')}")
        self.serve("GET", re.escape(f"{self.api}/user"), lambda _: reply(200, {"id": 1, "username": "ada"}))
        self.serve("GET", re.escape(f"{self.api}/personal_access_tokens/self"), lambda _: self._token())
        self.serve("GET", re.escape(f"{self.api}/metadata"), lambda _: reply(200, {"version": self.version}))
        self.serve("GET", re.escape(f"{self.api}/projects"), self._search)
        self.serve("GET", repo, lambda _: reply(200, self.project(REPOSITORY)))
        self.serve("GET", f"{repo}/repository/branches", lambda r: self.paged(r, [self._ref(b) for b in self.branches]))
        told = {"id": COMMIT, "title": "Fix it", "message": "Fix it\n\nAt last.", "author_name": "Ada"}
        self.serve("GET", rf"{repo}/repository/commits/[0-9a-f]{{40}}", lambda _: reply(200, told))
        self.serve("GET", f"{repo}/repository/tags", lambda r: self.paged(r, [self._ref("v1")]))
        self.serve("GET", f"{repo}/repository/(branches|tags)/[^/?]+", self._one_ref)
        self.serve("GET", f"{repo}/hooks", self._administration(self._list_hooks))
        self.serve("POST", f"{repo}/hooks", self._administration(self._add_hook))
        self.serve("GET", rf"{repo}/hooks/\d+", self._administration(self._one_hook))
        self.serve("PUT", rf"{repo}/hooks/\d+", self._administration(self._change_hook))
        self.serve("DELETE", rf"{repo}/hooks/\d+", self._administration(lambda r: self._remove(self.hooks, r)))
        self.serve("POST", rf"{repo}/hooks/\d+/test/push_events", self._administration(self._test_hook))
        self.serve("GET", rf"{repo}/hooks/\d+/events", self._administration(self._list_events))
        self.serve("POST", rf"{repo}/hooks/\d+/events/\d+/resend", self._administration(self._resend))
        self.serve("GET", f"{repo}/deploy_keys", self._administration(self._list_keys))
        self.serve("POST", f"{repo}/deploy_keys", self._administration(self._add_key))
        self.serve("DELETE", rf"{repo}/deploy_keys/\d+", self._administration(lambda r: self._remove(self.keys, r)))
        self.serve("POST", f"{repo}/statuses/{COMMIT}", self._add_status)
        for method in ("GET", "POST", "PUT", "DELETE"):
            elsewhere = re.escape(f"{self.api}/projects/") + rf"(?!{quote(REPOSITORY, safe='')}(/|\?|$))[\w.%/-]+"
            self.serve(method, elsewhere, lambda _: not_found("404 Project Not Found"))

    def reject_credentials(self) -> None:
        self.always(reply(401, {"message": "401 Unauthorized"}))

    def limit_rate(self, seconds: int) -> None:
        self.always((429, {"Retry-After": str(seconds), "RateLimit-Remaining": "0"}, "Retry later\n"))

    def forbid_administration(self) -> None:
        self.may_administrate = False

    def project(self, full_name: str) -> dict[str, Any]:
        namespace, _, name = full_name.rpartition("/")
        return {
            "id": 42,
            "name": name.title(),
            "path": name,
            "name_with_namespace": full_name.replace("/", " / ").title(),
            "path_with_namespace": full_name,
            "default_branch": "main",
            "visibility": "private",
            "web_url": f"{self.web}/{full_name}",
            "namespace": {"full_path": namespace, "kind": "group"},
            "permissions": {"project_access": {"access_level": 40 if self.may_write else 20}, "group_access": None},
        }

    def serve(self, method: str, url: str, answer: Callable[[requests.PreparedRequest], Result]) -> None:
        def checked(request: requests.PreparedRequest) -> Result:
            if request.headers["PRIVATE-TOKEN"] != self.config.credentials["token"]:
                return reply(401, {"message": "401 Unauthorized"})
            assert "Authorization" not in request.headers
            if request.body is not None:
                assert request.headers["Content-Type"] == "application/json"
            return answer(request)

        self.mock.add_callback(method, re.compile(rf"^{url}(\?.*)?$"), callback=checked)

    def always(self, result: Result) -> None:
        self.mock.reset()
        for method in ("GET", "POST", "PUT", "DELETE"):
            self.mock.add_callback(method, re.compile(".*"), callback=lambda _: result)

    def paged(self, request: Any, items: list[Any]) -> Result:
        """https://docs.gitlab.com/api/rest/#offset-based-pagination"""
        query = {name: values[0] for name, values in parse_qs(urlsplit(request.url).query).items()}
        size, page = min(int(query.get("per_page", 20)), 100), int(query.get("page", 1))
        headers = {"X_Page": str(page), "X_Per_Page": str(size)}
        if page * size < len(items):
            # As a server behind a proxy that ends TLS may write it.
            url = (
                request.url.partition("?")[0].replace("https:", "http:") + f"?{urlencode({**query, 'page': page + 1})}"
            )
            headers |= {"X_Next_Page": str(page + 1), "Link": f'<{url}>; rel="next", <{url}>; rel="last"'}
        return reply(200, items[(page - 1) * size : page * size], **headers)

    def _token(self) -> Result:
        if "api" not in self.scopes and "read_api" not in self.scopes:
            return self.insufficient_scope()
        return reply(200, {"id": 4, "name": "Sluice", "revoked": False, "scopes": self.scopes, "active": True})

    def insufficient_scope(self) -> Result:
        described = "The request requires higher privileges than provided by the access token."
        return reply(403, {"error": "insufficient_scope", "error_description": described, "scope": "api read_api"})

    def _search(self, request: Any) -> Result:
        query = {name: values[0] for name, values in parse_qs(urlsplit(request.url).query).items()}
        assert query["membership"] == "true"
        wanted = query.get("search", "").lower()
        assert not wanted or query["search_namespaces"] == "true"
        return self.paged(request, [each for each in self.projects if wanted in each["path_with_namespace"].lower()])

    def _ref(self, name: str) -> dict[str, Any]:
        commit = {"id": COMMIT, "short_id": COMMIT[:8], "title": "Add stock", "author_name": "Ada"}
        return {"name": name, "commit": commit, "protected": False}

    def _one_ref(self, request: Any) -> Result:
        part, name = urlsplit(request.url).path.rsplit("/", 2)[-2:]
        assert "/" not in name
        known = self.branches if part == "branches" else ["v1"]
        return reply(200, self._ref(unquote(name))) if unquote(name) in known else not_found("404 Branch Not Found")

    def _administration(self, answer: Callable[[Any], Result]) -> Callable[[Any], Result]:
        return lambda request: answer(request) if self.may_administrate else reply(403, {"message": "403 Forbidden"})

    def _hook(self, id_: str) -> dict[str, Any]:
        hook = self.hooks[id_]
        told = {"signing_token_present": hook["signed"], "token_present": not hook["signed"]}
        return {
            "id": int(id_),
            "url": hook["url"],
            "push_events": True,
            "tag_push_events": True,
            "enable_ssl_verification": True,
            "alert_status": "executable",
            "disabled_until": None,
            **(told if self.version >= "19" else {}),
        }

    def _list_hooks(self, request: Any) -> Result:
        return self.paged(request, [self._hook(id_) for id_ in self.hooks])

    def _one_hook(self, request: Any) -> Result:
        id_ = request.url.rsplit("/", 1)[-1]
        return reply(200, self._hook(id_)) if id_ in self.hooks else not_found()

    def _store_hook(self, id_: str, body: dict[str, Any]) -> None:
        for name, value in body.items():
            assert isinstance(value, HOOK_ATTRIBUTES[name]), name
        assert body["push_events"]
        assert body["tag_push_events"]
        assert body["enable_ssl_verification"]
        given = str(body.get("signing_token") or "") if self.signs else ""
        assert not given or re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", given)
        assert not (given and body["token"]), "the plain token would travel with every delivery"
        self.hooks[id_] = {"url": body["url"], "secret": given or body["token"], "signed": bool(given)}

    def _add_hook(self, request: Any) -> Result:
        body = json.loads(request.body)
        if len(self.hooks) >= self.hook_limit:
            return reply(422, {"message": f"Maximum number of project webhooks ({self.hook_limit}) exceeded"})
        id_ = str(100 + len(self.hooks))
        self._store_hook(id_, body)
        return reply(201, self._hook(id_))

    def _change_hook(self, request: Any) -> Result:
        id_ = request.url.rsplit("/", 1)[-1]
        if id_ not in self.hooks:
            return not_found()
        self._store_hook(id_, json.loads(request.body))
        return reply(200, self._hook(id_))

    def _test_hook(self, request: Any) -> Result:
        if self.version < "16.11":
            return reply(404, {"error": "404 Not Found"})
        self.pings.append(request.url.split("/")[-3])
        return reply(201, {"message": "201 Created"})

    def _list_events(self, request: Any) -> Result:
        if self.version < "17.3":
            return reply(404, {"error": "404 Not Found"})
        if urlsplit(request.url).path.split("/")[-2] not in self.hooks:
            return not_found()
        query = {name: values[0] for name, values in parse_qs(urlsplit(request.url).query).items()}
        if not 1 <= int(query.get("per_page", 20)) <= 20:
            return reply(400, {"error": "per_page does not have a valid value"})
        if int(query.get("page", 1)) > 1:
            return reply(200, [])
        event = {
            "id": 1,
            "url": "https://[FILTERED]",
            "trigger": "push_hooks",
            "request_headers": {
                "Content-Type": "application/json",
                "User-Agent": "GitLab/19.1.0-ee",
                "Idempotency-Key": "3a427872-00df-429c-9bc9-a9475de2efe4",
                "X-Gitlab-Event": "Push Hook",
                "X-Gitlab-Webhook-UUID": "3c5c0404-c866-44bc-a5f6-452bb1bfc76e",
                "X-Gitlab-Event-UUID": "9cebe914-4827-408f-b014-cfa23a47a35f",
                "X-Gitlab-Token": "[REDACTED]",
            },
            "request_data": {"object_kind": "push", "ref": "refs/heads/main", "after": COMMIT},
            "response_headers": {"Date": "Mon, 23 Nov 2026 10:10:00 GMT", "Content-Length": "16"},
            "response_body": "{}",
            "execution_duration": 1.09,
            "response_status": "202",
        }
        lost = {
            "id": 2,
            "request_headers": {
                "webhook-id": "f5ef3e3d-7a7b-4d1f-9c6f-0d8f6bb9b1f0",
                "webhook-timestamp": "1795428660",
                "Idempotency-Key": "f5ef3e3d-7a7b-4d1f-9c6f-0d8f6bb9b1f0",
                "X-Gitlab-Event": "Tag Push Hook",
            },
            "response_headers": {},
            "response_body": "",
            "response_status": "internal error",
        }
        return self.paged(request, [event, event | lost])

    def _resend(self, request: Any) -> Result:
        id_ = request.url.split("/")[-2]
        if id_ == "999999":
            return not_found()
        self.redelivered.append(id_)
        return reply(201, {"response_status": 200})

    def _remove(self, kept: dict[str, Any], request: Any) -> Result:
        return reply(204) if kept.pop(request.url.rsplit("/", 1)[-1], None) else not_found()

    def _key(self, id_: str) -> dict[str, Any]:
        key = self.keys[id_]
        return {
            "id": int(id_),
            "title": "Sluice",
            "key": key,
            "fingerprint_sha256": fingerprint(key),
            "created_at": "2026-11-23T10:00:00.000Z",
            "expires_at": None,
            "can_push": False,
        }

    def _list_keys(self, request: Any) -> Result:
        return self.paged(request, [self._key(id_) for id_ in self.keys])

    def _add_key(self, request: Any) -> Result:
        body = json.loads(request.body)
        assert set(body) == {"title", "key", "can_push"}
        assert body["can_push"] is False
        for id_, key in self.keys.items():
            if key == body["key"]:
                return reply(201, self._key(id_))
        taken = {fingerprint(key) for key in (*self.keys.values(), *self.keys_elsewhere)}
        if fingerprint(body["key"]) in taken:
            return reply(400, {"message": {"deploy_key.fingerprint_sha256": ["has already been taken"]}})
        id_ = str(200 + len(self.keys))
        self.keys[id_] = body["key"]
        return reply(201, self._key(id_))

    def _add_status(self, request: Any) -> Result:
        body = json.loads(request.body)
        assert set(body) == {"state", "name", "target_url", "description"}
        assert body["state"] in {"pending", "running", "success", "failed", "canceled"}
        assert len(body["description"]) <= 255
        if self.transition_refused:
            reason = (
                'Cannot transition status via :enqueue from :pending (Reason(s): Status cannot transition via "run")'
            )
            return reply(400, {"message": reason})
        self.statuses.append(body)
        return reply(201, {"id": 93, "sha": COMMIT, "status": body["state"], "name": body["name"]})


class FakeSelfManagedGitLab(FakeGitLab):
    """An older one, at an address of its own below a path."""

    config = ProviderConfig(base_url="https://git.example.com/gitlab/", credentials=FakeGitLab.config.credentials)
    web = "https://git.example.com/gitlab"
    version = "18.11.2"
    signs = False
