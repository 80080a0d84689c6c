"""What a git provider tells, whichever kind it is: people, repositories, refs, webhooks, keys and deliveries."""

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom the credentials belong to, and what they may do."""

    login: str
    scopes: tuple[str, ...] = ()
    """As the provider lists them; empty where it does not tell."""
    missing: tuple[str, ...] = ()
    """Permissions that Sluice needs and that these credentials surely lack."""
    note: str = ""
    """What could not be checked, in words; empty when all was."""


@dataclass(frozen=True, slots=True)
class RemoteRepository:
    """A repository as the provider describes it."""

    full_name: str
    default_branch: str
    private: bool
    web_url: str
    ssh_url: str = ""
    """Its clone address over SSH, as the provider writes it; empty where it tells none."""
    id: str = ""
    """What stays when it is renamed or transferred."""


@dataclass(frozen=True, slots=True)
class RemoteRef:
    """A branch or a tag: `name` is main, `ref` is refs/heads/main, `commit` what it points at in the end."""

    name: str
    ref: str
    commit: str


@dataclass(frozen=True, slots=True)
class CommitWords:
    """Who wrote a commit, and the first line of what it says; empty where that is not told."""

    author: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class RemoteWebhook:
    """A webhook at the provider."""

    id: str
    url: str
    active: bool


@dataclass(frozen=True, slots=True)
class RemoteKey:
    """A deploy key at the provider; `fingerprint` is SHA256:..., as OpenSSH writes it."""

    id: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class RemoteDelivery:
    """One attempt of the provider to deliver an event to a webhook."""

    id: str
    """What `redeliver` takes."""
    delivery_id: str
    """The id that the delivery's headers carry, which a redelivery keeps; empty where the provider does not tell."""
    event: str
    """In the provider's own words."""
    status_code: int
    """What our endpoint answered; 0 if it did not, or not in time."""
    delivered_at: datetime | None
    """With a time zone; None where the provider does not tell."""
    redelivery: bool

    @property
    def succeeded(self) -> bool:
        """Whether our endpoint took it."""
        return 200 <= self.status_code < 300


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of a list. `next_page` is what to ask for next, None at the end."""

    items: list[T]
    next_page: int | None = None
