"""What a provider's webhook says, in our words."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from lambdas.common.errors import BadPayload, InvalidName
from lambdas.common.keys import check_full_name
from lambdas.common.refs import Ref

MAX_TEXT = 1000
_SKIP_CI = re.compile(r"\[(skip ci|ci skip)\]", re.IGNORECASE)
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
    skip_ci: bool = False
    """The commit's message says [skip ci] or [ci skip]. False too if the payload does not have the message."""
    files: tuple[str, ...] | None = None
    """Every file that differs between `before` and `commit`; None: the payload does not say, or may not say all."""


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
    is_push: bool = False
    """Whether it is the event of a push, though it may list no change."""
    changes: tuple[PushEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class WebhookFormat:
    """How one kind of provider signs and writes webhooks. Header names are lower-cased throughout."""

    verify: Callable[[Mapping[str, str], bytes, Sequence[str]], None]
    """(headers, raw body, valid secrets): raises BadSignature, always when there is no secret."""
    parse: Callable[[Mapping[str, str], bytes], WebhookRequest]
    """(headers, raw body): raises BadPayload."""
    delivery_headers: tuple[str, ...]
    """Where a delivery's id is: the first that is there."""
    signed: Callable[[Mapping[str, str], bytes], bytes] = lambda headers, body: body  # noqa: ARG005
    """(headers, raw body) -> what of it the signature covers: the same push in another wrapping is the same."""

    def delivery_id(self, headers: Mapping[str, str]) -> str:
        """The id that the provider gave the delivery; empty if it gave none."""
        return header(headers, self.delivery_headers)


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


def list_at(document: object, *path: str) -> list[object]:
    """The list at a path of keys; empty if there is none."""
    value = value_at(document, *path)
    return value if isinstance(value, list) else []


def pushed(document: object, *path: str, parts: Sequence[str]) -> list[object]:
    """The changes that a push lists, without empty ones: those that say nothing in any of `parts`.

    Providers send pushes that change nothing, such as of a ref that moved twice meanwhile. Raises BadPayload for what
    is no list.
    """
    value = value_at(document, *path)
    if value is not None and not isinstance(value, list):
        raise BadPayload(f"{'.'.join(path)} is not a list of changes")
    return [each for each in value or [] if any(value_at(each, part) for part in parts)]


def header(headers: Mapping[str, str], names: Sequence[str]) -> str:
    """The first of these headers that is there and not empty, or else empty text."""
    return next((value for name in names if (value := headers.get(name, ""))), "")


def says_skip_ci(message: object) -> bool:
    """Whether a commit's message asks for no builds."""
    return isinstance(message, str) and _SKIP_CI.search(message) is not None


def valid_ref(repository: str, ref: str) -> Ref:
    """The ref of a push, if its name and its repository's are names. Raises BadPayload."""
    try:
        check_full_name(repository)
        return Ref.parse(ref)
    except InvalidName as error:
        raise BadPayload(str(error)) from None


def json_of(headers: Mapping[str, str], body: bytes) -> bytes | str:
    """The JSON in a body that may be a form with the field `payload`. Raises BadPayload."""
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        return body
    try:
        fields = parse_qs(body.decode(), max_num_fields=10)
    except ValueError:
        raise BadPayload("The body is not a form") from None
    if "payload" not in fields:
        raise BadPayload("The form has no field called payload")
    return fields["payload"][0]


def first_line(message: str) -> str:
    """The subject of a commit message."""
    return message.strip().partition("\n")[0].strip()
