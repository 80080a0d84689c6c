"""GitHub as an app and its installations see it: who signs in how, and what each may do.

Facts: https://docs.github.com/en/rest/apps/apps, https://docs.github.com/en/rest/apps/installations and
https://docs.github.com/en/rest/authentication/permissions-required-for-github-apps
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import jwt
import requests
import responses
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from integrations.providers.base import ProviderConfig
from tests.factories import rsa_key
from tests.integrations.providers.fake_github import FakeGitHub, Result, not_found, reply

APP_ID, SLUG, CLIENT_ID = 1234567, "sluice-acme", "Iv23liAbCdEfGh012345"
INSTALLATION = "87654321"
PERMISSIONS = {
    "administration": "write",
    "contents": "read",
    "metadata": "read",
    "repository_hooks": "write",
    "statuses": "write",
}
LEVELS = {"read": 1, "write": 2}
NUMERIC, INTEGER = "must be a numeric value representing", "must be an Integer representing"
CODE = "a180b1a3d263c81bc6441d7b990bae27d4c10679"


@dataclass
class Issued:
    """A token that was given out."""

    expires_at: datetime
    permissions: dict[str, str]


class FakeGitHubApp(FakeGitHub):
    """github.com with one app, installed at the organization acme for acme/shop."""

    def __init__(self, mock: responses.RequestsMock) -> None:
        self.app_id = APP_ID
        self.keys_of_app = [rsa_key()]
        self.installations: dict[str, dict[str, Any]] = {INSTALLATION: self.installation("acme")}
        self.tokens: dict[str, Issued] = {}
        self.clock = timedelta(0)
        """How much later it is at GitHub than here."""
        self.lasts = timedelta(hours=1)
        """How long its tokens do."""
        self.asked: list[dict[str, Any]] = []
        """What tokens were asked for with."""
        self.codes: dict[str, dict[str, Any]] = {}
        """Codes of apps that were made from a manifest, each good for one exchange."""
        super().__init__(mock)

    @property
    def now(self) -> datetime:
        return datetime.now(UTC) + self.clock

    def installation(self, account: str, **changes: Any) -> dict[str, Any]:
        return {
            "account": {"login": account, "type": "Organization", "id": 4},
            "app_id": APP_ID,
            "app_slug": SLUG,
            "repository_selection": "selected",
            "permissions": dict(PERMISSIONS),
            "events": [],
            "suspended_at": None,
            "html_url": f"{self.web}/organizations/{account}/settings/installations/{INSTALLATION}",
            **changes,
        }

    def install(self) -> None:
        super().install()
        api = re.escape(self.api)
        serve = self.mock.add_callback
        app = [
            ("GET", "/app", self._app),
            ("GET", "/app/installations", self._list_installations),
            ("GET", r"/app/installations/\d+", self._one_installation),
            ("POST", r"/app/installations/\d+/access_tokens", self._new_token),
        ]
        for method, path, answer in app:
            serve(method, re.compile(rf"^{api}{path}(\?.*)?$"), callback=self._as_app(answer))
        serve("POST", re.compile(rf"^{api}/app-manifests/\w+/conversions$"), callback=self._convert)
        listed = lambda _: reply(200, {"total_count": 1, "repositories": [self.repository()]})  # noqa: E731
        self._serve("GET", f"{api}/installation/repositories", listed)

    def methods(self) -> set[str]:
        calls = [call.request for call in self.mock.calls]
        return {each.method for each in calls if not each.url.endswith("/access_tokens")}

    def reject_credentials(self) -> None:
        self.keys_of_app = []

    def forbid_administration(self) -> None:
        granted = {**PERMISSIONS, "repository_hooks": "read"}
        del granted["administration"]
        self.grant(granted)

    def forbid_writing(self) -> None:
        self.grant({**PERMISSIONS, "statuses": "read"})

    def grant(self, permissions: dict[str, str]) -> None:
        """Let the installation have these from now on."""
        self.installations[INSTALLATION]["permissions"] = permissions
        self.tokens.clear()

    def repository(self) -> dict[str, Any]:
        # Of an app's own permissions these say nothing.
        nothing = {"admin": False, "maintain": False, "push": False, "triage": False, "pull": False}
        return {**super().repository(), "permissions": nothing}

    def made_from_manifest(self, **changes: Any) -> str:
        """What GitHub sends the browser back with once a person made an app from a manifest."""
        answer = {
            "id": self.app_id,
            "slug": SLUG,
            "node_id": "MDExOkludGVncmF0aW9uMQ==",
            "client_id": CLIENT_ID,
            "owner": {"login": "acme", "id": 4, "type": "Organization"},
            "name": "Sluice acme",
            "description": "",
            "external_url": "https://panel.example.com",
            "html_url": f"{self.web}/apps/{SLUG}",
            "created_at": "2026-11-28T10:00:00Z",
            "updated_at": "2026-11-28T10:00:00Z",
            "permissions": PERMISSIONS,
            "events": [],
            "client_secret": "canary-client-secret",
            "webhook_secret": "canary-webhook-secret",
            "pem": rsa_key(),
        }
        self.codes[CODE] = answer | changes
        return CODE

    def _serve(self, method: str, url: str, answer: Callable[[requests.PreparedRequest], Result]) -> None:
        super()._serve(method, url, self._as_installation(answer))

    def _as_app(self, answer: Callable[[Any], Result]) -> Callable[[Any], Result]:
        def guarded(request: Any) -> Result:
            problem = self._refusal(request.headers.get("Authorization", ""))
            return reply(401, {"message": problem, "status": "401"}) if problem else answer(request)

        return guarded

    def _refusal(self, header: str) -> str:
        """What is wrong with a statement of the app, in GitHub's words; empty if it is good."""
        scheme, _, token = header.partition(" ")
        undecoded = "A JSON web token could not be decoded"
        if scheme.lower() != "bearer":
            return undecoded
        options: Any = {"verify_exp": False, "verify_iat": False, "require": ["iat", "exp", "iss"]}
        for key in self.keys_of_app:
            public = _public(key)
            try:
                claims = jwt.decode(token, public, algorithms=["RS256"], options=options)
            except jwt.InvalidTokenError:
                continue
            now = self.now.timestamp()
            if claims["iss"] not in {str(self.app_id), CLIENT_ID}:
                return "Integration not found"
            if claims["exp"] > now + 600:
                return "'Expiration time' claim ('exp') is too far in the future"
            if claims["exp"] <= now:
                return f"'Expiration time' claim ('exp') {NUMERIC} the future time at which the assertion expires"
            if not isinstance(claims["iat"], int) or claims["iat"] > now:
                return (
                    "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"
                )
            return ""
        return undecoded

    def _as_installation(self, answer: Callable[[Any], Result]) -> Callable[[Any], Result]:
        def guarded(request: Any) -> Result:
            issued = self.tokens.get(request.headers.get("Authorization", "").partition(" ")[2])
            if issued is None or issued.expires_at <= self.now:
                return reply(401, {"message": "Bad credentials", "status": "401"})
            needed = needs(request.method, urlsplit(request.url).path.removeprefix(urlsplit(self.api).path))
            if needed is None:
                return forbidden("")
            for name, level in needed.items():
                if LEVELS.get(issued.permissions.get(name, ""), 0) < LEVELS[level]:
                    return forbidden(f"{name}={level}")
            return answer(request)

        return guarded

    def _app(self, request: Any) -> Result:
        owner = {"login": "acme", "id": 4, "type": "Organization"}
        return reply(
            200,
            {
                "id": self.app_id,
                "slug": SLUG,
                "client_id": CLIENT_ID,
                "owner": owner,
                "name": "Sluice acme",
                "external_url": "https://panel.example.com",
                "html_url": f"{self.web}/apps/{SLUG}",
                "permissions": PERMISSIONS,
                "events": [],
                "installations_count": len(self.installations),
            },
        )

    def _list_installations(self, request: Any) -> Result:
        return reply(200, [{"id": int(id_), **each} for id_, each in self.installations.items()])

    def _one_installation(self, request: Any) -> Result:
        id_ = urlsplit(request.url).path.rsplit("/", 1)[-1]
        found = self.installations.get(id_)
        return reply(200, {"id": int(id_), **found}) if found else not_found()

    def _new_token(self, request: Any) -> Result:
        found = self.installations.get(request.url.split("/")[-2])
        if found is None:
            return not_found()
        if found["suspended_at"]:
            return reply(403, {"message": "This installation has been suspended", "status": "403"})
        body = json.loads(request.body or "{}")
        assert set(body) <= {"repositories", "repository_ids", "permissions"}
        self.asked.append(body)
        granted = found["permissions"]
        wanted = body.get("permissions", granted)
        for name, level in wanted.items():
            if LEVELS.get(granted.get(name, ""), 0) < LEVELS[level]:
                return reply(422, {"message": "The permissions requested are not granted to this installation."})
        token = f"ghs_canary{len(self.tokens):026}"
        self.tokens[token] = Issued(self.now + self.lasts, wanted | {"metadata": "read"})
        expires = self.tokens[token].expires_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        return reply(201, {"token": token, "expires_at": expires, "permissions": wanted})

    def _convert(self, request: Any) -> Result:
        # https://docs.github.com/en/rest/apps/apps#create-a-github-app-from-a-manifest: no sign-in, no body, once.
        assert "Authorization" not in request.headers
        assert not request.body
        found = self.codes.pop(urlsplit(request.url).path.split("/")[-2], None)
        return reply(201, found) if found else not_found()


class FakeGitHubEnterpriseApp(FakeGitHubApp):
    """The same on a server of one's own."""

    api = "https://git.example.com/api/v3"
    web = "https://git.example.com"


def needs(method: str, path: str) -> dict[str, str] | None:
    """The permissions that an endpoint takes of an installation; None where it takes none of them at all."""
    level = "read" if method == "GET" else "write"
    if path in {"/meta", "/installation/repositories"} or path.startswith("/orgs/"):
        return {}
    if not path.startswith("/repos/"):
        return None
    match path.split("/")[4:5]:
        case ["hooks"]:
            return {"repository_hooks": level}
        case ["keys"]:
            return {"administration": level}
        case ["statuses"]:
            return {"statuses": level}
        case ["branches" | "tags" | "commits" | "compare" | "zipball"] if path.split("/")[4] != "tags":
            return {"contents": level}
        case _:
            return {"metadata": "read"}


def forbidden(accepted: str) -> Result:
    headers = {"X_Accepted_GitHub_Permissions": accepted} if accepted else {}
    return reply(403, {"message": "Resource not accessible by integration", "status": "403"}, **headers)


@lru_cache
def _public(key: str) -> Any:
    return load_pem_private_key(key.encode(), password=None).public_key()


def credentials(**changes: str) -> dict[str, str]:
    return {"app_id": str(APP_ID), "installation_id": INSTALLATION, "private_key": rsa_key(), **changes}


CONFIG = ProviderConfig(credentials=credentials())
