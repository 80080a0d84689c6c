"""What the git host needs to know of a kind of provider to pass for one."""

import json
from abc import ABC, abstractmethod
from typing import ClassVar

from aiohttp import web

from sandbox.git_host.access import ApiError, Context
from sandbox.git_host.messages import Envelope, Message
from sandbox.git_host.pushes import Push
from sandbox.git_host.records import Hook, Json, Repository


class Dialect(ABC):
    """How one kind of provider answers calls of its API, and speaks to webhooks that were made through that API."""

    kind: ClassVar[str]
    """Kept with every webhook."""
    roots: ClassVar[tuple[str, ...]]
    """Where its API lies; errors below are worded as this kind words them."""

    def __init__(self, context: Context) -> None:
        self.context = context

    @abstractmethod
    def routes(self) -> list[web.RouteDef]:
        """What it answers, with full paths; the first that fits counts."""

    @abstractmethod
    def error(self, error: ApiError) -> Json:
        """The body of an answer that is an error."""

    @abstractmethod
    def messages(self, push: Push) -> list[Message]:
        """What webhooks are told of a push."""

    @abstractmethod
    def sign(self, envelope: Envelope, body: bytes) -> dict[str, str]:
        """The headers of a delivery, signatures among them."""

    def finish(self, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:  # noqa: ARG002
        """The answer with what all answers of this kind carry."""
        return response

    def wants(self, hook: Hook, message: Message) -> bool:
        """Whether the webhook asked for this."""
        return message.event in hook.events

    def encode(self, envelope: Envelope) -> bytes:
        """The body of a delivery."""
        return json.dumps(envelope.payload, ensure_ascii=False, separators=(",", ":")).encode()

    def send(self, repository: Repository, hook: Hook, message: Message) -> None:
        """Send something to one webhook, in the background."""
        self.context.webhooks.send(repository, hook, message, self)

    def hooks(self, repository: Repository) -> list[Hook]:
        """The repository's webhooks that speak this dialect, oldest first."""
        return [hook for hook in self.context.store.hooks(repository) if hook.dialect == self.kind]

    def hook(self, repository: Repository, hook_id: int) -> Hook | None:
        """One of these webhooks."""
        return next((hook for hook in self.hooks(repository) if hook.id == hook_id), None)
