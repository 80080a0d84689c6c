"""Gitea and Forgejo, with an access token. Both speak the same API as far as it is used here.

https://docs.gitea.com/api/, https://forgejo.org/docs/latest/user/api-usage/
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
)
from integrations.http import HttpClient
from integrations.providers.answers import Reader, known_fingerprint, matching
from integrations.providers.base import CommitState, CredentialField, ProviderClient
from integrations.providers.full_names import owner_and_name
from integrations.providers.gitea_errors import explain
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

PER_PAGE = 50  # the most by default: https://docs.gitea.com/administration/config-cheat-sheet#api-api
MOST_PAGES = 20
EVENTS = ["push"]  # of branches and tags alike
ADMIN, WRITE = "Administrator access", "Write access"
NOTE = (
    "The server does not tell what a token may do. It needs write:repository and read:user; what is missing shows when "
    "it is first needed."
)
_READ = Reader("Gitea")


class Gitea(ProviderClient):
    """A Gitea or Forgejo server, Codeberg among them."""

    kind = "gitea"
    label = "Gitea or Forgejo"
    credential_fields = (
        CredentialField(
            name="token",
            label="Access token",
            help="With the scopes write:repository and read:user, of an account that administrates the repositories.",
        ),
    )

    @classmethod
    def credentials_url(cls, base_url: str = "") -> str:
        return f"{(base_url or cls.default_base_url).rstrip('/')}/user/settings/applications"

    @property
    def api_url(self) -> str:
        return f"{self.web_url}/api/v1"

    @cached_property
    def _http(self) -> HttpClient:
        return HttpClient(
            self.api_url,
            # https://docs.gitea.com/development/api-usage#authentication
            headers={
                "Authorization": f"token {self.config.credentials.get('token', '')}",
                "Accept": "application/json",
            },
            ca_bundle=self.config.ca_bundle,
            allowed_networks=self.config.allowed_networks,
            patience=self.config.patience,
            explain=explain,
        )

    def check(self) -> Identity:
        login = _READ.text(_READ.record(self._http.get("/user")), "login")
        try:
            self._http.get("/user/repos", params={"limit": 1})
        except PermissionMissing as error:
            return Identity(login=login, missing=error.missing, note=NOTE)
        return Identity(login=login, note=NOTE)

    def search_repositories(self, query: str = "", page: int = 1) -> Page[RemoteRepository]:
        # What the account owns or contributes to; /repos/search would also find what everybody may see.
        def read(number: int) -> tuple[list[RemoteRepository], int | None]:
            answer = self._http.get("/user/repos", params={"limit": PER_PAGE, "page": number})
            repositories = [self._described(item) for item in _READ.records(answer.json())]
            return repositories, number + 1 if answer.next_url else None

        return matching(read, query, page)

    def repository(self, full_name: str) -> RemoteRepository:
        return self._described(self._repository(full_name))

    def refs(self, full_name: str) -> list[RemoteRef]:
        path = _path(full_name)
        return [
            RemoteRef(name=_READ.text(item, "name"), ref=prefix + _READ.text(item, "name"), commit=_commit(item, key))
            for part, prefix, key in (("branches", BRANCH_PREFIX, "id"), ("tags", TAG_PREFIX, "sha"))
            for item in self._all(f"{path}/{part}")
        ]

    def head(self, full_name: str, ref: str) -> str | None:
        for part, prefix, key in (("branches", BRANCH_PREFIX, "id"), ("tags", TAG_PREFIX, "sha")):
            if ref.startswith(prefix):
                name = quote(ref.removeprefix(prefix), safe="/")
                try:
                    answer = self._http.get(f"{_path(full_name)}/{part}/{name}")
                except NotFoundAtProvider:
                    self._repository(full_name)
                    return None
                return _commit(_READ.record(answer), key)
        return None

    def commit_words(self, full_name: str, commit: str) -> CommitWords:
        # `repoGetSingleCommit` of templates/swagger/v1_json.tmpl
        answer = self._http.get(f"{_path(full_name)}/git/commits/{quote(commit, safe='')}")
        return _READ.words(answer, ("commit", "author", "name"), ("commit", "message"))

    def install_webhook(self, full_name: str, *, url: str, secret: str) -> RemoteWebhook:
        # https://docs.gitea.com/api/#tag/repository/operation/repoCreateHook
        hooks = f"{_path(full_name)}/hooks"
        body = {
            "config": {"url": url, "content_type": "json", "secret": secret},
            "events": EVENTS,
            "branch_filter": "*",
            "active": True,
        }
        with self._needs(full_name, ADMIN):
            ours = next((hook.id for hook in self.webhooks(full_name) if hook.url == url), None)
            if ours is None:
                answer = self._http.post(hooks, json={"type": "gitea", **body})
            else:
                answer = self._http.patch(f"{hooks}/{ours}", json=body)
        return _READ.webhook(_READ.record(answer))

    def webhooks(self, full_name: str) -> list[RemoteWebhook]:
        with self._needs(full_name, ADMIN):
            return [_READ.webhook(item) for item in self._all(f"{_path(full_name)}/hooks")]

    def remove_webhook(self, full_name: str, id: str) -> None:  # noqa: A002
        with suppress(NotFoundAtProvider), self._needs(full_name, ADMIN):
            self._http.delete(f"{_path(full_name)}/hooks/{_READ.number(id)}")

    def ping_webhook(self, full_name: str, id: str) -> bool:  # noqa: A002
        # A push of the default branch's head to itself, or nothing at all when the repository is empty:
        # https://docs.gitea.com/api/#tag/repository/operation/repoTestHook
        with self._needs(full_name, ADMIN):
            self._http.post(f"{_path(full_name)}/hooks/{_READ.number(id)}/tests")
        return True

    def webhook_fields(self, *, url: str, secret: str) -> list[tuple[str, str]]:
        return [
            ("Target URL", url),
            ("HTTP Method", "POST"),
            ("POST Content Type", "application/json"),
            ("Secret", secret),
            ("Trigger On", "Push Events"),
            ("Branch filter", "*"),
        ]

    def webhook_page(self, full_name: str) -> str:
        return f"{self.web_url}/{_checked(full_name)}/settings/hooks/gitea/new"

    def add_deploy_key(self, full_name: str, *, title: str, public_key: str) -> RemoteKey:
        # https://docs.gitea.com/api/#tag/repository/operation/repoCreateKey
        ours = fingerprint(public_key)
        with self._needs(full_name, ADMIN):
            try:
                try:
                    made = self._post_key(full_name, title, public_key)
                except KeyInUse:
                    raise
                except ProviderRefused as error:
                    if not _name_is_taken(error):
                        raise
                    # Names are unique in a repository, and while keys rotate the former one has ours.
                    made = self._post_key(full_name, f"{title} ({ours.removeprefix('SHA256:')[:8]})", public_key)
            except KeyInUse:
                for key in self.deploy_keys(full_name):
                    if key.fingerprint == ours:
                        return key
                raise
        return RemoteKey(id=_READ.text(made, "id"), fingerprint=ours)

    def remove_deploy_key(self, full_name: str, id: str) -> None:  # noqa: A002
        with suppress(NotFoundAtProvider), self._needs(full_name, ADMIN):
            self._http.delete(f"{_path(full_name)}/keys/{_READ.number(id)}")

    def deploy_keys(self, full_name: str) -> list[RemoteKey]:
        with self._needs(full_name, ADMIN):
            return [
                RemoteKey(id=_READ.text(item, "id"), fingerprint=known_fingerprint(_READ.text(item, "key")))
                for item in self._all(f"{_path(full_name)}/keys")
            ]

    def require_status_access(self, full_name: str) -> None:
        permissions = self._repository(full_name).get("permissions")
        if isinstance(permissions, dict) and permissions.get("push") is False:
            raise PermissionMissing(
                f"The token's account may only read {full_name}, so its commits cannot be marked.",
                missing=["Write access"],
                remedy="Give it write access to the repository, or leave commit statuses off.",
            )

    def deploy_key_fields(self, *, title: str, public_key: str) -> list[tuple[str, str]]:
        return [("Title", title), ("Content", public_key), ("Enable write access", "No, leave it unticked")]

    def deploy_key_page(self, full_name: str) -> str:
        return f"{self.web_url}/{_checked(full_name)}/settings/keys"

    def ssh_host_keys(self) -> list[str]:
        return []

    def set_commit_status(
        self, full_name: str, commit: str, *, state: CommitState, target_url: str, description: str, context: str
    ) -> None:
        # https://docs.gitea.com/api/#tag/repository/operation/repoCreateStatus
        body = {"state": state, "target_url": target_url, "description": description[:255], "context": context}
        with self._needs(full_name, WRITE):
            self._http.post(f"{_path(full_name)}/statuses/{quote(commit, safe='')}", json=body)

    def _all(self, path: str) -> Iterator[dict[str, Any]]:
        """A list's items, of at most MOST_PAGES pages.

        Pages are counted, as the Link header has the address that the server takes for its own, and some lists have
        X-Total-Count in its place.
        """
        got = 0
        for page in range(1, MOST_PAGES + 1):
            answer = self._http.get(path, params={"limit": PER_PAGE, "page": page})
            items = _READ.records(answer.json())
            yield from items
            got += len(items)
            total = answer.headers.get("X-Total-Count", "")
            more = answer.next_url is not None or (total.isascii() and total.isdigit() and got < int(total))
            if not items or not more:
                return

    def _post_key(self, full_name: str, title: str, public_key: str) -> dict[str, Any]:
        body = {"title": title, "key": public_key, "read_only": True}
        return _READ.record(self._http.post(f"{_path(full_name)}/keys", json=body))

    def _described(self, body: Mapping[str, Any]) -> RemoteRepository:
        full_name = _READ.full_name(_READ.text(body, "full_name"))
        # The address is made here, not read: it becomes a link on our pages.
        return RemoteRepository(
            full_name=full_name,
            default_branch=_READ.branch(body.get("default_branch")),
            private=body.get("private") is not False,
            web_url=f"{self.web_url}/{full_name}",
            ssh_url=_READ.optional(body.get("ssh_url")),
            id=_READ.identity(body, "id"),
        )

    def _repository(self, full_name: str) -> Mapping[str, Any]:
        path = _path(full_name)
        try:
            return _READ.record(self._http.get(path))
        except NotFoundAtProvider:
            raise NotFoundAtProvider(
                f"The server has no repository {full_name}, or this token may not see it.",
                remedy="Check the name (owner/name) and that the token's account has access to it.",
                field="full_name",
            ) from None

    @contextmanager
    def _needs(self, full_name: str, access: str) -> Iterator[None]:
        """Say which access is missing, and tell a repository that is gone from a thing in it."""
        try:
            yield
        except PermissionMissing as error:
            if error.missing:
                raise
            raise PermissionMissing(
                f"The token may not do this on {full_name}. {error}",
                missing=[access],
                remedy=f"Its account needs {access.lower()} to the repository, as a collaborator or by a team. "
                "Or do it by hand.",
            ) from error
        except NotFoundAtProvider:
            self._repository(full_name)
            raise


def _checked(full_name: str) -> str:
    return owner_and_name(full_name, written="owner/name")


def _path(full_name: str) -> str:
    return f"/repos/{quote(_checked(full_name), safe='/')}"


def _commit(item: Mapping[str, Any], key: str) -> str:
    return _READ.text(item, "commit", key)


def _name_is_taken(error: ProviderRefused) -> bool:
    words = str(error).lower()
    return "same name already exists" in words or "title has been used" in words
