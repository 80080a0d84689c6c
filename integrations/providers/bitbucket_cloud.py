"""Bitbucket Cloud.

https://developer.atlassian.com/cloud/bitbucket/rest/intro/
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from typing import Any
from urllib.parse import quote

from integrations.errors import (
    CredentialsRejected,
    NotFoundAtProvider,
    PermissionMissing,
    ProviderRefused,
    WebhookLimitReached,
)
from integrations.http import HttpClient
from integrations.providers import bitbucket_cloud_access as access
from integrations.providers import bitbucket_cloud_api as api
from integrations.providers.answers import known_fingerprint, matching, page_number
from integrations.providers.base import CommitState, CredentialField, ProviderClient
from integrations.providers.bitbucket_cloud_access import Way
from integrations.providers.bitbucket_cloud_api import READ
from integrations.providers.public_keys import fingerprint
from integrations.providers.records import (
    CommitWords,
    Identity,
    Page,
    RemoteKey,
    RemoteRef,
    RemoteRepository,
    RemoteWebhook,
)
from lambdas.common.errors import InvalidName
from lambdas.common.refs import Ref

WORKSPACE_PAGES = 10_000  # the numbers of pages, in a search, that are kept for each workspace
EVENTS = ["repo:push"]
WEBHOOKS, DEPLOY_KEYS, STATUSES = "webhook", "repository:admin", "repository"
STATES = {
    CommitState.PENDING: "INPROGRESS",
    CommitState.SUCCESS: "SUCCESSFUL",
    CommitState.FAILURE: "FAILED",
    CommitState.ERROR: "FAILED",
}


class BitbucketCloud(ProviderClient):
    """bitbucket.org, with an API token, an access token or an OAuth consumer."""

    kind = "bitbucket_cloud"
    label = "Bitbucket Cloud"
    default_base_url = "https://bitbucket.org"
    self_hosted = False
    has_stand_in = True
    has_ssh_users = False
    icon = "brand-bitbucket"
    sign_ins = access.SIGN_INS
    credential_fields = (
        CredentialField(
            name="token",
            label="API token or access token",
            help="An API token with scopes for repositories (read) and webhooks (read, write, delete), or the access "
            "token of a repository, project or workspace with repositories (admin) and webhooks.",
            required=False,
        ),
        CredentialField(
            name="email",
            label="Email of the Atlassian account",
            help="For an API token only; leave it empty for an access token.",
            secret=False,
            required=False,
        ),
        CredentialField(
            name="oauth_key",
            label="OAuth consumer: key",
            help="In place of a token: a private consumer with Account (read), Repositories (admin) and Webhooks.",
            secret=False,
            required=False,
        ),
        CredentialField(name="oauth_secret", label="OAuth consumer: secret", help="", required=False),
    )

    @classmethod
    def credentials_url(cls, base_url: str = "") -> str:  # noqa: ARG003
        # https://support.atlassian.com/bitbucket-cloud/docs/create-an-api-token/
        return "https://id.atlassian.com/manage-profile/security/api-tokens"

    @classmethod
    def changed_credentials(cls, stored: Mapping[str, str], entered: Mapping[str, str]) -> dict[str, str]:
        return access.changed(stored, entered)

    @property
    def api_url(self) -> str:
        # At an address of its own, such as the sandbox's, one host serves the pages and the API.
        return "https://api.bitbucket.org/2.0" if self._is_public else f"{self.web_url}/2.0"

    @property
    def _is_public(self) -> bool:
        return self.web_url == self.default_base_url

    @cached_property
    def _http(self) -> HttpClient:
        return HttpClient(
            self.api_url,
            headers={"Authorization": access.authorization(self.config, self.web_url), "Accept": "application/json"},
            ca_bundle=self.config.ca_bundle,
            allowed_networks=self.config.allowed_networks,
            patience=self.config.patience,
            explain=access.explain,
            secrets=[self.config.credentials.get("token", "")],
        )

    def check(self) -> Identity:
        return access.identity(self._http, self.config.credentials)

    def search_repositories(self, query: str = "", page: int = 1) -> Page[RemoteRepository]:
        # Listing repositories across workspaces has ended (CHANGE-2770), so each workspace is read in its turn.
        workspaces = self._workspaces(query.strip().lower())

        def read(number: int) -> tuple[list[RemoteRepository], int | None]:
            index, before = divmod(number - 1, WORKSPACE_PAGES)
            if index >= len(workspaces):
                return [], None
            path = f"/repositories/{quote(workspaces[index], safe='')}"
            params = {"pagelen": api.PAGE_LENGTH, "page": before + 1}
            body = READ.record(self._http.get(path, params=params))
            following = page_number(api.next_url(body))
            if following is not None:
                following += index * WORKSPACE_PAGES
            elif index + 1 < len(workspaces):
                following = (index + 1) * WORKSPACE_PAGES + 1
            return [self._described(item) for item in READ.records(body.get("values"))], following

        return matching(read, query, page)

    def repository(self, full_name: str) -> RemoteRepository:
        return self._described(self._repository(full_name))

    def refs(self, full_name: str) -> list[RemoteRef]:
        path = api.path(full_name)
        return [
            RemoteRef(
                name=READ.text(item, "name"),
                ref=prefix + READ.text(item, "name"),
                commit=READ.text(item, "target", "hash"),
            )
            for part, prefix in (("branches", "refs/heads/"), ("tags", "refs/tags/"))
            for item in api.values(self._http, f"{path}/refs/{part}")
        ]

    def head(self, full_name: str, ref: str) -> str | None:
        # https://developer.atlassian.com/cloud/bitbucket/rest/api-group-refs/: slashes in a name stay as they are.
        part = "tags" if ref.startswith("refs/tags/") else "branches"
        try:
            name = Ref.parse(ref).name
        except InvalidName:
            return None
        try:
            answer = self._http.get(f"{api.path(full_name)}/refs/{part}/{quote(name, safe='/')}")
        except NotFoundAtProvider:
            self._repository(full_name)
            return None
        return READ.text(READ.record(answer), "target", "hash")

    def commit_words(self, full_name: str, commit: str) -> CommitWords:
        # https://developer.atlassian.com/cloud/bitbucket/rest/api-group-commits/
        answer = self._http.get(f"{api.path(full_name)}/commit/{quote(commit, safe='')}")
        words = READ.words(answer, ("author", "raw"), ("message",))
        return replace(words, author=words.author.partition(" <")[0])

    def install_webhook(self, full_name: str, *, url: str, secret: str) -> RemoteWebhook:
        # https://developer.atlassian.com/cloud/bitbucket/rest/api-group-repositories/#api-repositories-workspace-repo-slug-hooks-post
        hooks = f"{api.path(full_name)}/hooks"
        body = {"description": "Sluice", "url": url, "active": True, "secret": secret, "events": EVENTS}
        with self._needs(full_name, WEBHOOKS):
            ours = self._find_webhook(full_name, url)
            if ours is None:
                try:
                    return api.webhook(READ.record(self._http.post(hooks, json=body)))
                except WebhookLimitReached:
                    raise
                except ProviderRefused:
                    # An earlier call may have made it and died before it could say so.
                    ours = self._find_webhook(full_name, url)
                    if ours is None:
                        raise
            return api.webhook(READ.record(self._http.put(f"{hooks}/{api.uid(ours)}", json=body)))

    def webhooks(self, full_name: str) -> list[RemoteWebhook]:
        with self._needs(full_name, WEBHOOKS):
            return [api.webhook(hook) for hook in api.values(self._http, f"{api.path(full_name)}/hooks")]

    def remove_webhook(self, full_name: str, id: str) -> None:  # noqa: A002
        self._remove(full_name, f"{api.path(full_name)}/hooks", api.uid(id), WEBHOOKS)

    def ping_webhook(self, full_name: str, id: str) -> bool:  # noqa: A002, ARG002
        return False

    def webhook_fields(self, *, url: str, secret: str) -> list[tuple[str, str]]:
        return [
            ("Title", "Sluice"),
            ("URL", url),
            ("Secret", secret),
            ("Status", "Active"),
            ("SSL / TLS", "Skip certificate verification: leave it unticked"),
            ("Triggers", "Repository push"),
        ]

    def webhook_page(self, full_name: str) -> str:
        return f"{self.web_url}/{api.checked(full_name)}/admin/webhooks"

    def add_deploy_key(self, full_name: str, *, title: str, public_key: str) -> RemoteKey:
        # https://developer.atlassian.com/cloud/bitbucket/rest/api-group-deployments/: these keys only ever read.
        ours = fingerprint(public_key)
        with self._needs(full_name, DEPLOY_KEYS):
            try:
                answer = self._http.post(
                    f"{api.path(full_name)}/deploy-keys", json={"key": public_key, "label": title[:255]}
                )
            except ProviderRefused:
                # Perhaps it is here already.
                for key in self.deploy_keys(full_name):
                    if key.fingerprint == ours:
                        return key
                raise
        return RemoteKey(id=READ.text(READ.record(answer), "id"), fingerprint=ours)

    def remove_deploy_key(self, full_name: str, id: str) -> None:  # noqa: A002
        self._remove(full_name, f"{api.path(full_name)}/deploy-keys", str(READ.number(id)), DEPLOY_KEYS)

    def deploy_keys(self, full_name: str) -> list[RemoteKey]:
        with self._needs(full_name, DEPLOY_KEYS):
            return [
                RemoteKey(id=READ.text(item, "id"), fingerprint=known_fingerprint(READ.text(item, "key")))
                for item in api.values(self._http, f"{api.path(full_name)}/deploy-keys")
            ]

    def deploy_key_fields(self, *, title: str, public_key: str) -> list[tuple[str, str]]:
        return [("Label", title), ("Key", public_key)]

    def deploy_key_page(self, full_name: str) -> str:
        return f"{self.web_url}/{api.checked(full_name)}/admin/access-keys"

    def ssh_host_keys(self) -> list[str]:
        return api.host_keys(self._public(self.web_url), self.usual_ssh_address.host)

    def set_commit_status(
        self, full_name: str, commit: str, *, state: CommitState, target_url: str, description: str, context: str
    ) -> None:
        # https://developer.atlassian.com/cloud/bitbucket/rest/api-group-commit-statuses/
        body = {
            "key": api.status_key(context),
            "name": context[:255],
            "state": STATES[state],
            "url": target_url,
            "description": description[:255],
        }
        with self._needs(full_name, STATUSES):
            self._http.post(f"{api.path(full_name)}/commit/{quote(commit, safe='')}/statuses/build", json=body)

    def webhook_networks(self) -> list[str] | None:
        return api.webhook_networks(self._public(api.IP_RANGES)) if self._is_public else None

    def archive_credentials(self) -> dict[str, str]:
        return access.archive_credentials(self.config.credentials)

    def _public(self, base_url: str) -> HttpClient:
        """For what anybody may read: nothing to sign in with is sent."""
        return HttpClient(
            base_url,
            headers={},
            ca_bundle=self.config.ca_bundle,
            allowed_networks=self.config.allowed_networks,
            patience=self.config.patience,
        )

    def _workspaces(self, wanted: str) -> list[str]:
        """The slugs of the workspaces to search: those that end as the query begins if it has a slash, else all."""
        workspace, slash, _ = wanted.partition("/")
        used = access.way(self.config.credentials)
        if slash and workspace and used is Way.ACCESS_TOKEN:
            return [workspace]
        try:
            slugs = [READ.text(item, "workspace", "slug") for item in api.values(self._http, "/user/workspaces")]
        except (CredentialsRejected, PermissionMissing, NotFoundAtProvider) as error:
            if used is not Way.ACCESS_TOKEN:
                raise
            raise PermissionMissing(
                "An access token does not tell which workspace it is for.",
                missing=["Workspaces: read"],
                remedy="Search for <workspace>/ and a part of the name, or enter the full name of the repository.",
            ) from error
        return sorted(slug for slug in slugs if not slash or slug.lower().endswith(workspace))

    def _described(self, body: Mapping[str, Any]) -> RemoteRepository:
        full_name = READ.full_name(READ.text(body, "full_name"))
        main = body.get("mainbranch")  # null in an empty repository
        branch = READ.branch(main.get("name") if isinstance(main, dict) else None)
        # The address is made here, not read: it becomes a link on our pages.
        return RemoteRepository(
            full_name=full_name,
            default_branch=branch,
            private=body.get("is_private") is not False,
            web_url=f"{self.web_url}/{full_name}",
            ssh_url=next(iter(READ.clone_links(body, "ssh")), ""),
            id=READ.identity(body, "uuid"),
        )

    def _repository(self, full_name: str) -> Mapping[str, Any]:
        path = api.path(full_name)
        try:
            return READ.record(self._http.get(path))
        except NotFoundAtProvider:
            raise NotFoundAtProvider(
                f"{self.label} has no repository {full_name}, or these credentials may not see it.",
                remedy="Check the name (workspace/repository) and that the credentials have access to it.",
                field="full_name",
            ) from None

    @contextmanager
    def _needs(self, full_name: str, scope: str) -> Iterator[None]:
        """Say what is missing where Bitbucket does not, and tell it from a missing repository."""
        try:
            with self._named(full_name, scope):
                yield
        except NotFoundAtProvider as error:
            self._repository(full_name)
            raise _lacking(full_name, scope) from error

    @contextmanager
    def _named(self, full_name: str, scope: str) -> Iterator[None]:
        try:
            yield
        except PermissionMissing as error:
            if error.missing:
                raise
            raise _lacking(full_name, scope) from error

    def _remove(self, full_name: str, listing: str, id: str, scope: str) -> None:  # noqa: A002
        # Gone with its repository is gone as well.
        with suppress(NotFoundAtProvider):
            try:
                with self._named(full_name, scope):
                    self._http.delete(f"{listing}/{id}")
            except NotFoundAtProvider:
                # Gone, or out of reach: reading the list tells, as that needs the same permission.
                with self._needs(full_name, scope):
                    self._http.get(listing, params={"pagelen": 1})

    def _find_webhook(self, full_name: str, url: str) -> str | None:
        return next((hook.id for hook in self.webhooks(full_name) if hook.url == url), None)


def _lacking(full_name: str, scope: str) -> PermissionMissing:
    return PermissionMissing(
        f"The credentials may not do this on {full_name}.",
        missing=[scope],
        remedy=f"They need the scope {scope}, and their owner must be an admin of {full_name}. Or do it by hand.",
    )
