"""What webhooks are told."""

from dataclasses import dataclass
from typing import Protocol

from sandbox.git_host.records import Hook, Json, Repository


@dataclass(frozen=True, slots=True)
class Message:
    """Something to tell webhooks: the event by the provider's own name, and its body."""

    event: str
    payload: Json


@dataclass(frozen=True, slots=True)
class Envelope:
    """One delivery on its way. `guid` is the same when it is sent again."""

    repository: Repository
    hook: Hook
    event: str
    guid: str
    payload: Json


class Writer(Protocol):
    """Puts an envelope into the form that one kind of provider sends."""

    def encode(self, envelope: Envelope) -> bytes:
        """The body."""

    def sign(self, envelope: Envelope, body: bytes) -> dict[str, str]:
        """The headers, signatures among them."""
