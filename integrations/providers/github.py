"""GitHub, GitHub Enterprise Server, and GitHub Enterprise Cloud with data residency (`<name>.ghe.com`).

https://docs.github.com/en/rest
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from integrations.errors import (
    InvalidValue,
    KeyInUse,
    NotFoundAtProvider,
    PermissionMissing,
    ProviderRefused,
    WebhookLimitReached,
)
from integrations.http import HttpClient
from integrations.providers.answers import Reader, are_commits, known_fingerprint, matching, page_number
from integrations.providers.base import (
    CommitState,
    CredentialField,
    Identity,
    Obstacle,
    Page,
    ProviderClient,
    Purpose,
    RemoteDelivery,
    RemoteKey,
    RemoteRef,
    RemoteRepository,
    RemoteWebhook,
    fingerprint,
    networks,
)
from integrations.providers.github_errors import deploy_keys_disabled, explain
from integrations.providers.ssh_address import SshAddress
from lambdas.common.errors import InvalidName
from lambdas.common.keys import check_full_name

API_VERSION = "2022-11-28"
PER_PAGE = 100  # the most that GitHub gives
EVENTS = ["push"]
WEBHOOKS, ADMINISTRATION = "Webhooks: read and write", "Administration: read and write"
STATUSES = "Commit statuses: read and write"
FINE_GRAINED = (
    "GitHub does not tell what a fine-grained token may do. On every repository it needs Contents: read-only, "
    f"{WEBHOOKS}, {ADMINISTRATION} (for deploy keys) and {STATUSES}; what is missing shows when "
    "it is first needed."
)
_READ = Reader("GitHub")


class GitHub(ProviderClient):
    """github.com, with a personal access token, classic or fine-grained."""

    kind = "github"
    label = "GitHub"
    default_base_url = "https://github.com"
    self_hosted = False
    icon = "brand-github"
    credential_fields = (
        CredentialField(
            name="token",
            label="Personal access token",
            help="A classic token with the scope repo, or a fine-grained one with Contents, Webhooks, Administration "
            "and Commit statuses.",
        ),
    )

    @classmethod
    def credentials_url(cls, base_url: str = "") -> str:
        # https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/managing-your-personal-access-tokens
        root = (base_url or cls.default_base_url).rstrip("/")
        return f"{root}/settings/tokens/new?{urlencode({'scopes': 'repo', 'description': 'Sluice'})}"

    @property
    def api_url(self) -> str:
        return "https://api.github.com"

    @cached_property
    def _http(self) -> HttpClient:
        return HttpClient(
            self.api_url,
            headers={
                "Authorization": f"Bearer {self.config.credentials.get('token', '')}",
                "Accept": "application/vnd.github+json",
                "X-GitHub-Api-Version": API_VERSION,
            },
            ca_bundle=self.config.ca_bundle,
            allowed_networks=self.config.allowed_networks,
            patience=self.config.patience,
            explain=explain,
        )

    def check(self) -> Identity:
        answer = self._http.get("/user")
        login = _READ.text(_READ.record(answer), "login")
        # Only classic tokens have scopes; the header is there, and maybe empty, for them alone.
        # https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps
        listed = answer.headers.get("X-OAuth-Scopes")
        if listed is None:
            return Identity(login=login, note=FINE_GRAINED)
        scopes = tuple(scope.strip() for scope in listed.split(",") if scope.strip())
        return Identity(login=login, scopes=scopes, missing=() if "repo" in scopes else ("repo",))

    def search_repositories(self, query: str = "", page: int = 1) -> Page[RemoteRepository]:
        # GitHub's own search also finds what everybody may see, has an index that lags, and a small rate limit.
        def read(number: int) -> tuple[list[RemoteRepository], int | None]:
            params = {"sort": "full_name", "per_page": PER_PAGE, "page": number}
            answer = self._http.get("/user/repos", params=params)
            repositories = [self._described(item) for item in _READ.records(answer.json())]
            return repositories, page_number(answer.next_url)

        return matching(read, query, page)

    def repository(self, full_name: str) -> RemoteRepository:
        return self._described(self._repository(full_name))

    def refs(self, full_name: str) -> list[RemoteRef]:
        path = _path(full_name)
        return [
            RemoteRef(
                name=_READ.text(item, "name"),
                ref=prefix + _READ.text(item, "name"),
                commit=_READ.text(item, "commit", "sha"),
            )
            for part, prefix in (("branches", "refs/heads/"), ("tags", "refs/tags/"))
            for body in self._http.pages(f"{path}/{part}", params={"per_page": PER_PAGE})
            for item in _READ.records(body)
        ]

    def head(self, full_name: str, ref: str) -> str | None:
        # https://docs.github.com/en/rest/commits/commits#get-a-commit: heads/<branch> and tags/<tag> are unambiguous.
        short = quote(ref.removeprefix("refs/"), safe="/")
        try:
            answer = self._http.get(f"{_path(full_name)}/commits/{short}", accept="application/vnd.github.sha")
        except NotFoundAtProvider:
            self._repository(full_name)
            return None
        except ProviderRefused:  # 422: no such commit; 409: the repository is empty
            return None
        commit = answer.content.decode("ascii", "replace").strip()
        if not are_commits(commit):
            raise _READ.unexpected("the id of a commit was expected")
        return commit

    def install_webhook(self, full_name: str, *, url: str, secret: str) -> RemoteWebhook:
        hooks = f"{_path(full_name)}/hooks"
        config = {"url": url, "content_type": "json", "secret": secret, "insecure_ssl": "0"}
        body = {"config": config, "events": EVENTS, "active": True}
        with self._needs(full_name, WEBHOOKS):
            ours = self._find_webhook(full_name, url)
            if ours is None:
                try:
                    return _webhook(_READ.record(self._http.post(hooks, json={"name": "web", **body})))
                except WebhookLimitReached:
                    raise
                except ProviderRefused:
                    # An earlier call may have made it and died before it could say so.
                    ours = self._find_webhook(full_name, url)
                    if ours is None:
                        raise
            return _webhook(_READ.record(self._http.patch(f"{hooks}/{ours}", json=body)))

    def webhooks(self, full_name: str) -> list[RemoteWebhook]:
        with self._needs(full_name, WEBHOOKS):
            pages = self._http.pages(f"{_path(full_name)}/hooks", params={"per_page": PER_PAGE})
            return [_webhook(item) for body in pages for item in _READ.records(body)]

    def remove_webhook(self, full_name: str, id: str) -> None:  # noqa: A002
        self._remove(full_name, f"{_path(full_name)}/hooks/{_READ.number(id)}", WEBHOOKS)

    def ping_webhook(self, full_name: str, id: str) -> bool:  # noqa: A002
        with self._needs(full_name, WEBHOOKS):
            self._http.post(f"{_path(full_name)}/hooks/{_READ.number(id)}/pings")
        return True

    def webhook_fields(self, *, url: str, secret: str) -> list[tuple[str, str]]:
        return [
            ("Payload URL", url),
            ("Content type", "application/json"),
            ("Secret", secret),
            ("SSL verification", "Enable SSL verification"),
            ("Which events would you like to trigger this webhook?", "Just the push event."),
        ]

    def webhook_page(self, full_name: str) -> str:
        return f"{self.web_url}/{_checked(full_name)}/settings/hooks/new"

    def add_deploy_key(self, full_name: str, *, title: str, public_key: str) -> RemoteKey:
        with self._needs(full_name, ADMINISTRATION):
            try:
                answer = self._http.post(
                    f"{_path(full_name)}/keys", json={"title": title, "key": public_key, "read_only": True}
                )
            except KeyInUse:
                # Perhaps it is here already; GitHub says the same of a key that is elsewhere.
                ours = fingerprint(public_key)
                for key in self.deploy_keys(full_name):
                    if key.fingerprint == ours:
                        return key
                raise
        return RemoteKey(id=_READ.text(_READ.record(answer), "id"), fingerprint=fingerprint(public_key))

    def remove_deploy_key(self, full_name: str, id: str) -> None:  # noqa: A002
        self._remove(full_name, f"{_path(full_name)}/keys/{_READ.number(id)}", ADMINISTRATION)

    def deploy_keys(self, full_name: str) -> list[RemoteKey]:
        with self._needs(full_name, ADMINISTRATION):
            return [
                RemoteKey(id=_READ.text(item, "id"), fingerprint=known_fingerprint(_READ.text(item, "key")))
                for body in self._http.pages(f"{_path(full_name)}/keys", params={"per_page": PER_PAGE})
                for item in _READ.records(body)
            ]

    def require_status_access(self, full_name: str) -> None:
        # https://docs.github.com/en/rest/commits/statuses: whoever has push access. A fine-grained token's own
        # permissions are not told.
        permissions = self._repository(full_name).get("permissions")
        if isinstance(permissions, dict) and permissions.get("push") is False:
            raise PermissionMissing(
                f"The token's owner may only read {full_name}, so its commits cannot be marked.",
                missing=[STATUSES],
                remedy=f"Give its owner write access to {full_name}, or leave commit statuses off.",
            )

    def obstacles(self, full_name: str, *, deploy_key: bool, commit_statuses: bool = False) -> list[Obstacle]:
        found = super().obstacles(full_name, deploy_key=deploy_key, commit_statuses=commit_statuses)
        if deploy_key:
            # https://docs.github.com/en/rest/orgs/orgs#get-an-organization; GitHub tells it to some members only.
            with suppress(NotFoundAtProvider, PermissionMissing):  # a person's repository has no organization
                owner = _READ.record(self._http.get(f"/orgs/{quote(full_name.partition('/')[0], safe='')}"))
                if owner.get("deploy_keys_enabled_for_repositories") is False:
                    # Nobody can add one by hand either, so that is all there is to say of deploy keys.
                    found = [each for each in found if each.purpose is not Purpose.DEPLOY_KEY]
                    found.append(Obstacle.of(Purpose.DEPLOY_KEY, deploy_keys_disabled()))
        return found

    def deploy_key_fields(self, *, title: str, public_key: str) -> list[tuple[str, str]]:
        return [("Title", title), ("Key", public_key), ("Allow write access", "No, leave it unticked")]

    def deploy_key_page(self, full_name: str) -> str:
        return f"{self.web_url}/{_checked(full_name)}/settings/keys/new"

    def ssh_host_keys(self) -> list[str]:
        # https://docs.github.com/en/rest/meta/meta
        keys = _READ.record(self._http.get("/meta")).get("ssh_keys")
        return [key for key in keys if isinstance(key, str)] if isinstance(keys, list) else []

    def set_commit_status(
        self, full_name: str, commit: str, *, state: CommitState, target_url: str, description: str, context: str
    ) -> None:
        body = {"state": state, "target_url": target_url, "description": description[:140], "context": context}
        with self._needs(full_name, STATUSES):
            self._http.post(f"{_path(full_name)}/statuses/{quote(commit, safe='')}", json=body)

    def recent_deliveries(self, full_name: str, webhook_id: str) -> list[RemoteDelivery]:
        # https://docs.github.com/en/rest/repos/webhooks#list-deliveries-for-a-repository-webhook
        hooks = f"{_path(full_name)}/hooks"
        path = f"{hooks}/{_READ.number(webhook_id)}/deliveries"
        with self._one_of(full_name, hooks, WEBHOOKS):
            body = self._http.get(path, params={"per_page": PER_PAGE}).json()
        return [
            RemoteDelivery(
                id=_READ.text(item, "id"),
                delivery_id=_READ.text(item, "guid"),
                event=_READ.text(item, "event"),
                status_code=int(item["status_code"]) if isinstance(item.get("status_code"), int) else 0,
                delivered_at=_READ.moment(item, "delivered_at"),
                redelivery=item.get("redelivery") is True,
            )
            for item in _READ.records(body)
        ]

    def redeliver(self, full_name: str, webhook_id: str, remote_delivery_id: str) -> bool:
        # https://docs.github.com/en/rest/repos/webhooks#redeliver-a-delivery-for-a-repository-webhook
        hooks = f"{_path(full_name)}/hooks"
        path = f"{hooks}/{_READ.number(webhook_id)}/deliveries/{_READ.number(remote_delivery_id)}/attempts"
        try:
            with self._one_of(full_name, hooks, WEBHOOKS):
                self._http.post(path)
        except NotFoundAtProvider:
            return False
        return True

    def webhook_networks(self) -> list[str] | None:
        # https://docs.github.com/en/rest/meta/meta: `hooks`; an Enterprise Server has none, as it is not GitHub's.
        published = _READ.record(self._http.get("/meta")).get("hooks")
        return (networks(published) or None) if isinstance(published, list) else None

    def _described(self, body: Mapping[str, Any]) -> RemoteRepository:
        full_name = _READ.full_name(_READ.text(body, "full_name"))
        branch = _READ.branch(body.get("default_branch"))
        # The address is made here, not read: it becomes a link on our pages.
        return RemoteRepository(
            full_name=full_name,
            default_branch=branch,
            private=body.get("private") is not False,
            web_url=f"{self.web_url}/{full_name}",
            ssh_url=_READ.optional(body.get("ssh_url")),
        )

    def _repository(self, full_name: str) -> Mapping[str, Any]:
        path = _path(full_name)
        try:
            return _READ.record(self._http.get(path))
        except NotFoundAtProvider:
            raise NotFoundAtProvider(
                f"{self.label} has no repository {full_name}, or this token may not see it.",
                remedy="Check the name (owner/name) and that the token has access to it.",
                field="full_name",
            ) from None

    @contextmanager
    def _needs(self, full_name: str, permission: str) -> Iterator[None]:
        """Tell a missing permission from a missing repository: GitHub answers 404 to both."""
        try:
            yield
        except NotFoundAtProvider as error:
            permissions = self._repository(full_name).get("permissions")
            if isinstance(permissions, dict) and permissions.get("admin") is False:
                remedy = f"Its owner must be an admin of {full_name}. Or do it by hand."
            else:
                remedy = f"Give the token {permission} on {full_name} (classic: the scope repo). Or do it by hand."
            raise PermissionMissing(
                f"The token may not do this on {full_name}.", missing=[permission], remedy=remedy
            ) from error

    @contextmanager
    def _one_of(self, full_name: str, listing: str, permission: str) -> Iterator[None]:
        """Tell what is gone from what is out of the token's reach: reading the list needs the same permission."""
        try:
            yield
        except NotFoundAtProvider:
            with self._needs(full_name, permission):
                self._http.get(listing, params={"per_page": 1})
            raise

    def _find_webhook(self, full_name: str, url: str) -> str | None:
        return next((hook.id for hook in self.webhooks(full_name) if hook.url == url), None)

    def _remove(self, full_name: str, path: str, permission: str) -> None:
        # Gone with its repository is gone as well.
        with suppress(NotFoundAtProvider), self._one_of(full_name, path.rpartition("/")[0], permission):
            self._http.delete(path)


class GitHubEnterprise(GitHub):
    """GitHub Enterprise Server at an address of its own, or Enterprise Cloud at `<name>.ghe.com`."""

    kind = "github_enterprise"
    label = "GitHub Enterprise"
    default_base_url = ""
    self_hosted = True

    @property
    def _tenant(self) -> str:
        """The name before .ghe.com, empty for a server of one's own."""
        name, dot, rest = (urlsplit(self.web_url).hostname or "").partition(".")
        return name if dot and rest == "ghe.com" else ""

    @property
    def api_url(self) -> str:
        # https://docs.github.com/en/enterprise-cloud@latest/admin/data-residency and, for servers,
        # https://docs.github.com/en/enterprise-server@latest/rest/using-the-rest-api/getting-started-with-the-rest-api
        return f"https://api.{self._tenant}.ghe.com" if self._tenant else f"{self.web_url}/api/v3"

    @property
    def usual_ssh_address(self) -> SshAddress:
        # https://docs.github.com/en/authentication/troubleshooting-ssh/error-permission-denied-publickey
        return replace(super().usual_ssh_address, user=self._tenant or "git")


def _checked(full_name: str) -> str:
    try:
        check_full_name(full_name)
    except InvalidName:
        full_name = ""
    if full_name.count("/") != 1:
        raise InvalidValue("A repository is written owner/name.", field="full_name")
    return full_name


def _path(full_name: str) -> str:
    return f"/repos/{quote(_checked(full_name), safe='/')}"


def _webhook(hook: Mapping[str, Any]) -> RemoteWebhook:
    config = hook.get("config")
    return RemoteWebhook(
        id=_READ.text(hook, "id"),
        url=str(config.get("url") or "") if isinstance(config, dict) else "",
        active=hook.get("active") is True,
    )
