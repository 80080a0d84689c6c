"""What the git host keeps: one dataclass a table. Times are ISO 8601 in UTC to the second, as GitHub writes them."""

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]


def now() -> str:
    """This moment, as GitHub writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def fingerprint(public_key: str) -> str:
    """The `SHA256:...` fingerprint of an OpenSSH public key line.

    Raises:
        ValueError: the line is no OpenSSH public key.
    """
    kind, _, rest = public_key.strip().partition(" ")
    blob = b64decode(rest.split(" ")[0], validate=True)
    if not blob or kind.encode() not in blob[: 4 + len(kind)]:
        raise ValueError("not an OpenSSH public key")
    return "SHA256:" + b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class User:
    """A person, or an organization that owns repositories."""

    id: int
    login: str
    name: str
    email: str
    type: str  # User or Organization


@dataclass(frozen=True, slots=True)
class Token:
    """Who calls. A classic token has scopes; a fine-grained one has permissions (`{"webhooks": "write"}`)."""

    user: User
    scopes: frozenset[str]
    permissions: Mapping[str, str] | None

    @property
    def fine_grained(self) -> bool:
        """Whether permissions, not scopes, say what it may do."""
        return self.permissions is not None


@dataclass(frozen=True, slots=True)
class Repository:
    """A bare repository and what the API says about it."""

    id: int
    owner: str
    name: str
    private: bool
    default_branch: str
    description: str
    deploy_keys_enabled: bool  # organizations may forbid deploy keys
    created_at: str
    updated_at: str
    pushed_at: str | None

    @property
    def full_name(self) -> str:
        """`owner/name`."""
        return f"{self.owner}/{self.name}"


@dataclass(frozen=True, slots=True)
class DeployKey:
    """An SSH key that opens one repository."""

    id: int
    repository_id: int
    title: str
    key: str
    fingerprint: str
    read_only: bool
    added_by: str
    created_at: str
    last_used: str | None


@dataclass(frozen=True, slots=True)
class UserKey:
    """An SSH key that opens whatever its user may open."""

    id: int
    user_id: int
    title: str
    key: str
    fingerprint: str
    created_at: str


@dataclass(frozen=True, slots=True, repr=False)
class Hook:
    """A webhook of a repository, made through the API of one dialect.

    `last_response` is GitHub's `{"code", "status", "message"}`; `options` is what only this dialect has.
    """

    id: int
    repository_id: int
    active: bool
    events: list[str]
    url: str
    content_type: str  # json or form
    insecure_ssl: bool
    secret: str
    created_at: str
    updated_at: str
    last_response: Json
    dialect: str
    options: Json


@dataclass(frozen=True, slots=True, repr=False)
class HookDelivery:
    """One request made to a webhook and what came back. `duration` is in seconds."""

    id: int
    guid: str
    hook_id: int
    event: str
    redelivery: bool
    delivered_at: str
    duration: float
    status: str
    status_code: int
    request_headers: Json
    request_payload: Json
    response_headers: Json
    response_body: str
    url: str


@dataclass(frozen=True, slots=True)
class Status:
    """A commit status."""

    id: int
    repository_id: int
    sha: str
    state: str
    context: str
    target_url: str | None
    description: str | None
    creator: str
    created_at: str
