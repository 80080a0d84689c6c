"""What a provider's webhook says, in our words."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lambdas.common.errors import BadPayload

MAX_TEXT = 1000
_OBJECT_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class PushEvent:
    """One ref that was moved, made or deleted."""

    repository: str
    """Full name, as the provider writes it."""
    ref: str
    """refs/heads/main, refs/tags/v1."""
    commit: str | None
    """The commit that the ref points at now; None: the ref was deleted."""
    before: str
    """The object that it pointed at; empty: the ref is new."""
    sender: str
    author: str = ""
    message: str = ""
    """First line of the commit's message."""
    forced: bool = False


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """A webhook request that was understood. Without changes it asks for nothing."""

    event: str
    """The provider's own name of the event."""
    delivery_id: str
    """As the provider sent it; empty if it sent none."""
    repository: str = ""
    sender: str = ""
    is_ping: bool = False
    changes: tuple[PushEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class WebhookFormat:
    """How one kind of provider signs and writes webhooks. Header names are lower-cased throughout."""

    verify: Callable[[Mapping[str, str], bytes, Sequence[str]], None]
    """(headers, raw body, valid secrets): raises BadSignature, always when there is no secret."""
    parse: Callable[[Mapping[str, str], bytes], WebhookRequest]
    """(headers, raw body): raises BadPayload."""
    delivery_header: str


def load_object(text: bytes | str) -> dict[str, Any]:
    """Parse a JSON object. Raises BadPayload, whatever the text."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise BadPayload("The body is not JSON") from None
    if not isinstance(document, dict):
        raise BadPayload("The body is not a JSON object")
    return document


def value_at(document: object, *path: str) -> object:
    """The value at a path of keys, or None if there is nothing there."""
    for key in path:
        if not isinstance(document, dict):
            return None
        document = document.get(key)
    return document


def text_at(document: object, *path: str) -> str:
    """The text at a path of keys, free of lone surrogates and capped; empty if there is none."""
    value = value_at(document, *path)
    return value.encode("utf-8", "replace").decode()[:MAX_TEXT] if isinstance(value, str) else ""


def object_id_at(document: object, *path: str) -> str:
    """The git object id (40 or 64 hex digits) at a path; empty for the null id. Raises BadPayload for other values."""
    value = text_at(document, *path)
    if not _OBJECT_ID.fullmatch(value):
        raise BadPayload(f"{'.'.join(path)} is not a git object id")
    return value if value.strip("0") else ""


def first_line(message: str) -> str:
    """The subject of a commit message."""
    return message.strip().partition("\n")[0].strip()
