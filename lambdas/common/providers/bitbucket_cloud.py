"""Webhooks, archives and comparisons of Bitbucket Cloud.

https://support.atlassian.com/bitbucket-cloud/docs/event-payloads
https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks
"""

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, quote, urlsplit

from lambdas.common.errors import BadPayload
from lambdas.common.provider_secret import ProviderSecret
from lambdas.common.providers.archives import ArchiveRequest, Consumer, basic_or_bearer, git_basic
from lambdas.common.providers.base import Provider
from lambdas.common.providers.comparisons import PAGES, Ask, NotTold, commit_at, file_name, records, standing
from lambdas.common.providers.webhooks import (
    PushEvent,
    WebhookFormat,
    WebhookRequest,
    first_line,
    load_object,
    object_id_at,
    pushed,
    says_skip_ci,
    text_at,
    valid_ref,
    value_at,
)
from lambdas.common.refs import BRANCH_PREFIX, TAG_PREFIX, Ref, RefKind
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
    is_push = event == "repo:push"
    if is_push:
        # A push may list no changes; one without a repository is no push.
        if not repository:
            raise BadPayload("There is no repository")
        listed = pushed(payload, "push", "changes", parts=("new", "old"))
        changes = tuple(_change(each, repository, sender) for each in listed)
    identity = WEBHOOKS.delivery_id(headers)
    return WebhookRequest(event, identity, repository, sender, is_push=is_push, changes=changes)


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


def archive(api_url: str, repository: str, commit: str, secret: ProviderSecret) -> ArchiveRequest:
    """Archives and tokens are had of bitbucket.org itself, not of api.bitbucket.org.

    https://support.atlassian.com/bitbucket-cloud/kb/how-to-download-repositories-using-the-api
    https://developer.atlassian.com/cloud/bitbucket/oauth-2
    """
    return ArchiveRequest(
        url=f"{_site(api_url)}/{quote(repository)}/get/{quote(commit, safe='')}.zip",
        credentials=basic_or_bearer(secret.git_token),
        consumer=consumer(api_url, secret),
    )


def _site(api_url: str) -> str:
    parts = urlsplit(api_url)
    return f"{parts.scheme}://{parts.netloc.removeprefix('api.')}"


def consumer(api_url: str, secret: ProviderSecret) -> Consumer | None:
    """https://developer.atlassian.com/cloud/bitbucket/oauth-2"""
    if secret.git_token or not secret.oauth_key or not secret.oauth_secret:
        return None
    return Consumer(f"{_site(api_url)}/site/oauth2/access_token", secret.oauth_key, secret.oauth_secret)


def changed_files(ask: Ask, repository: str, before: str, after: str) -> set[str]:
    """https://developer.atlassian.com/cloud/bitbucket/rest/api-group-commits/: diffstat

    The other way round than with git diff; `topic` false compares the two commits and no merge base.
    """
    found: set[str] = set()
    params = {"topic": "false", "pagelen": "500"}
    for _ in range(PAGES):
        body = ask(f"/repositories/{quote(repository)}/diffstat/{after}..{before}", params)
        for each in records(body, "values"):
            found |= {file_name(each, side, "path") for side in ("old", "new") if each.get(side) is not None}
        following = text_at(body, "next")
        if not following:
            return found
        # https://developer.atlassian.com/cloud/bitbucket/rest/intro/#pagination: what it says, of the same list.
        params = dict(parse_qsl(urlsplit(following).query))
    raise NotTold(f"there are more than {PAGES} pages of them")


def ref_commit(ask: Ask, repository: str, ref: str, commit: str) -> str:  # noqa: ARG001 - as RefCommit has it
    """https://developer.atlassian.com/cloud/bitbucket/rest/api-group-refs/: slashes in a name stay as they are."""
    root, parsed = f"/repositories/{quote(repository)}", Ref.parse(ref)
    part = "tags" if parsed.kind is RefKind.TAG else "branches"
    path = f"{root}/refs/{part}/{quote(parsed.name)}"
    return commit_at(standing(ask, path, {}, repository=root), "target", "hash")


def git_credentials(secret: ProviderSecret) -> dict[str, str]:
    """API tokens (`email:token`) and access tokens have a user name of their own each.

    https://support.atlassian.com/bitbucket-cloud/docs/using-api-tokens and .../using-repository-access-tokens
    """
    _, colon, token = secret.git_token.rpartition(":")
    return git_basic("x-bitbucket-api-token-auth" if colon else "x-token-auth", token)


WEBHOOKS = WebhookFormat(verify=verify, parse=parse, delivery_headers=(_DELIVERY,))
PROVIDER = Provider(
    webhooks=WEBHOOKS,
    archive=archive,
    changed_files=changed_files,
    ref_commit=ref_commit,
    git_credentials=git_credentials,
    consumer=consumer,
)
