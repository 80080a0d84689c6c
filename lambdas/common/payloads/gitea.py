"""Webhooks of Gitea and Forgejo.

https://docs.gitea.com/usage/webhooks, https://forgejo.org/docs/latest/user/webhooks

They also send GitHub's and Gogs's headers; only their own are read. A payload does not tell whether a push went only
forward, and lists a few commits alone, so it cannot tell which files differ.
"""

from collections.abc import Mapping, Sequence

from lambdas.common.errors import BadPayload, BadSignature
from lambdas.common.payloads.base import (
    PushEvent,
    WebhookFormat,
    WebhookRequest,
    first_line,
    header,
    json_of,
    load_object,
    object_id_at,
    says_skip_ci,
    text_at,
    valid_ref,
    value_at,
)
from lambdas.common.refs import RefKind
from lambdas.common.signatures import check_hmac_sha256

_SIGNATURES = ("x-forgejo-signature", "x-gitea-signature")
_EVENTS = ("x-forgejo-event", "x-gitea-event")


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str]) -> None:
    """Check the HMAC-SHA256, in bare hex, over the JSON: of a form too, unlike GitHub. Raises BadSignature."""
    digest = header(headers, _SIGNATURES)
    if not digest:
        raise BadSignature("The request is not signed (no X-Gitea-Signature): set the webhook's secret")
    try:
        signed = json_of(headers, body)
    except BadPayload:
        signed = body
    check_hmac_sha256(secrets, signed.encode("utf-8", "replace") if isinstance(signed, str) else signed, digest)


def parse(headers: Mapping[str, str], body: bytes) -> WebhookRequest:
    """Read any event; only pushes have changes. There is no ping: a test delivery is a push. Raises BadPayload."""
    event = header(headers, _EVENTS)
    if not event:
        raise BadPayload("There is no X-Gitea-Event or X-Forgejo-Event header")
    payload = load_object(json_of(headers, body))
    repository = text_at(payload, "repository", "full_name")
    sender = text_at(payload, "sender", "login") or text_at(payload, "pusher", "login")
    changes = (_push(payload, repository, sender),) if event == "push" else ()
    return WebhookRequest(event, FORMAT.delivery_id(headers), repository, sender, changes=changes)


def _push(payload: Mapping[str, object], repository: str, sender: str) -> PushEvent:
    ref = valid_ref(repository, text_at(payload, "ref"))
    commit = object_id_at(payload, "after") or None
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
        skip_ci=says_skip_ci(value_at(payload, "head_commit", "message")),
    )


FORMAT = WebhookFormat(verify=verify, parse=parse, delivery_headers=("x-forgejo-delivery", "x-gitea-delivery"))
