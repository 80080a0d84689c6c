"""Bitbucket Data Center (and Server).

https://developer.atlassian.com/server/bitbucket/rest/
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any
from urllib.parse import quote, unquote

from integrations.errors import (
    CredentialsRejected,
    NotFoundAtProvider,
    PermissionMissing,
)
from integrations.http import HttpClient
from integrations.providers.answers import Reader, known_fingerprint, matching
from integrations.providers.base import CommitState, CredentialField, ProviderClient
from integrations.providers.bitbucket_server_errors import explain
from integrations.providers.full_names import owner_and_name
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
from lambdas.common.refs import BRANCH_PREFIX, TAG_PREFIX

LIMIT = 100  # of one page of a list
MOST = 1000  # of a list, read at most
EVENTS = ["repo:refs_changed"]
ADMIN = "Repository admin"
STATES = {
    CommitState.PENDING: "INPROGRESS",
    CommitState.SUCCESS: "SUCCESSFUL",
    CommitState.FAILURE: "FAILED",
    CommitState.ERROR: "FAILED",
}
_READ = Reader("Bitbucket Data Center")


class BitbucketServer(ProviderClient):
    """Bitbucket Data Center at an address of its own, with an HTTP access token."""

    kind = "bitbucket_server"
    label = "Bitbucket Data Center"
    icon = "brand-bitbucket"
    credential_fields = (
        CredentialField(
            name="token",
            label="HTTP access token",
            help="Of a person, a project or a repository, with the permission Repository admin; Repository read if "
            "webhooks and access keys are added by hand.",
        ),
    )

    @classmethod
    def credentials_url(cls, base_url: str = "") -> str:
        # https://confluence.atlassian.com/bitbucketserver/http-access-tokens-939515499.html
        return f"{(base_url or cls.default_base_url).rstrip('/')}/plugins/servlet/access-tokens/manage"

    @property
    def api_url(self) -> str:
        return f"{self.web_url}/rest/api/latest"

    @cached_property
    def _http(self) -> HttpClient:
        return HttpClient(
            self.api_url,
            headers={
                "Authorization": f"Bearer {self.config.credentials.get('token', '')}",
                "Accept": "application/json",
            },
            ca_bundle=self.config.ca_bundle,
            allowed_networks=self.config.allowed_networks,
            patience=self.config.patience,
            explain=explain,
        )

    @property
    def git_url(self) -> str:
        # https://confluence.atlassian.com/bitbucketserver/clone-a-repository-790632786.html
        return f"{self.web_url}/scm"

    def check(self) -> Identity:
        answer = self._http.get("/repos", params={"permission": "REPO_ADMIN", "limit": 1})
        administers = bool(_READ.records(_READ.record(answer).get("values")))
        # Where anonymous access is on, an answer alone proves nothing.
        login = unquote(answer.headers.get("X-AUSERNAME", "")) or self._whoami()
        if not login:
            raise CredentialsRejected(
                "Bitbucket answers as to somebody who is not signed in.",
                remedy="Make a new HTTP access token and enter it in the provider.",
                field="token",
            )
        return Identity(login=login, missing=() if administers else (ADMIN,))

    def search_repositories(self, query: str = "", page: int = 1) -> Page[RemoteRepository]:
        def read(number: int) -> tuple[list[RemoteRepository], int | None]:
            # A page of ours is one more than the `start` of theirs, which need not be a multiple of the limit.
            body = _READ.record(self._http.get("/repos", params={"limit": LIMIT, "start": number - 1}))
            following = _next_start(body)
            repositories = [self._described(item, "") for item in _READ.records(body.get("values"))]
            return repositories, None if following is None else following + 1

        return matching(read, query, page)

    def repository(self, full_name: str) -> RemoteRepository:
        body = self._repository(full_name)
        try:
            answer = self._http.get(f"{_path(full_name)}/default-branch")
        except NotFoundAtProvider:  # an empty repository without one
            return self._described(body, "")
        ref = _READ.text(_READ.record(answer), "id") if answer.content else ""
        return self._described(body, _READ.branch(ref.removeprefix(BRANCH_PREFIX)))

    def refs(self, full_name: str) -> list[RemoteRef]:
        path = _path(full_name)
        return [
            RemoteRef(
                name=_READ.text(item, "id").removeprefix(prefix),
                ref=_READ.text(item, "id"),
                commit=_READ.text(item, "latestCommit"),
            )
            for part, prefix in (("branches", BRANCH_PREFIX), ("tags", TAG_PREFIX))
            for item in self._values(f"{path}/{part}")
        ]

    def head(self, full_name: str, ref: str) -> str | None:
        try:
            answer = self._http.get(f"{_path(full_name)}/commits", params={"until": ref, "limit": 1})
        except NotFoundAtProvider:
            self._repository(full_name)
            return None
        commits = _READ.records(_READ.record(answer).get("values"))
        return _READ.text(commits[0], "id") if commits else None

    def commit_words(self, full_name: str, commit: str) -> CommitWords:
        # https://developer.atlassian.com/server/bitbucket/rest/
        answer = self._http.get(f"{_path(full_name)}/commits/{quote(commit, safe='')}")
        return _READ.words(answer, ("author", "name"), ("message",))

    def install_webhook(self, full_name: str, *, url: str, secret: str) -> RemoteWebhook:
        # https://confluence.atlassian.com/bitbucketserver/manage-webhooks-938025878.html
        hooks = f"{_path(full_name)}/webhooks"
        body = {
            "name": "Sluice",
            "url": url,
            "active": True,
            "events": EVENTS,
            "configuration": {"secret": secret},
            "sslVerificationRequired": True,
        }
        with self._needs(full_name):
            ours = next((hook.id for hook in self.webhooks(full_name) if hook.url == url), None)
            answer = self._http.post(hooks, json=body) if ours is None else self._http.put(f"{hooks}/{ours}", json=body)
        return _webhook(_READ.record(answer))

    def webhooks(self, full_name: str) -> list[RemoteWebhook]:
        # Those of the project are listed too, and cannot be changed from here.
        with self._needs(full_name):
            found = list(self._values(f"{_path(full_name)}/webhooks"))
        return [_webhook(hook) for hook in found if hook.get("scopeType") != "project"]

    def remove_webhook(self, full_name: str, id: str) -> None:  # noqa: A002
        self._remove(full_name, f"{_path(full_name)}/webhooks", id)

    def ping_webhook(self, full_name: str, id: str) -> bool:  # noqa: A002
        hooks = f"{_path(full_name)}/webhooks"
        with self._needs(full_name):
            url = _webhook(_READ.record(self._http.get(f"{hooks}/{_READ.number(id)}"))).url
            # With the id the webhook's own secret is used; the event is diagnostics:ping.
            self._http.post(f"{hooks}/test", params={"webhookId": id, "url": url}, json={})
        return True

    def webhook_fields(self, *, url: str, secret: str) -> list[tuple[str, str]]:
        return [
            ("Name", "Sluice"),
            ("URL", url),
            ("Secret", secret),
            ("SSL/TLS", "Leave certificate verification on"),
            ("Events", "Repository: Push"),
            ("Active", "Yes, leave it ticked"),
        ]

    def webhook_page(self, full_name: str) -> str:
        return f"{self.web_url}/plugins/servlet/webhooks{_path(full_name)}"

    def add_deploy_key(self, full_name: str, *, title: str, public_key: str) -> RemoteKey:
        # https://confluence.atlassian.com/bitbucketserver/ssh-access-keys-for-system-use-776639781.html
        ours = fingerprint(public_key)
        with self._needs(full_name):
            for key in self.deploy_keys(full_name):
                if key.fingerprint == ours:
                    return key
            body = {"key": {"text": public_key, "label": title[:255]}, "permission": "REPO_READ"}
            answer = self._http.post(self._keys(full_name), json=body)
        return RemoteKey(id=_READ.text(_READ.record(answer), "key", "id"), fingerprint=ours)

    def remove_deploy_key(self, full_name: str, id: str) -> None:  # noqa: A002
        self._remove(full_name, self._keys(full_name), id)

    def deploy_keys(self, full_name: str) -> list[RemoteKey]:
        with self._needs(full_name):
            return [
                RemoteKey(
                    id=_READ.text(item, "key", "id"), fingerprint=known_fingerprint(_READ.text(item, "key", "text"))
                )
                for item in self._values(self._keys(full_name))
            ]

    def deploy_key_fields(self, *, title: str, public_key: str) -> list[tuple[str, str]]:
        return [("Label", title), ("Permission", "Read"), ("Key", public_key)]

    def deploy_key_page(self, full_name: str) -> str:
        return f"{self.web_url}/plugins/servlet/ssh{_path(full_name)}/keys"

    def ssh_host_keys(self) -> list[str]:
        return []

    def set_commit_status(
        self, full_name: str, commit: str, *, state: CommitState, target_url: str, description: str, context: str
    ) -> None:
        # https://developer.atlassian.com/server/bitbucket/how-tos/updating-build-status-for-commits/, from 7.4 on
        body = {
            "key": context[:255],
            "name": context[:255],
            "state": STATES[state],
            "url": target_url,
            "description": description[:255],
        }
        with self._needs(full_name, "Repository read"):
            self._http.post(f"{_path(full_name)}/commits/{quote(commit, safe='')}/builds", json=body)

    def _whoami(self) -> str:
        # Some administrators have a proxy take the header away; this answers the bare name, or nothing.
        content = self._http.get(f"{self.web_url}/plugins/servlet/applinks/whoami", accept="text/plain").content
        name = content.decode("utf-8", "replace").strip()
        return name if name.isprintable() and len(name) <= 255 and "<" not in name else ""

    def _values(self, path: str, params: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """What a list has, as far as it is read.

        https://developer.atlassian.com/server/bitbucket/rest/ (paged APIs)
        """
        start: int | None = 0
        for _ in range(MOST // LIMIT):
            body = _READ.record(self._http.get(path, params={**(params or {}), "limit": LIMIT, "start": start}))
            yield from _READ.records(body.get("values"))
            start = _next_start(body)
            if start is None:
                return

    def _keys(self, full_name: str) -> str:
        return f"{self.web_url}/rest/keys/1.0{_path(full_name)}/ssh"

    def _described(self, body: Mapping[str, Any], default_branch: str) -> RemoteRepository:
        full_name = _READ.full_name(f"{_READ.text(body, 'project', 'key')}/{_READ.text(body, 'slug')}")
        return RemoteRepository(
            full_name=full_name,
            default_branch=default_branch,
            private=body.get("public") is not True,
            web_url=f"{self.web_url}{_page(full_name)}",
            # SSH has a host and port of its own there (7999 by default), which the clone links tell:
            # https://confluence.atlassian.com/bitbucketserver/enable-ssh-access-to-git-repositories-776640358.html
            ssh_url=next(iter(_READ.clone_links(body, "ssh")), ""),
            id=_READ.identity(body, "id"),
        )

    def _repository(self, full_name: str) -> Mapping[str, Any]:
        path = _path(full_name)
        try:
            return _READ.record(self._http.get(path))
        except (NotFoundAtProvider, PermissionMissing):
            raise NotFoundAtProvider(
                f"{self.label} has no repository {full_name}, or this token may not see it.",
                remedy="Check the name (KEY/repository, or ~user/repository) and that the token has access to it.",
                field="full_name",
            ) from None

    @contextmanager
    def _needs(self, full_name: str, permission: str = ADMIN) -> Iterator[None]:
        """Say which permission is missing, as Bitbucket does not."""
        try:
            yield
        except PermissionMissing as error:
            raise PermissionMissing(
                f"The token may not do this on {full_name}.",
                missing=[permission],
                remedy=f"Make a token with the permission {permission} whose owner has it on {full_name}. "
                "Or do it by hand.",
            ) from error

    def _remove(self, full_name: str, listing: str, id: str) -> None:  # noqa: A002
        # Gone with its repository is gone as well.
        with suppress(NotFoundAtProvider), self._needs(full_name):
            self._http.delete(f"{listing}/{_READ.number(id)}")


def _parts(full_name: str) -> tuple[str, str]:
    key, _, slug = owner_and_name(full_name, written="KEY/repository, or ~user/repository").partition("/")
    return key, slug


def _path(full_name: str) -> str:
    key, slug = _parts(full_name)
    return f"/projects/{quote(key, safe='~')}/repos/{quote(slug, safe='')}"


def _page(full_name: str) -> str:
    """Where people find a repository below the base URL; those of a person have a page of their own."""
    key, slug = _parts(full_name)
    return f"/users/{key[1:]}/repos/{slug}" if key.startswith("~") else f"/projects/{key}/repos/{slug}"


def _next_start(body: Mapping[str, Any]) -> int | None:
    start = body.get("nextPageStart")
    return start if body.get("isLastPage") is False and isinstance(start, int) and start > 0 else None


def _webhook(hook: Mapping[str, Any]) -> RemoteWebhook:
    return RemoteWebhook(id=_READ.text(hook, "id"), url=str(hook.get("url") or ""), active=hook.get("active") is True)
