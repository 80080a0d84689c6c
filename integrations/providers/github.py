"""GitHub.

https://docs.github.com/en/rest
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any
from urllib.parse import quote

from integrations.errors import (
    KeyInUse,
    NotFoundAtProvider,
    PermissionMissing,
    ProviderRefused,
    WebhookLimitReached,
)
from integrations.http import HttpClient
from integrations.providers.answers import are_commits, known_fingerprint, matching, networks, page_number
from integrations.providers.base import CommitState, Obstacle, ProviderClient, Purpose
from integrations.providers.github_api import (
    ADMINISTRATION,
    CREDENTIALS,
    FINE_GRAINED,
    READ,
    SIGN_INS,
    STATUSES,
    WEBHOOKS,
    changed,
    checked,
    path_of,
    tidied,
    token_page,
)
from integrations.providers.github_app import (
    FIELDS,
    HEADERS,
    PER_PAGE,
    InstallationAccess,
    completed,
    is_app,
    not_granted,
    require,
)
from integrations.providers.github_app_errors import explain_installation
from integrations.providers.github_errors import deploy_keys_disabled, explain
from integrations.providers.public_keys import fingerprint
from integrations.providers.records import (
    CommitWords,
    Identity,
    Page,
    RemoteDelivery,
    RemoteKey,
    RemoteRef,
    RemoteRepository,
    RemoteWebhook,
)

EVENTS = ["push"]


class GitHub(ProviderClient):
    """github.com, with a personal access token, classic or fine-grained, or as an installation of a GitHub App."""

    kind = "github"
    label = "GitHub"
    default_base_url = "https://github.com"
    self_hosted = False
    icon = "brand-github"
    credential_fields = CREDENTIALS
    sign_ins = SIGN_INS

    @classmethod
    def credentials_url(cls, base_url: str = "") -> str:
        return token_page((base_url or cls.default_base_url).rstrip("/"))

    @classmethod
    def changed_credentials(cls, stored: Mapping[str, str], entered: Mapping[str, str]) -> dict[str, str]:
        return changed(stored, entered)

    @classmethod
    def tidied_credentials(cls, credentials: Mapping[str, str]) -> dict[str, str]:
        return tidied(credentials)

    def completed_credentials(self) -> dict[str, str]:
        if not is_app(self.config.credentials):
            return super().completed_credentials()
        return completed(self.config, self.api_url)

    @cached_property
    def _app(self) -> InstallationAccess | None:
        """The installation of an app that signs in; None where a token of a person does."""
        return InstallationAccess(self.config, self.api_url) if is_app(self.config.credentials) else None

    @property
    def api_url(self) -> str:
        return "https://api.github.com"

    @cached_property
    def _http(self) -> HttpClient:
        return HttpClient(
            self.api_url,
            headers=HEADERS if self._app else HEADERS | {"Authorization": f"Bearer {self._token}"},
            ca_bundle=self.config.ca_bundle,
            allowed_networks=self.config.allowed_networks,
            patience=self.config.patience,
            explain=explain_installation if self._app else explain,
            tokens=self._app,
        )

    @property
    def _token(self) -> str:
        return self.config.credentials.get("token", "")

    def check(self) -> Identity:
        if self._app:
            return self._app.identity()
        answer = self._http.get("/user")
        login = READ.text(READ.record(answer), "login")
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
            params = {"per_page": PER_PAGE, "page": number}
            if self._app:
                answer = self._http.get("/installation/repositories", params=params)
                listed = READ.record(answer).get("repositories")
            else:
                answer = self._http.get("/user/repos", params={"sort": "full_name", **params})
                listed = answer.json()
            repositories = [self._described(item) for item in READ.records(listed)]
            return repositories, page_number(answer.next_url)

        return matching(read, query, page)

    def repository(self, full_name: str) -> RemoteRepository:
        return self._described(self._repository(full_name))

    def refs(self, full_name: str) -> list[RemoteRef]:
        path = path_of(full_name)
        return [
            RemoteRef(
                name=READ.text(item, "name"),
                ref=prefix + READ.text(item, "name"),
                commit=READ.text(item, "commit", "sha"),
            )
            for part, prefix in (("branches", "refs/heads/"), ("tags", "refs/tags/"))
            for body in self._http.pages(f"{path}/{part}", params={"per_page": PER_PAGE})
            for item in READ.records(body)
        ]

    def head(self, full_name: str, ref: str) -> str | None:
        # https://docs.github.com/en/rest/commits/commits#get-a-commit: heads/<branch> and tags/<tag> are unambiguous.
        short = quote(ref.removeprefix("refs/"), safe="/")
        try:
            answer = self._http.get(f"{path_of(full_name)}/commits/{short}", accept="application/vnd.github.sha")
        except NotFoundAtProvider:
            self._repository(full_name)
            return None
        except ProviderRefused:  # 422: no such commit; 409: the repository is empty
            return None
        commit = answer.content.decode("ascii", "replace").strip()
        if not are_commits(commit):
            raise READ.unexpected("the id of a commit was expected")
        return commit

    def commit_words(self, full_name: str, commit: str) -> CommitWords:
        # https://docs.github.com/en/rest/commits/commits#get-a-commit
        answer = self._http.get(f"{path_of(full_name)}/commits/{quote(commit, safe='')}", params={"per_page": 1})
        return READ.words(answer, ("commit", "author", "name"), ("commit", "message"))

    def install_webhook(self, full_name: str, *, url: str, secret: str) -> RemoteWebhook:
        hooks = f"{path_of(full_name)}/hooks"
        config = {"url": url, "content_type": "json", "secret": secret, "insecure_ssl": "0"}
        body = {"config": config, "events": EVENTS, "active": True}
        with self._needs(full_name, WEBHOOKS):
            ours = self._find_webhook(full_name, url)
            if ours is None:
                try:
                    return READ.webhook(READ.record(self._http.post(hooks, json={"name": "web", **body})))
                except WebhookLimitReached:
                    raise
                except ProviderRefused:
                    # An earlier call may have made it and died before it could say so.
                    ours = self._find_webhook(full_name, url)
                    if ours is None:
                        raise
            return READ.webhook(READ.record(self._http.patch(f"{hooks}/{ours}", json=body)))

    def webhooks(self, full_name: str) -> list[RemoteWebhook]:
        with self._needs(full_name, WEBHOOKS):
            pages = self._http.pages(f"{path_of(full_name)}/hooks", params={"per_page": PER_PAGE})
            return [READ.webhook(item) for body in pages for item in READ.records(body)]

    def remove_webhook(self, full_name: str, id: str) -> None:  # noqa: A002
        self._remove(full_name, f"{path_of(full_name)}/hooks/{READ.number(id)}", WEBHOOKS)

    def ping_webhook(self, full_name: str, id: str) -> bool:  # noqa: A002
        with self._needs(full_name, WEBHOOKS):
            self._http.post(f"{path_of(full_name)}/hooks/{READ.number(id)}/pings")
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
        return f"{self.web_url}/{checked(full_name)}/settings/hooks/new"

    def add_deploy_key(self, full_name: str, *, title: str, public_key: str) -> RemoteKey:
        with self._needs(full_name, ADMINISTRATION):
            try:
                answer = self._http.post(
                    f"{path_of(full_name)}/keys", json={"title": title, "key": public_key, "read_only": True}
                )
            except KeyInUse:
                # Perhaps it is here already; GitHub says the same of a key that is elsewhere.
                ours = fingerprint(public_key)
                for key in self.deploy_keys(full_name):
                    if key.fingerprint == ours:
                        return key
                raise
        return RemoteKey(id=READ.text(READ.record(answer), "id"), fingerprint=fingerprint(public_key))

    def remove_deploy_key(self, full_name: str, id: str) -> None:  # noqa: A002
        self._remove(full_name, f"{path_of(full_name)}/keys/{READ.number(id)}", ADMINISTRATION)

    def deploy_keys(self, full_name: str) -> list[RemoteKey]:
        with self._needs(full_name, ADMINISTRATION):
            return [
                RemoteKey(id=READ.text(item, "id"), fingerprint=known_fingerprint(READ.text(item, "key")))
                for body in self._http.pages(f"{path_of(full_name)}/keys", params={"per_page": PER_PAGE})
                for item in READ.records(body)
            ]

    def require_status_access(self, full_name: str) -> None:
        # https://docs.github.com/en/rest/commits/statuses: whoever has push access. A fine-grained token's own
        # permissions are not told; those of an app are.
        if self._app:
            require(self._app.token().permissions, statuses="write")
            return
        permissions = self._repository(full_name).get("permissions")
        if isinstance(permissions, dict) and permissions.get("push") is False:
            raise PermissionMissing(
                f"The token's owner may only read {full_name}, so its commits cannot be marked.",
                missing=[STATUSES],
                remedy=f"Give its owner write access to {full_name}, or leave commit statuses off.",
            )

    def obstacles(self, full_name: str, *, deploy_key: bool, commit_statuses: bool = False) -> list[Obstacle]:
        if self._app:
            self._repository(full_name)
            pages = {Purpose.WEBHOOK: self.webhook_page(full_name)}
            pages |= {Purpose.DEPLOY_KEY: self.deploy_key_page(full_name)} if deploy_key else {}
            pages |= {Purpose.COMMIT_STATUSES: ""} if commit_statuses else {}
            return not_granted(self._app.token().permissions, pages)
        found = super().obstacles(full_name, deploy_key=deploy_key, commit_statuses=commit_statuses)
        if deploy_key:
            # https://docs.github.com/en/rest/orgs/orgs#get-an-organization; GitHub tells it to some members only.
            with suppress(NotFoundAtProvider, PermissionMissing):  # a person's repository has no organization
                owner = READ.record(self._http.get(f"/orgs/{quote(full_name.partition('/')[0], safe='')}"))
                if owner.get("deploy_keys_enabled_for_repositories") is False:
                    # Nobody can add one by hand either, so that is all there is to say of deploy keys.
                    found = [each for each in found if each.purpose is not Purpose.DEPLOY_KEY]
                    found.append(Obstacle.of(Purpose.DEPLOY_KEY, deploy_keys_disabled()))
        return found

    def deploy_key_fields(self, *, title: str, public_key: str) -> list[tuple[str, str]]:
        return [("Title", title), ("Key", public_key), ("Allow write access", "No, leave it unticked")]

    def deploy_key_page(self, full_name: str) -> str:
        return f"{self.web_url}/{checked(full_name)}/settings/keys/new"

    def ssh_host_keys(self) -> list[str]:
        # https://docs.github.com/en/rest/meta/meta
        keys = READ.record(self._http.get("/meta")).get("ssh_keys")
        return [key for key in keys if isinstance(key, str)] if isinstance(keys, list) else []

    def set_commit_status(
        self, full_name: str, commit: str, *, state: CommitState, target_url: str, description: str, context: str
    ) -> None:
        body = {"state": state, "target_url": target_url, "description": description[:140], "context": context}
        with self._needs(full_name, STATUSES):
            self._http.post(f"{path_of(full_name)}/statuses/{quote(commit, safe='')}", json=body)

    def recent_deliveries(self, full_name: str, webhook_id: str) -> list[RemoteDelivery]:
        # https://docs.github.com/en/rest/repos/webhooks#list-deliveries-for-a-repository-webhook
        hooks = f"{path_of(full_name)}/hooks"
        path = f"{hooks}/{READ.number(webhook_id)}/deliveries"
        with self._one_of(full_name, hooks, WEBHOOKS):
            body = self._http.get(path, params={"per_page": PER_PAGE}).json()
        return [
            RemoteDelivery(
                id=READ.text(item, "id"),
                delivery_id=READ.text(item, "guid"),
                event=READ.text(item, "event"),
                status_code=int(item["status_code"]) if isinstance(item.get("status_code"), int) else 0,
                delivered_at=READ.moment(item, "delivered_at"),
                redelivery=item.get("redelivery") is True,
            )
            for item in READ.records(body)
        ]

    def redeliver(self, full_name: str, webhook_id: str, remote_delivery_id: str) -> bool:
        # https://docs.github.com/en/rest/repos/webhooks#redeliver-a-delivery-for-a-repository-webhook
        hooks = f"{path_of(full_name)}/hooks"
        path = f"{hooks}/{READ.number(webhook_id)}/deliveries/{READ.number(remote_delivery_id)}/attempts"
        try:
            with self._one_of(full_name, hooks, WEBHOOKS):
                self._http.post(path)
        except NotFoundAtProvider:
            return False
        return True

    def webhook_networks(self) -> list[str] | None:
        # https://docs.github.com/en/rest/meta/meta: `hooks`; an Enterprise Server has none, as it is not GitHub's.
        published = READ.record(self._http.get("/meta")).get("hooks")
        return (networks(published) or None) if isinstance(published, list) else None

    def archive_credentials(self) -> dict[str, str]:
        given = self.config.credentials
        return super().archive_credentials() | ({name: given[name] for name in FIELDS} if self._app else {})

    def _described(self, body: Mapping[str, Any]) -> RemoteRepository:
        full_name = READ.full_name(READ.text(body, "full_name"))
        branch = READ.branch(body.get("default_branch"))
        # The address is made here, not read: it becomes a link on our pages.
        return RemoteRepository(
            full_name=full_name,
            default_branch=branch,
            private=body.get("private") is not False,
            web_url=f"{self.web_url}/{full_name}",
            ssh_url=READ.optional(body.get("ssh_url")),
            id=READ.identity(body, "id"),
        )

    def _repository(self, full_name: str) -> Mapping[str, Any]:
        path = path_of(full_name)
        try:
            return READ.record(self._http.get(path))
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
