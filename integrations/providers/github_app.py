"""Signing in to GitHub as an installation of a GitHub App, in place of a person's token.

The app signs a short statement with its private key (a JWT), and gets a token of an hour for one installation of it.
Tokens are kept in this process's memory alone, and nothing of them is logged.

https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app
"""

import hashlib
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from integrations.errors import InvalidValue, NotFoundAtProvider, PermissionMissing
from integrations.http import HttpClient
from integrations.providers import github_app_errors as errors
from integrations.providers.answers import Reader
from integrations.providers.app_keys import private_key
from integrations.providers.base import Obstacle, ProviderConfig, Purpose
from integrations.providers.records import Identity

API_VERSION = "2022-11-28"
PER_PAGE = 100  # the most that GitHub gives, of installations too
HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": API_VERSION}
FIELDS = ("app_id", "installation_id", "private_key")
NEEDED = {"contents": "read", "metadata": "read", "repository_hooks": "write", "statuses": "write"}
"""What Sluice uses of a repository, in GitHub's names; docs/providers.md says what for."""
OPTIONAL = {"administration": "write"}
"""For deploy keys, which git pull over SSH needs."""
TITLES = {
    "contents": "Contents",
    "metadata": "Metadata",
    "repository_hooks": "Webhooks",
    "statuses": "Commit statuses",
    "administration": "Administration",
}
BACKDATED, LIFETIME = 60, 9 * 60
"""Seconds: GitHub advises the first against clocks that differ, and takes no statement that is good for ten minutes."""
MARGIN = timedelta(minutes=5)
"""A token that expires within it is not used any more."""
MOST_KEPT = 500
_LEVELS = {"read": 1, "write": 2, "admin": 3}
_READ = Reader("GitHub")


@dataclass(frozen=True, slots=True)
class Installation:
    """Where an app is installed: at a person or an organization, for some or all of its repositories."""

    id: str
    account: str
    all_repositories: bool
    suspended: bool
    permissions: Mapping[str, str]
    """What was granted: GitHub's name of a permission to read, write or admin."""
    page_url: str = ""
    """GitHub's page of it; empty if GitHub tells none."""


@dataclass(frozen=True, slots=True)
class RegisteredApp:
    """An app as GitHub describes it to itself."""

    id: str
    slug: str
    """Its name in addresses."""
    name: str
    owner: str


@dataclass(frozen=True, slots=True)
class InstallationToken:
    """What calls of an installation sign in with, until it expires."""

    token: str = field(repr=False)
    expires_at: datetime
    account: str
    permissions: Mapping[str, str]

    def usable(self) -> bool:
        """Whether it is good for a while yet."""
        return datetime.now(UTC) + MARGIN < self.expires_at


class _Statements:
    """The app's own sign-in: a statement, signed anew for each call."""

    def __init__(self, app_id: str, key: str) -> None:
        self._app_id, self._key = app_id, private_key(key)

    def current(self) -> str:
        now = int(time.time())
        # `iss` is the id as text: RFC 7519, 4.1.1.
        claims = {"iat": now - BACKDATED, "exp": now + LIFETIME, "iss": self._app_id}
        return jwt.encode(claims, self._key, algorithm="RS256")

    def refused(self, token: str) -> bool:  # noqa: ARG002 - another one would say the same
        return False


class AppClient:
    """Calls that an app makes as itself. Raises InvalidValue for a private key or id that cannot be one."""

    def __init__(self, config: ProviderConfig, api_url: str) -> None:
        self._statements = _Statements(number(config.credentials, "app_id"), config.credentials.get("private_key", ""))
        self._http = HttpClient(
            api_url,
            headers=HEADERS,
            ca_bundle=config.ca_bundle,
            allowed_networks=config.allowed_networks,
            patience=config.patience,
            explain=errors.explain_app,
            tokens=self._statements,
        )

    def app(self) -> RegisteredApp:
        """https://docs.github.com/en/rest/apps/apps#get-the-authenticated-app"""
        body = _READ.record(self._http.get("/app"))
        return RegisteredApp(
            id=_READ.text(body, "id"),
            slug=_READ.text(body, "slug"),
            name=_READ.text(body, "name"),
            owner=_READ.text(body, "owner", "login") if isinstance(body.get("owner"), dict) else "",
        )

    def installations(self) -> list[Installation]:
        """https://docs.github.com/en/rest/apps/apps#list-installations-for-the-authenticated-app"""
        pages = self._http.pages("/app/installations", params={"per_page": PER_PAGE})
        return [_installation(item) for body in pages for item in _READ.records(body)]

    def installation(self, id: str) -> Installation:  # noqa: A002
        """One installation of this app. Raises NotFoundAtProvider for one of another app, or that was removed."""
        try:
            return _installation(_READ.record(self._http.get(f"/app/installations/{_READ.number(id)}")))
        except NotFoundAtProvider:
            raise errors.not_installed() from None

    def new_token(self, installation_id: str) -> InstallationToken:
        """A token of an hour that may do what Sluice uses, and nothing else that the installation was granted.

        https://docs.github.com/en/rest/apps/apps#create-an-installation-access-token-for-an-app refuses what was not
        granted, so what was granted is asked for first.
        """
        installation = self.installation(installation_id)
        if installation.suspended:
            raise errors.suspended(installation.account)
        wanted = narrowed(installation.permissions)
        path = f"/app/installations/{_READ.number(installation_id)}/access_tokens"
        try:
            body = _READ.record(self._http.post(path, json={"permissions": wanted}))
        except NotFoundAtProvider:
            raise errors.not_installed() from None
        token = _READ.text(body, "token")
        if not (token.isascii() and token.isprintable()):
            raise _READ.unexpected("token is no token")
        return InstallationToken(
            token=token,
            expires_at=_READ.moment(body, "expires_at"),
            account=installation.account,
            permissions=wanted,
        )


class InstallationAccess:
    """What the calls of one installation sign in with: a token that is kept until shortly before it expires."""

    def __init__(self, config: ProviderConfig, api_url: str) -> None:
        self._config, self._api_url = config, api_url
        self._id = number(config.credentials, "installation_id")
        # Whoever has the key may have the token: other credentials never find it.
        parts = (api_url, config.ca_bundle, *(config.credentials.get(name, "") for name in FIELDS))
        self._key = hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def app(self) -> AppClient:
        """The same app, calling as itself."""
        return AppClient(self._config, self._api_url)

    def token(self) -> InstallationToken:
        """A token that is good for a while. Raises what `AppClient.new_token` raises."""
        with _LOCK:
            kept = _KEPT.get(self._key)
        if kept is not None and kept.usable():
            return kept
        made = self.app().new_token(self._id)
        with _LOCK:
            for key in [key for key, each in _KEPT.items() if not each.usable()]:
                del _KEPT[key]
            if len(_KEPT) < MOST_KEPT:
                _KEPT[self._key] = made
        return made

    def current(self) -> str:
        """The text of `token`."""
        return self.token().token

    def refused(self, token: str) -> bool:
        """Forget a token that GitHub does not accept (any more); another one is worth a try."""
        with _LOCK:
            if (kept := _KEPT.get(self._key)) is not None and kept.token == token:
                del _KEPT[self._key]
        return True

    def identity(self) -> Identity:
        """Which app this is, where it is installed, and what it may not do."""
        app = self.app().app()
        # A kept token may be from before a change at GitHub.
        with _LOCK:
            _KEPT.pop(self._key, None)
        token = self.token()
        missing = tuple(title(name, level) for name, level in lacking(token.permissions, NEEDED).items())
        note = ""
        if lacking(token.permissions, OPTIONAL):
            note = "It may not add deploy keys (Administration): git pull over HTTPS, and zip download, need none."
        return Identity(login=f"{app.slug} at {token.account}", missing=missing, note=note)


_KEPT: dict[str, InstallationToken] = {}
_LOCK = threading.Lock()


def forget_tokens() -> None:
    """Forget every token that is kept in this process."""
    with _LOCK:
        _KEPT.clear()


def number(credentials: Mapping[str, str], name: str) -> str:
    """An id among the credentials. Raises InvalidValue."""
    value = credentials.get(name, "")
    if not (value.isascii() and value.isdigit() and len(value) <= 20):
        raise InvalidValue("GitHub's ids of apps and installations are numbers.", field=name)
    return value


def is_app(credentials: Mapping[str, str]) -> bool:
    """Whether these are an app's credentials."""
    return any(credentials.get(name) for name in FIELDS)


def narrowed(granted: Mapping[str, str]) -> dict[str, str]:
    """Of what was granted, what Sluice uses, at the level that it uses."""
    used = NEEDED | OPTIONAL
    return {
        name: min(level, granted[name], key=lambda each: _LEVELS.get(each, 0))
        for name, level in used.items()
        if granted.get(name) in _LEVELS
    }


def lacking(granted: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    """Of what is wanted, what was not granted."""
    return {name: level for name, level in wanted.items() if _LEVELS.get(granted.get(name, ""), 0) < _LEVELS[level]}


def title(name: str, level: str) -> str:
    """A permission as GitHub's pages write it."""
    return f"{TITLES[name]}: {'read-only' if level == 'read' else 'read and write'}"


def require(permissions: Mapping[str, str], **wanted: str) -> None:
    """Raise PermissionMissing if an installation was not granted all of `wanted`."""
    if missing := [title(name, level) for name, level in lacking(permissions, wanted).items()]:
        raise errors.not_granted(missing)


PURPOSES = {
    Purpose.WEBHOOK: {"repository_hooks": "write"},
    Purpose.DEPLOY_KEY: {"administration": "write"},
    Purpose.COMMIT_STATUSES: {"statuses": "write"},
}
"""What each purpose takes."""


def not_granted(granted: Mapping[str, str], pages: Mapping[Purpose, str]) -> list[Obstacle]:
    """Of the purposes in `pages`, those that an installation was not granted: unlike a token's, GitHub tells that.

    `pages` are the ones on which a person does it by hand, empty where there is none.
    """
    found: list[Obstacle] = []
    for purpose, page in pages.items():
        try:
            require(granted, **PURPOSES[purpose])
        except PermissionMissing as error:
            found.append(Obstacle.of(purpose, error, page))
    return found


def completed(config: ProviderConfig, api_url: str) -> dict[str, str]:
    """The credentials with the installation that is meant: where there is just one, it need not be entered.

    Raises InvalidValue with what there is to choose from, CredentialsRejected.
    """
    given = dict(config.credentials)
    if given.get("installation_id"):
        return given
    client = AppClient(config, api_url)
    found = client.installations()
    if not found:
        app = client.app()
        raise InvalidValue(
            f"The app {app.name} is installed nowhere yet.",
            remedy="Install it on the account whose repositories are meant, from its page at GitHub.",
            field="installation_id",
        )
    if len(found) > 1:
        known = ", ".join(f"{each.id} ({each.account})" for each in found[:10])
        raise InvalidValue(f"The app is installed in several places: {known}. Enter the one.", field="installation_id")
    return {**given, "installation_id": found[0].id}


def _installation(body: Mapping[str, Any]) -> Installation:
    account = body.get("account")
    account = account if isinstance(account, dict) else {}
    granted = body.get("permissions")
    granted = granted if isinstance(granted, dict) else {}
    # An enterprise has a slug in place of a login.
    name = account.get("login") or account.get("slug") or f"installation {_READ.text(body, 'id')}"
    return Installation(
        id=_READ.text(body, "id"),
        account=_READ.text({"account": name}, "account"),
        all_repositories=body.get("repository_selection") == "all",
        suspended=bool(body.get("suspended_at")),
        permissions={str(key): value for key, value in granted.items() if value in _LEVELS},
        page_url=str(body.get("html_url") or ""),
    )
