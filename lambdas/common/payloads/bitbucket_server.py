"""Webhooks of Bitbucket Data Center.

https://confluence.atlassian.com/bitbucketserver/event-payload-938025882.html
https://confluence.atlassian.com/bitbucketserver/manage-webhooks-938025878.html
"""

from collections.abc import Mapping, Sequence

from lambdas.common.errors import BadPayload, BadSignature
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
from lambdas.common.refs import RefKind
from lambdas.common.signatures import check_hub_signature

_SIGNATURE, _EVENT, _DELIVERY = "x-hub-signature", "x-event-key", "x-request-id"
_PING = "diagnostics:ping"


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str]) -> None:
    """Check the HMAC-SHA256 over the raw body. Raises BadSignature, also for a test connection without signature."""
    signature = headers.get(_SIGNATURE, "")
    if not signature and headers.get(_EVENT, "") == _PING:
        raise BadSignature("Bitbucket reached this address; its test connection is not signed, so it proves no more")
    check_hub_signature("X-Hub-Signature", signature, secrets, body)


def parse(headers: Mapping[str, str], body: bytes) -> WebhookRequest:
    """Read any event; a push has one change for each ref. Raises BadPayload."""
    event, identity = headers.get(_EVENT, ""), FORMAT.delivery_id(headers)
    if not event:
        raise BadPayload("There is no X-Event-Key header")
    if event == _PING:  # {"test": true}, or nothing at all
        return WebhookRequest(event, identity, is_ping=True)
    payload = load_object(body)
    key, slug = text_at(payload, "repository", "project", "key"), text_at(payload, "repository", "slug")
    repository, sender = f"{key}/{slug}" if key and slug else "", text_at(payload, "actor", "name")
    changes: tuple[PushEvent, ...] = ()
    if event == "repo:refs_changed":
        changes = tuple(_change(each, payload, repository, sender) for each in list_at(payload, "changes"))
        if not changes:
            raise BadPayload("changes is not a list of changes")
    return WebhookRequest(event, identity, repository, sender, changes=changes)


def _change(change: object, payload: Mapping[str, object], repository: str, sender: str) -> PushEvent:
    ref = valid_ref(repository, text_at(change, "ref", "id"))
    commit = object_id_at(change, "toHash") or None
    if text_at(change, "type") == "DELETE":
        commit = None
    head = _head(payload, commit)
    if head is None and ref.kind is RefKind.TAG and len(list_at(payload, "changes")) == 1:
        # `toHash` of an annotated tag is the tag object, `toCommit` the commit.
        head = value_at(payload, "toCommit")
        if commit and value_at(head, "id") is not None:
            commit = object_id_at(head, "id") or commit
    return PushEvent(
        repository=repository,
        ref=ref.full,
        commit=commit,
        before=object_id_at(change, "fromHash"),
        sender=sender,
        author=text_at(head, "author", "displayName") or text_at(head, "author", "name"),
        message=first_line(text_at(head, "message")),
        skip_ci=says_skip_ci(value_at(head, "message")),
    )


def _head(payload: Mapping[str, object], commit: str | None) -> object:
    """What the payload says of a commit: `toCommit` and `commits` are there in recent versions only."""
    known = [value_at(payload, "toCommit"), *list_at(payload, "commits")]
    return next((each for each in known if commit and value_at(each, "id") == commit), None)


FORMAT = WebhookFormat(verify=verify, parse=parse, delivery_headers=(_DELIVERY,))
