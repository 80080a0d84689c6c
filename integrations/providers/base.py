"""What Sluice needs of a git provider: plain values in, dataclasses out. No models, no settings, no guessing.

Every method that calls the provider raises errors of `integrations.errors`, and only these.
"""

import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import ClassVar
from urllib.parse import urlsplit

from integrations.errors import NotFoundAtProvider, PermissionMissing, ProviderError
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
from integrations.providers.ssh_address import SSH_PORT, SshAddress, parse


@dataclass(frozen=True, slots=True)
class CredentialField:
    """One thing to ask for when a provider is added. `name` is the key in the credentials."""

    name: str
    label: str
    help: str
    secret: bool = True
    required: bool = True
    multiline: bool = False
    """Whether it is a text of several lines, such as a key in PEM format."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """One way to sign in, for kinds that have several: which of its credentials it takes, all of them required."""

    name: str
    """In addresses: lower-case letters and hyphens."""
    title: str
    text: str
    """Whose it is, and what to know of it before choosing it."""
    labels: Mapping[str, str]
    """The name of a credential to what it is called in this way, empty for its own label."""
    page: str
    """Where people make such credentials, or read how; empty: as the kind's `credentials_url` says."""
    optional: frozenset[str] = frozenset()
    """The credentials among `labels` that need not be entered."""


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """Where a provider is and how to sign in. `base_url` is empty for the public service."""

    base_url: str = ""
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca_bundle: str = ""
    """PEM certificates to trust besides the public ones."""
    ssh_host: str = ""
    """Of SSH, where it is not as the provider tells; so are `ssh_user` and `ssh_port`: empty and 22 are as it tells."""
    ssh_user: str = ""
    ssh_port: int = SSH_PORT
    allowed_networks: Sequence[IPv4Network | IPv6Network] = ()
    """Private networks in which the provider may live."""
    patience: float | None = None
    """Seconds that all calls of a client may take together; None: each call has its own limits only."""


class Purpose(StrEnum):
    """What Sluice wants of a repository at the provider."""

    WEBHOOK = "webhook"
    DEPLOY_KEY = "deploy_key"
    COMMIT_STATUSES = "commit_statuses"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Something that these credentials may not do, known before it was tried."""

    purpose: Purpose
    message: str
    """What is missing, in words."""
    remedy: str
    """What a person can do about it."""
    page_url: str = ""
    """The provider's page on which a person does it by hand; empty where there is none."""

    @classmethod
    def of(cls, purpose: Purpose, error: ProviderError, page_url: str = "") -> "Obstacle":
        """What an error tells of."""
        return cls(purpose, error.message, error.remedy, page_url)


class CommitState(StrEnum):
    """What a commit status says."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"


class ProviderClient(ABC):
    """One git provider, reached with one set of credentials.

    `full_name` is a repository's name as the provider writes it, such as `owner/name`. Methods that add something find
    what an earlier call left and never make a twin; methods that remove something succeed when it is gone already.
    """

    kind: ClassVar[str]
    label: ClassVar[str]
    default_base_url: ClassVar[str] = ""
    """Where people open the public service; empty for a kind that is always self-hosted, whose address is asked for."""
    self_hosted: ClassVar[bool] = True
    """Whether it may be at an address of people's own: then that, its certificates and its SSH port are asked for."""
    has_stand_in: ClassVar[bool] = False
    """Whether a public service has a stand-in: the git host of `make up` plays it at a loopback address."""
    has_ssh_users: ClassVar[bool] = True
    """Whether git may sign in over SSH as somebody else than git."""
    icon: ClassVar[str] = "git-branch"
    """Which of the Tabler icons stands for it."""
    credential_fields: ClassVar[tuple[CredentialField, ...]]
    sign_ins: ClassVar[tuple[SignIn, ...]] = ()
    """The ways to sign in, the usual one first; none where there is just one, with all of the fields."""

    def __init__(self, config: ProviderConfig) -> None:
        self.config = config

    @classmethod
    @abstractmethod
    def credentials_url(cls, base_url: str = "") -> str:
        """The page on which a person makes credentials, filled in with what Sluice needs where that is possible."""

    @classmethod
    def changed_credentials(cls, stored: Mapping[str, str], entered: Mapping[str, str]) -> dict[str, str]:
        """The credentials after a person entered some of them anew; the others stay, unless these replace them."""
        return {**stored, **entered}

    @classmethod
    def tidied_credentials(cls, credentials: Mapping[str, str]) -> dict[str, str]:
        """Credentials as they are stored, checked as far as that is possible without a call. Raises InvalidValue."""
        return dict(credentials)

    def completed_credentials(self) -> dict[str, str]:
        """The credentials with what the provider itself tells of them. Raises InvalidValue, ProviderError."""
        return dict(self.config.credentials)

    @property
    def web_url(self) -> str:
        """Where people open the provider, without a slash at the end."""
        return (self.config.base_url or self.default_base_url).rstrip("/")

    @property
    @abstractmethod
    def api_url(self) -> str:
        """The root of the API, without a slash at the end."""

    @property
    def git_url(self) -> str:
        """Below which repositories are fetched over HTTPS, without a slash at the end."""
        return self.web_url

    @property
    def usual_ssh_address(self) -> SshAddress:
        """Where `git` connects to over SSH if nothing else is told: the host of the web page."""
        return SshAddress("git", urlsplit(self.web_url).hostname or "")

    def ssh_address(self, full_name: str = "") -> SshAddress:
        """Where `git` connects to over SSH for a repository; without one, for any that these credentials see.

        What people gave comes first, then what the provider tells. Raises ProviderError, as it must be asked for that.
        """
        given, told = self.config, self.usual_ssh_address
        if not given.ssh_host or not given.ssh_user:
            told = parse(self._ssh_url(full_name)) or told
        # A host of people's own has a port of its own.
        port = given.ssh_port if given.ssh_host or given.ssh_port != SSH_PORT else told.port
        return SshAddress(given.ssh_user or told.user, (given.ssh_host or told.host).lower(), port)

    def _ssh_url(self, full_name: str) -> str:
        """The clone address of a repository, or of any; empty if the provider tells none."""
        if full_name:
            return self.repository(full_name).ssh_url
        if not self.config.base_url:
            return ""  # everybody knows where the public service is
        try:
            found = self.search_repositories()
        except (PermissionMissing, NotFoundAtProvider):
            return ""
        return next((each.ssh_url for each in found.items if each.ssh_url), "")

    @abstractmethod
    def check(self) -> Identity:
        """Prove that the credentials work. Raises CredentialsRejected, ProviderUnreachable."""

    @abstractmethod
    def search_repositories(self, query: str = "", page: int = 1) -> Page[RemoteRepository]:
        """Repositories that the credentials can see and whose full name contains `query`, whatever its case."""

    @abstractmethod
    def repository(self, full_name: str) -> RemoteRepository:
        """One repository. Raises NotFoundAtProvider."""

    @abstractmethod
    def refs(self, full_name: str) -> list[RemoteRef]:
        """Branches, then tags; of each the first thousand."""

    @abstractmethod
    def head(self, full_name: str, ref: str) -> str | None:
        """The commit that a full ref (refs/heads/main) points at; None if there is no such ref."""

    @abstractmethod
    def commit_words(self, full_name: str, commit: str) -> CommitWords:
        """Who wrote a commit, and what it says first. Raises NotFoundAtProvider."""

    def new_webhook_secret(self) -> str:
        """A secret, never given out before, of the form that this provider's webhooks are signed with best.

        Raises ProviderError where the provider must be asked for that.
        """
        return secrets.token_hex(32)

    @abstractmethod
    def install_webhook(self, full_name: str, *, url: str, secret: str) -> RemoteWebhook:
        """Have pushes sent to `url`, signed with `secret`; updates the webhook that already has this URL."""

    @abstractmethod
    def webhooks(self, full_name: str) -> list[RemoteWebhook]:
        """The repository's webhooks, ours and others'. Raises PermissionMissing."""

    @abstractmethod
    def remove_webhook(self, full_name: str, id: str) -> None:  # noqa: A002
        """Remove a webhook. Raises PermissionMissing when it may be there and the credentials may not touch it."""

    @abstractmethod
    def ping_webhook(self, full_name: str, id: str) -> bool:  # noqa: A002
        """Have the provider send a test delivery; False for a provider that has none."""

    @abstractmethod
    def webhook_fields(self, *, url: str, secret: str) -> list[tuple[str, str]]:
        """What to fill into `webhook_page` by hand: (label on that page, value)."""

    @abstractmethod
    def webhook_page(self, full_name: str) -> str:
        """The page on which a person adds a webhook by hand."""

    @abstractmethod
    def add_deploy_key(self, full_name: str, *, title: str, public_key: str) -> RemoteKey:
        """Let `public_key` read the repository over SSH. Raises KeyInUse, PermissionMissing."""

    @abstractmethod
    def remove_deploy_key(self, full_name: str, id: str) -> None:  # noqa: A002
        """Remove a deploy key. Raises PermissionMissing when it may be there and the credentials may not touch it."""

    @abstractmethod
    def deploy_keys(self, full_name: str) -> list[RemoteKey]:
        """The repository's deploy keys, ours and others'."""

    def require_status_access(self, full_name: str) -> None:  # noqa: B027 - most providers do not tell
        """Raise PermissionMissing if the provider tells that these credentials may not mark commits."""

    def obstacles(self, full_name: str, *, deploy_key: bool, commit_statuses: bool = False) -> list[Obstacle]:
        """What stands in the way of a webhook and of what else is wanted, as far as it shows beforehand.

        Nothing is changed at the provider. Raises ProviderError for what is about none of them, such as a repository
        that is not there.
        """
        looks: list[tuple[Purpose, Callable[[str], object], str]] = [
            (Purpose.WEBHOOK, self.webhooks, self.webhook_page(full_name))
        ]
        if deploy_key:
            looks.append((Purpose.DEPLOY_KEY, self.deploy_keys, self.deploy_key_page(full_name)))
        if commit_statuses:
            looks.append((Purpose.COMMIT_STATUSES, self.require_status_access, ""))
        found: list[Obstacle] = []
        for purpose, look, page_url in looks:
            try:
                look(full_name)
            except PermissionMissing as error:
                found.append(Obstacle.of(purpose, error, page_url))
        return found

    @abstractmethod
    def deploy_key_fields(self, *, title: str, public_key: str) -> list[tuple[str, str]]:
        """What to fill into `deploy_key_page` by hand: (label on that page, value)."""

    @abstractmethod
    def deploy_key_page(self, full_name: str) -> str:
        """The page on which a person adds a deploy key by hand."""

    @abstractmethod
    def ssh_host_keys(self) -> list[str]:
        """The host keys that the provider publishes over HTTPS, as `<type> <base64>`; empty if it publishes none."""

    @abstractmethod
    def set_commit_status(
        self, full_name: str, commit: str, *, state: CommitState, target_url: str, description: str, context: str
    ) -> None:
        """Show a state beside a commit; a later one with the same `context` takes its place."""

    def recent_deliveries(self, full_name: str, webhook_id: str) -> list[RemoteDelivery]:  # noqa: ARG002
        """What the provider sent to a webhook of late, newest first, at most a hundred; empty where it does not tell.

        Raises NotFoundAtProvider when the webhook is gone, PermissionMissing.
        """
        return []

    def redeliver(self, full_name: str, webhook_id: str, remote_delivery_id: str) -> bool:  # noqa: ARG002
        """Have the provider send a delivery again; False for a provider that cannot, or no longer has it.

        `remote_delivery_id` is the `id` of a RemoteDelivery. Raises PermissionMissing, ProviderRefused.
        """
        return False

    def webhook_networks(self) -> list[str] | None:
        """The networks (CIDR) that the provider publishes its webhooks to come from; None if it publishes none."""
        return None

    def archive_credentials(self) -> dict[str, str]:
        """What the stack's functions sign in with: `git_token`, `oauth_key` and `oauth_secret`, empty where unused.

        A GitHub App has `app_id`, `installation_id` and `private_key` (PEM) besides.
        """
        return {"git_token": self.config.credentials.get("token", ""), "oauth_key": "", "oauth_secret": ""}
