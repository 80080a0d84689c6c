"""Webhooks of GitHub and GitHub Enterprise Server.

https://docs.github.com/en/webhooks/webhook-events-and-payloads
https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
"""

from collections.abc import Mapping, Sequence

from lambdas.common.errors import BadPayload
from lambdas.common.payloads.base import (
    PushEvent,
    WebhookFormat,
    WebhookRequest,
    first_line,
    json_of,
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

MAX_COMMITS, MAX_FILES = 2048, 3000
"""GitHub lists no more commits of a push, and no more files of a commit; at these counts something may be missing."""
_SIGNATURE, _EVENT, _DELIVERY = "x-hub-signature-256", "x-github-event", "x-github-delivery"


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str]) -> None:
    """Check the HMAC-SHA256 over the raw body, form-encoded or not. Raises BadSignature."""
    check_hub_signature("X-Hub-Signature-256", headers.get(_SIGNATURE, ""), secrets, body)


def parse(headers: Mapping[str, str], body: bytes) -> WebhookRequest:
    """Read any event; only pushes have changes. Raises BadPayload."""
    event = headers.get(_EVENT, "")
    if not event:
        raise BadPayload("There is no X-GitHub-Event header")
    payload = load_object(json_of(headers, body))
    repository, sender = text_at(payload, "repository", "full_name"), text_at(payload, "sender", "login")
    changes = (_push(payload, repository, sender),) if event == "push" else ()
    return WebhookRequest(
        event, FORMAT.delivery_id(headers), repository, sender, is_ping=event == "ping", changes=changes
    )


def _push(payload: Mapping[str, object], repository: str, sender: str) -> PushEvent:
    ref = valid_ref(repository, text_at(payload, "ref"))
    commit = object_id_at(payload, "after") or None
    if value_at(payload, "deleted") is True:
        commit = None
    if commit and ref.kind is RefKind.TAG and value_at(payload, "head_commit", "id") is not None:
        # `after` of an annotated tag is the tag object; what is fetched and shown is the commit.
        commit = object_id_at(payload, "head_commit", "id") or commit
    before, forced = object_id_at(payload, "before"), value_at(payload, "forced") is True
    return PushEvent(
        repository=repository,
        ref=ref.full,
        commit=commit,
        before=before,
        sender=sender,
        author=text_at(payload, "head_commit", "author", "name"),
        message=first_line(text_at(payload, "head_commit", "message")),
        forced=forced,
        skip_ci=says_skip_ci(value_at(payload, "head_commit", "message")),
        files=_files(payload) if before and commit and not forced else None,
    )


def _files(payload: Mapping[str, object]) -> tuple[str, ...] | None:
    """The files of all commits of a push that only went forward; None if the list may lack some.

    A commit without any file is a merge that the list leaves out, or one too large for GitHub to look through.
    """
    commits = list_at(payload, "commits")
    if not commits or len(commits) >= MAX_COMMITS:
        return None
    found: set[str] = set()
    for commit in commits:
        lists = [list_at(commit, name) for name in ("added", "modified", "removed")]
        names = [name for each in lists for name in each]
        if not names or len(names) >= MAX_FILES or not all(isinstance(name, str) for name in names):
            return None
        found.update(str(name) for name in names)
    return tuple(sorted(found))


FORMAT = WebhookFormat(verify=verify, parse=parse, delivery_headers=(_DELIVERY,))
