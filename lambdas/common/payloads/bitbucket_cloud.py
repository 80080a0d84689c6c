"""Webhooks of Bitbucket Cloud.

https://support.atlassian.com/bitbucket-cloud/docs/event-payloads
https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks
"""

from collections.abc import Mapping, Sequence

from lambdas.common.errors import BadPayload
from lambdas.common.payloads.base import (
    PushEvent,
    WebhookFormat,
    WebhookRequest,
    first_line,
    list_at,
    load_object,
    object_id_at,
    says_skip_ci,
    text_at,
    valid_ref,
    value_at,
)
from lambdas.common.refs import BRANCH_PREFIX, TAG_PREFIX
from lambdas.common.signatures import check_hub_signature

_SIGNATURE, _EVENT, _DELIVERY = "x-hub-signature", "x-event-key", "x-request-uuid"
_PREFIXES = {"branch": BRANCH_PREFIX, "tag": TAG_PREFIX, "annotated_tag": TAG_PREFIX}


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str]) -> None:
    """Check the HMAC-SHA256 over the raw body. Raises BadSignature."""
    check_hub_signature("X-Hub-Signature", headers.get(_SIGNATURE, ""), secrets, body)


def parse(headers: Mapping[str, str], body: bytes) -> WebhookRequest:
    """Read any event; a push has one change for each ref. Bitbucket has no ping. Raises BadPayload."""
    event = headers.get(_EVENT, "")
    if not event:
        raise BadPayload("There is no X-Event-Key header")
    payload = load_object(body)
    repository = text_at(payload, "repository", "full_name")
    sender = text_at(payload, "actor", "nickname") or text_at(payload, "actor", "display_name")
    changes: tuple[PushEvent, ...] = ()
    if event == "repo:push":
        changes = tuple(_change(each, repository, sender) for each in list_at(payload, "push", "changes"))
        if not changes:
            raise BadPayload("push.changes is not a list of changes")
    return WebhookRequest(event, FORMAT.delivery_id(headers), repository, sender, changes=changes)


def _change(change: object, repository: str, sender: str) -> PushEvent:
    new, old = value_at(change, "new"), value_at(change, "old")
    state = new if new is not None else old
    kind = text_at(state, "type")
    ref = valid_ref(repository, _PREFIXES.get(kind, f"refs/{kind}/") + text_at(state, "name"))
    return PushEvent(
        repository=repository,
        ref=ref.full,
        commit=object_id_at(new, "target", "hash") or None if new is not None else None,
        before=object_id_at(old, "target", "hash") if old is not None else "",
        sender=sender,
        author=_author(value_at(new, "target", "author")),
        message=first_line(text_at(new, "target", "message")),
        forced=value_at(change, "forced") is True,
        skip_ci=says_skip_ci(value_at(new, "target", "message")),
    )


def _author(author: object) -> str:
    """The author's name: of the account, or as written in the commit (`Ada <ada@example.com>`)."""
    return text_at(author, "user", "display_name") or text_at(author, "raw").partition("<")[0].strip()


FORMAT = WebhookFormat(verify=verify, parse=parse, delivery_headers=(_DELIVERY,))
