"""Webhooks, archives and comparisons of Bitbucket Data Center.

https://confluence.atlassian.com/bitbucketserver/event-payload-938025882.html
https://confluence.atlassian.com/bitbucketserver/manage-webhooks-938025878.html
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from lambdas.common.errors import BadPayload, BadSignature
from lambdas.common.provider_secret import ProviderSecret
from lambdas.common.providers.archives import ArchiveRequest, basic_or_bearer
from lambdas.common.providers.base import Provider
from lambdas.common.providers.comparisons import PAGES, Ask, NotTold, commit_at, file_name, records, standing
from lambdas.common.providers.webhooks import (
    PushEvent,
    WebhookFormat,
    WebhookRequest,
    first_line,
    list_at,
    load_object,
    object_id_at,
    pushed,
    says_skip_ci,
    text_at,
    valid_ref,
    value_at,
)
from lambdas.common.refs import Ref, RefKind
from lambdas.common.signatures import check_hub_signature

MOST_CHANGES = 1000
"""Files that Bitbucket lists of a comparison, as it is set up at first."""
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
    event, identity = headers.get(_EVENT, ""), WEBHOOKS.delivery_id(headers)
    if not event:
        raise BadPayload("There is no X-Event-Key header")
    if event == _PING:  # {"test": true}, or nothing at all
        return WebhookRequest(event, identity, is_ping=True)
    payload = load_object(body)
    key, slug = text_at(payload, "repository", "project", "key"), text_at(payload, "repository", "slug")
    repository, sender = f"{key}/{slug}" if key and slug else "", text_at(payload, "actor", "name")
    changes: tuple[PushEvent, ...] = ()
    is_push = event == "repo:refs_changed"
    if is_push:
        # A push may list no changes; one without a repository is no push.
        if not repository:
            raise BadPayload("There is no repository")
        listed = pushed(payload, "changes", parts=("ref", "fromHash", "toHash"))
        changes = tuple(_change(each, payload, repository, sender) for each in listed)
    return WebhookRequest(event, identity, repository, sender, is_push=is_push, changes=changes)


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


def archive(api_url: str, repository: str, commit: str, secret: ProviderSecret) -> ArchiveRequest:
    """https://developer.atlassian.com/server/bitbucket/rest/v906/api-group-repository: stream archive.

    Its entries lie in no folder unless one is asked for.
    """
    return ArchiveRequest(
        url=f"{api_url}{_path(repository)}/archive?" + urlencode({"at": commit, "format": "zip", "prefix": "archive/"}),
        credentials=basic_or_bearer(secret.git_token),
    )


def changed_files(ask: Ask, repository: str, before: str, after: str) -> set[str]:
    """https://developer.atlassian.com/server/bitbucket/rest/v906/api-group-repository: get changes in commits

    It lists MOST_CHANGES at most (page.max.changes).
    """
    changes: list[dict[str, Any]] = []
    start = 0
    for _ in range(PAGES):
        params = {"since": before, "until": after, "limit": "100", "start": str(start)}
        body = ask(f"{_path(repository)}/changes", params)
        changes += records(body, "values")
        if body.get("isLastPage") is not False:
            break
        following = body.get("nextPageStart")
        if not isinstance(following, int) or following <= start:
            raise NotTold("its pages do not follow one another")
        start = following
    else:
        raise NotTold(f"there are more than {PAGES} pages of them")
    if len(changes) >= MOST_CHANGES:
        raise NotTold(f"it lists {MOST_CHANGES} files at most")
    # `srcPath` is where a moved file, or the original of a copied one, was; `toString` is the whole path.
    sides = [(each, side) for each in changes for side in ("path", "srcPath") if each.get(side) is not None]
    return {file_name(each, side, "toString") for each, side in sides}


def _path(repository: str) -> str:
    key, _, slug = repository.partition("/")
    return f"/projects/{quote(key)}/repos/{quote(slug)}"


def ref_commit(ask: Ask, repository: str, ref: str, commit: str) -> str:
    """https://developer.atlassian.com/server/bitbucket/rest/v906/api-group-repository: get commits

    Where a push moves several refs, the webhook tells the object of an annotated tag and not its commit.
    """
    now = _newest(ask, repository, ref)
    is_tag = Ref.parse(ref).kind is RefKind.TAG
    return commit if is_tag and now and now != commit and _newest(ask, repository, commit) == now else now


def _newest(ask: Ask, repository: str, until: str) -> str:
    found = standing(ask, f"{_path(repository)}/commits", {"until": until, "limit": "1"}, repository=_path(repository))
    commits = [] if found is None else records(found, "values")
    return commit_at(commits[0], "id") if commits else ""


def git_credentials(secret: ProviderSecret) -> dict[str, str]:
    """https://confluence.atlassian.com/bitbucketserver/http-access-tokens-939515499.html: Bearer for git, too."""
    return basic_or_bearer(secret.git_token)


WEBHOOKS = WebhookFormat(verify=verify, parse=parse, delivery_headers=(_DELIVERY,))
PROVIDER = Provider(
    webhooks=WEBHOOKS,
    archive=archive,
    changed_files=changed_files,
    ref_commit=ref_commit,
    git_credentials=git_credentials,
)
