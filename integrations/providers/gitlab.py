"""GitLab: gitlab.com, Dedicated and self-managed, with personal, project or group access tokens.

https://docs.gitlab.com/api/rest/
"""

import base64
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from integrations.errors import (
    KeyInUse,
    NotFoundAtProvider,
    PermissionMissing,
    ProviderRefused,
)
from integrations.http import HttpClient
from integrations.providers.answers import known_fingerprint, matching, page_number
from integrations.providers.base import CommitState, CredentialField, ProviderClient
from integrations.providers.gitlab_api import READ, checked, commit_of, described, path_of, webhook_of
from integrations.providers.gitlab_errors import explain
from integrations.providers.gitlab_events import deliveries
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
from lambdas.common.refs import BRANCH_PREFIX, TAG_PREFIX

PER_PAGE = 100  # https://docs.gitlab.com/api/rest/#pagination: the most that GitLab gives
MOST_PAGES = 10
EVENTS_PER_PAGE = 20  # GitLab answers 400 to more, as each comes with its whole payload
EVENT_PAGES = 3
SIGNING = "whsec_"
SHORTEST_SEARCH = 3  # characters; GitLab matches fewer with whole words only, so that we read on ourselves
MAINTAINER, DEVELOPER = "Maintainer role", "Developer role"
DEVELOPER_LEVEL = 30  # https://docs.gitlab.com/api/members/#roles
# https://docs.gitlab.com/user/gitlab_com/#ip-range: what webhooks of gitlab.com come from, told on that page only.
SAAS_NETWORKS = ["34.74.90.64/28", "34.74.226.0/24"]
STATES = {
    CommitState.PENDING: "pending",
    CommitState.SUCCESS: "success",
    CommitState.FAILURE: "failed",
    CommitState.ERROR: "failed",
}


class GitLab(ProviderClient):
    """GitLab at gitlab.com or at an address of its own. A full name has any number of groups: `group/subgroup/name`."""

    kind = "gitlab"
    label = "GitLab"
    icon = "brand-gitlab"
    default_base_url = "https://gitlab.com"
    credential_fields = (
        CredentialField(
            name="token",
            label="Access token",
            help="A personal, project or group access token with the scope api and, in the projects to mirror, the "
            "role Maintainer.",
        ),
    )

    @classmethod
    def credentials_url(cls, base_url: str = "") -> str:
        # https://docs.gitlab.com/user/profile/personal_access_tokens/#prefill-personal-access-token-details
        root = (base_url or cls.default_base_url).rstrip("/")
        query = urlencode({"name": "Sluice", "scopes": "api"})
        return f"{root}/-/user_settings/personal_access_tokens?{query}"

    @property
    def api_url(self) -> str:
        return f"{self.web_url}/api/v4"

    @cached_property
    def _http(self) -> HttpClient:
        return HttpClient(
            self.api_url,
            # https://docs.gitlab.com/api/rest/authentication/: the same header for all three kinds of token.
            headers={"PRIVATE-TOKEN": self.config.credentials.get("token", ""), "Accept": "application/json"},
            ca_bundle=self.config.ca_bundle,
            allowed_networks=self.config.allowed_networks,
            patience=self.config.patience,
            explain=explain,
        )

    def check(self) -> Identity:
        login = READ.text(READ.record(self._http.get("/user")), "username")
        try:
            # https://docs.gitlab.com/api/personal_access_tokens/#self-inform: of project and group tokens as well.
            token = READ.record(self._http.get("/personal_access_tokens/self"))
        except (NotFoundAtProvider, PermissionMissing):
            return Identity(login=login, note="This GitLab does not tell the token's scopes: it needs the scope api.")
        listed = token.get("scopes")
        scopes = tuple(scope for scope in listed if isinstance(scope, str)) if isinstance(listed, list) else ()
        return Identity(login=login, scopes=scopes, missing=() if "api" in scopes else ("api",))

    def search_repositories(self, query: str = "", page: int = 1) -> Page[RemoteRepository]:
        # https://docs.gitlab.com/api/projects/#list-all-projects; `membership` leaves out what everybody may see.
        params: dict[str, Any] = {"membership": "true", "order_by": "path", "sort": "asc", "per_page": PER_PAGE}
        if len(query.strip()) >= SHORTEST_SEARCH:
            params |= {"search": query.strip(), "search_namespaces": "true"}

        def read(number: int) -> tuple[list[RemoteRepository], int | None]:
            answer = self._http.get("/projects", params={**params, "page": number})
            return [described(self.web_url, item) for item in READ.records(answer.json())], page_number(answer.next_url)

        # GitLab also looks into descriptions; full names are told apart here.
        return matching(read, query, page)

    def repository(self, full_name: str) -> RemoteRepository:
        return described(self.web_url, self._project(full_name))

    def refs(self, full_name: str) -> list[RemoteRef]:
        path = path_of(full_name)
        return [
            RemoteRef(name=READ.text(item, "name"), ref=prefix + READ.text(item, "name"), commit=commit_of(item))
            for part, prefix in (("branches", BRANCH_PREFIX), ("tags", TAG_PREFIX))
            for item in self._all(f"{path}/repository/{part}")
        ]

    def head(self, full_name: str, ref: str) -> str | None:
        # https://docs.gitlab.com/api/branches/#get-single-repository-branch and the same of tags
        for prefix, part in ((BRANCH_PREFIX, "branches"), (TAG_PREFIX, "tags")):
            if ref.startswith(prefix):
                name = quote(ref.removeprefix(prefix), safe="")
                try:
                    answer = self._http.get(f"{path_of(full_name)}/repository/{part}/{name}")
                except NotFoundAtProvider:
                    self._project(full_name)
                    return None
                return commit_of(READ.record(answer))
        return None

    def commit_words(self, full_name: str, commit: str) -> CommitWords:
        # https://docs.gitlab.com/api/commits/#get-a-single-commit
        answer = self._http.get(f"{path_of(full_name)}/repository/commits/{quote(commit, safe='')}")
        return READ.words(answer, ("author_name",), ("message",))

    def new_webhook_secret(self) -> str:
        # https://docs.gitlab.com/user/project/integrations/webhooks/#signing-tokens, from 19.0 on: the secret never
        # travels. https://docs.gitlab.com/api/metadata/
        try:
            version = READ.text(READ.record(self._http.get("/metadata")), "version")
        except (NotFoundAtProvider, PermissionMissing):
            return super().new_webhook_secret()
        major = re.match(r"[0-9]{1,4}", version)
        if major is None or int(major[0]) < 19:
            return super().new_webhook_secret()
        return SIGNING + base64.b64encode(secrets.token_bytes(32)).decode()

    def install_webhook(self, full_name: str, *, url: str, secret: str) -> RemoteWebhook:
        # https://docs.gitlab.com/api/project_webhooks/; older versions ignore the names that they don't know.
        hooks, signing = f"{path_of(full_name)}/hooks", secret.startswith(SIGNING)
        body = {
            "url": url,
            "name": "Sluice",
            "push_events": True,
            "tag_push_events": True,
            "enable_ssl_verification": True,
            **({"signing_token": secret, "token": ""} if signing else {"token": secret}),
        }
        with self._needs(full_name, MAINTAINER):
            ours = next((hook for hook in self._all(hooks) if hook.get("url") == url), None)
            if ours is not None and ours.get("signing_token_present") is True and not signing:
                # It would go on signing with a secret that nobody knows any more.
                self._http.delete(f"{hooks}/{READ.text(ours, 'id')}")
                ours = None
            if ours is None:
                hook = READ.record(self._http.post(hooks, json=body))
            else:
                hook = READ.record(self._http.put(f"{hooks}/{READ.text(ours, 'id')}", json=body))
            if signing and hook.get("signing_token_present") is not True:
                self._http.delete(f"{hooks}/{READ.text(hook, 'id')}")
                raise ProviderRefused(
                    "This GitLab did not take the signing token, and would send webhooks unsigned.",
                    remedy="An administrator can enable the feature flag webhook_signing_token.",
                )
        return webhook_of(hook)

    def webhooks(self, full_name: str) -> list[RemoteWebhook]:
        with self._needs(full_name, MAINTAINER):
            return [webhook_of(item) for item in self._all(f"{path_of(full_name)}/hooks")]

    def remove_webhook(self, full_name: str, id: str) -> None:  # noqa: A002
        with suppress(NotFoundAtProvider), self._needs(full_name, MAINTAINER):
            self._http.delete(f"{path_of(full_name)}/hooks/{READ.number(id)}")

    def ping_webhook(self, full_name: str, id: str) -> bool:  # noqa: A002
        # https://docs.gitlab.com/api/project_webhooks/#trigger-a-test-project-webhook, from 16.11 on: the last push to
        # the default branch once more. GitLab has no ping of its own.
        try:
            with self._needs(full_name, MAINTAINER):
                self._http.post(f"{path_of(full_name)}/hooks/{READ.number(id)}/test/push_events")
        except NotFoundAtProvider:
            return False
        return True

    def webhook_fields(self, *, url: str, secret: str) -> list[tuple[str, str]]:
        return [
            ("URL", url),
            ("Signing token" if secret.startswith(SIGNING) else "Secret token", secret),
            ("Trigger", "Push events (all branches) and Tag push events"),
            ("SSL verification", "Enable SSL verification"),
        ]

    def webhook_page(self, full_name: str) -> str:
        return f"{self.web_url}/{checked(full_name)}/-/hooks"

    def add_deploy_key(self, full_name: str, *, title: str, public_key: str) -> RemoteKey:
        # https://docs.gitlab.com/api/deploy_keys/#add-deploy-key-for-a-project
        body = {"title": title, "key": public_key, "can_push": False}
        with self._needs(full_name, MAINTAINER):
            try:
                answer = self._http.post(f"{path_of(full_name)}/deploy_keys", json=body)
            except KeyInUse:
                # Perhaps it is here already, with another comment; GitLab says the same of a key that is elsewhere.
                ours = fingerprint(public_key)
                for key in self.deploy_keys(full_name):
                    if key.fingerprint == ours:
                        return key
                raise
        return RemoteKey(id=READ.text(READ.record(answer), "id"), fingerprint=fingerprint(public_key))

    def remove_deploy_key(self, full_name: str, id: str) -> None:  # noqa: A002
        with suppress(NotFoundAtProvider), self._needs(full_name, MAINTAINER):
            self._http.delete(f"{path_of(full_name)}/deploy_keys/{READ.number(id)}")

    def deploy_keys(self, full_name: str) -> list[RemoteKey]:
        with self._needs(full_name, MAINTAINER):
            return [
                RemoteKey(id=READ.text(item, "id"), fingerprint=known_fingerprint(READ.text(item, "key")))
                for item in self._all(f"{path_of(full_name)}/deploy_keys")
            ]

    def require_status_access(self, full_name: str) -> None:
        # https://docs.gitlab.com/api/projects/#get-a-single-project: both are null where access comes another way.
        permissions = self._project(full_name).get("permissions")
        told = permissions.values() if isinstance(permissions, dict) else ()
        levels = [each["access_level"] for each in told if isinstance(each, dict) and "access_level" in each]
        levels = [each for each in levels if isinstance(each, int)]
        if levels and max(levels) < DEVELOPER_LEVEL:
            raise PermissionMissing(
                f"The token's role on {full_name} is too low to mark commits.",
                missing=[DEVELOPER],
                remedy="Give it the Developer role or a higher one, or leave commit statuses off.",
            )

    def deploy_key_fields(self, *, title: str, public_key: str) -> list[tuple[str, str]]:
        return [
            ("Title", title),
            ("Key", public_key),
            ("Grant write permissions to this key", "No, leave it unticked"),
            ("Expiration date (optional)", "None"),
        ]

    def deploy_key_page(self, full_name: str) -> str:
        return f"{self.web_url}/{checked(full_name)}/-/settings/repository#js-deploy-keys-settings"

    def ssh_host_keys(self) -> list[str]:
        # Told on a page for people only: https://docs.gitlab.com/user/gitlab_com/#ssh-host-keys-fingerprints
        return []

    def set_commit_status(
        self, full_name: str, commit: str, *, state: CommitState, target_url: str, description: str, context: str
    ) -> None:
        # https://docs.gitlab.com/api/commits/#set-commit-pipeline-status
        body = {"state": STATES[state], "name": context, "target_url": target_url, "description": description[:255]}
        with self._needs(full_name, DEVELOPER):
            try:
                self._http.post(f"{path_of(full_name)}/statuses/{quote(commit, safe='')}", json=body)
            except ProviderRefused as error:
                # Said of the state that the commit is in already, and of one that a finished one cannot go back to.
                if "cannot transition status" not in str(error).lower():
                    raise

    def recent_deliveries(self, full_name: str, webhook_id: str) -> list[RemoteDelivery]:
        # https://docs.gitlab.com/api/project_webhooks/#get-a-list-of-project-webhook-events, from 17.3 on
        hook = f"{path_of(full_name)}/hooks/{READ.number(webhook_id)}"
        with self._needs(full_name, MAINTAINER):
            try:
                events = self._events(hook)
            except NotFoundAtProvider:
                self._http.get(hook)
                return []
        return deliveries(events)

    def _events(self, hook: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for page in range(1, EVENT_PAGES + 1):
            params = {"per_page": EVENTS_PER_PAGE, "page": page}
            events = READ.records(self._http.get(f"{hook}/events", params=params).json())
            found += events
            if len(events) < EVENTS_PER_PAGE:
                break
        return found

    def redeliver(self, full_name: str, webhook_id: str, remote_delivery_id: str) -> bool:
        # https://docs.gitlab.com/api/project_webhooks/#resend-a-project-webhook-event, from 17.4 on
        hook, event = READ.number(webhook_id), READ.number(remote_delivery_id)
        try:
            with self._needs(full_name, MAINTAINER):
                self._http.post(f"{path_of(full_name)}/hooks/{hook}/events/{event}/resend")
        except NotFoundAtProvider:
            return False
        return True

    def webhook_networks(self) -> list[str] | None:
        return list(SAAS_NETWORKS) if urlsplit(self.web_url).hostname == "gitlab.com" else None

    def _all(self, path: str) -> Iterator[dict[str, Any]]:
        """A list's items, of at most MOST_PAGES pages.

        Only the number of the next page is read from the Link header: behind a proxy its address may be another.
        """
        page: int | None = 1
        for _ in range(MOST_PAGES):
            answer = self._http.get(path, params={"per_page": PER_PAGE, "page": page})
            yield from READ.records(answer.json())
            page = page_number(answer.next_url)
            if page is None:
                return

    def _project(self, full_name: str) -> Mapping[str, Any]:
        path = path_of(full_name)
        try:
            return READ.record(self._http.get(path))
        except NotFoundAtProvider:
            raise NotFoundAtProvider(
                f"GitLab has no project {full_name}, or this token may not see it.",
                remedy="Check the name (group/subgroup/name) and that the token has access to it.",
                field="full_name",
            ) from None

    @contextmanager
    def _needs(self, full_name: str, role: str) -> Iterator[None]:
        """Say which role is missing, and tell a project that is gone from a thing in it."""
        try:
            yield
        except PermissionMissing as error:
            if error.missing:
                raise
            raise PermissionMissing(
                f"The token may not do this on {full_name}. {error}",
                missing=[role],
                remedy=f"Whoever owns it needs the {role} there; a project or group access token is made with a role. "
                "Or do it by hand.",
            ) from error
        except NotFoundAtProvider:
            self._project(full_name)
            raise
