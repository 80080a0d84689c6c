"""Webhooks of GitHub and GitHub Enterprise Server.

https://docs.github.com/en/webhooks/webhook-events-and-payloads
https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
"""

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs

from lambdas.common.errors import BadPayload, BadSignature, InvalidName
from lambdas.common.keys import check_full_name
from lambdas.common.payloads.base import (
    PushEvent,
    WebhookFormat,
    WebhookRequest,
    first_line,
    load_object,
    object_id_at,
    text_at,
    value_at,
)
from lambdas.common.refs import Ref, RefKind
from lambdas.common.signatures import hmac_sha256_matches

_SIGNATURE, _EVENT, _DELIVERY = "x-hub-signature-256", "x-github-event", "x-github-delivery"


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str]) -> None:
    """Check the HMAC-SHA256 over the raw body, form-encoded or not. Raises BadSignature."""
    scheme, _, digest = headers.get(_SIGNATURE, "").partition("=")
    if not digest:
        raise BadSignature("The request is not signed (no X-Hub-Signature-256): set the webhook's secret")
    if scheme != "sha256" or not hmac_sha256_matches(secrets, body, digest):
        raise BadSignature("The signature does not match: the webhook's secret is another one, or the body was changed")


def parse(headers: Mapping[str, str], body: bytes) -> WebhookRequest:
    """Read any event; only pushes have changes. Raises BadPayload."""
    event, delivery_id = headers.get(_EVENT, ""), headers.get(_DELIVERY, "")
    if not event:
        raise BadPayload("There is no X-GitHub-Event header")
    payload = load_object(_document(headers, body))
    repository, sender = text_at(payload, "repository", "full_name"), text_at(payload, "sender", "login")
    changes = (_push(payload, repository, sender),) if event == "push" else ()
    return WebhookRequest(event, delivery_id, repository, sender, is_ping=event == "ping", changes=changes)


def _document(headers: Mapping[str, str], body: bytes) -> bytes | str:
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        return body
    try:
        fields = parse_qs(body.decode(), max_num_fields=10)
    except ValueError:
        raise BadPayload("The body is not a form") from None
    if "payload" not in fields:
        raise BadPayload("The form has no field called payload")
    return fields["payload"][0]


def _push(payload: Mapping[str, object], repository: str, sender: str) -> PushEvent:
    try:
        check_full_name(repository)
        ref = Ref.parse(text_at(payload, "ref"))
    except InvalidName as error:
        raise BadPayload(str(error)) from None
    commit = object_id_at(payload, "after") or None
    if value_at(payload, "deleted") is True:
        commit = None
    if commit and ref.kind is RefKind.TAG and value_at(payload, "head_commit", "id") is not None:
        # `after` of an annotated tag is the tag object; what is fetched and shown is the commit.
        commit = object_id_at(payload, "head_commit", "id") or commit
    return PushEvent(
        repository=repository,
        ref=ref.full,
        commit=commit,
        before=object_id_at(payload, "before"),
        sender=sender,
        author=text_at(payload, "head_commit", "author", "name"),
        message=first_line(text_at(payload, "head_commit", "message")),
        forced=value_at(payload, "forced") is True,
    )


FORMAT = WebhookFormat(verify=verify, parse=parse, delivery_header=_DELIVERY)
