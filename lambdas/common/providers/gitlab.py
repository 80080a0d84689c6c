"""Webhooks, archives and comparisons of GitLab, gitlab.com and self-managed.

https://docs.gitlab.com/user/project/integrations/webhook_events
https://docs.gitlab.com/user/project/integrations/webhooks#signing-tokens

A payload does not tell whether a push went only forward, so its list of files cannot tell what differs: a branch that
was set back to an older commit lists none of the files that this changed. So what differs is left to be found out.
"""

import time
from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlencode

from lambdas.common.errors import BadPayload, BadSignature
from lambdas.common.provider_secret import ProviderSecret
from lambdas.common.providers.archives import ArchiveRequest, git_basic
from lambdas.common.providers.base import Provider
from lambdas.common.providers.comparisons import Ask, NotTold, commit_at, file_name, records, standing
from lambdas.common.providers.webhooks import (
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
from lambdas.common.refs import Ref, RefKind
from lambdas.common.signatures import any_equal, standard_webhook_matches

SIGNING_TOKEN = "whsec_"  # noqa: S105 - the mark of a signing token, not one
"""Before the base64 of 32 bytes: https://gitlab.com/gitlab-org/gitlab/-/merge_requests/231325"""
TOLERANCE = 300
"""Seconds between a signature and our clock, as in the libraries of Standard Webhooks."""
_TOKEN, _EVENT = "x-gitlab-token", "x-gitlab-event"
_ID, _TIMESTAMP, _SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
_SENDERS = (("user_username",), ("user", "username"), ("user_name",), ("user", "name"))
"""Where it says who pushed: some events, and older versions, have no user name."""
_PUSHES = frozenset({"Push Hook", "Tag Push Hook"})


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str]) -> None:
    """Check the signature of GitLab 19.0 and later, or else the secret token. Raises BadSignature.

    A secret `whsec_...` is a signing token and is never accepted as a token; a request that is signed is never accepted
    for its token.
    """
    keys = [secret.removeprefix(SIGNING_TOKEN) for secret in secrets if secret.startswith(SIGNING_TOKEN)]
    tokens = [secret for secret in secrets if not secret.startswith(SIGNING_TOKEN)]
    if headers.get(_SIGNATURE, ""):
        _check_signature(headers, body, keys)
    elif keys and not tokens:
        raise BadSignature("The request is not signed (no webhook-signature): set the webhook's signing token")
    elif not headers.get(_TOKEN, ""):
        raise BadSignature("The request has no X-Gitlab-Token: set the webhook's secret token")
    elif not any_equal(tokens, headers[_TOKEN]):
        raise BadSignature("The X-Gitlab-Token does not match: the webhook's secret token is another one")


def _check_signature(headers: Mapping[str, str], body: bytes, keys: Sequence[str]) -> None:
    if not keys:
        raise BadSignature("The request is signed, and the stack has no signing token (whsec_...) to check it with")
    identity, timestamp = headers.get(_ID, ""), headers.get(_TIMESTAMP, "")
    message = f"{identity}.{timestamp}.".encode("utf-8", "replace") + body
    matched = False
    for key in keys:
        matched |= standard_webhook_matches(key, message, headers[_SIGNATURE])
    if not identity or not timestamp or not matched:
        raise BadSignature("The signature does not match: the signing token is another one, or the body was changed")
    # Only a signed timestamp is worth looking at.
    if not timestamp.isascii() or not timestamp.isdecimal() or abs(time.time() - int(timestamp[:15])) > TOLERANCE:
        raise BadSignature("The signature was made more than five minutes ago or ahead: see to GitLab's clock")


def parse(headers: Mapping[str, str], body: bytes) -> WebhookRequest:
    """Read any event; pushes of branches and tags have changes. GitLab has no ping. Raises BadPayload."""
    event = headers.get(_EVENT, "")
    if not event:
        raise BadPayload("There is no X-Gitlab-Event header")
    payload = load_object(body)
    repository = text_at(payload, "project", "path_with_namespace")
    sender = next(filter(None, (text_at(payload, *path) for path in _SENDERS)), "")
    changes = (_push(payload, repository, sender),) if event in _PUSHES else ()
    return WebhookRequest(event, WEBHOOKS.delivery_id(headers), repository, sender, changes=changes)


def _push(payload: Mapping[str, object], repository: str, sender: str) -> PushEvent:
    ref = valid_ref(repository, text_at(payload, "ref"))
    commit = object_id_at(payload, "after") or None
    if commit and ref.kind is RefKind.TAG and value_at(payload, "checkout_sha") is not None:
        # `after` of an annotated tag is the tag object, `checkout_sha` the commit.
        commit = object_id_at(payload, "checkout_sha") or commit
    head = next((each for each in list_at(payload, "commits") if commit and value_at(each, "id") == commit), None)
    return PushEvent(
        repository=repository,
        ref=ref.full,
        commit=commit,
        before=object_id_at(payload, "before"),
        sender=sender,
        author=text_at(head, "author", "name"),
        message=first_line(text_at(head, "message")),
        skip_ci=says_skip_ci(value_at(head, "message")),
    )


def archive(api_url: str, repository: str, commit: str, secret: ProviderSecret) -> ArchiveRequest:
    """https://docs.gitlab.com/api/repositories/#get-file-archive

    Personal, project and group access tokens: https://docs.gitlab.com/api/rest/authentication
    """
    return ArchiveRequest(
        url=f"{api_url}/projects/{quote(repository, safe='')}/repository/archive.zip?{urlencode({'sha': commit})}",
        credentials={"PRIVATE-TOKEN": secret.git_token} if secret.git_token else {},
    )


def changed_files(ask: Ask, repository: str, before: str, after: str) -> set[str]:
    """https://docs.gitlab.com/api/repositories/#compare-branches-tags-or-commits

    `straight` compares the two themselves, whatever lies between; `compare_timeout`, where it is there, says that files
    are left out.
    """
    path = f"/projects/{quote(repository, safe='')}/repository/compare"
    body = ask(path, {"from": before, "to": after, "straight": "true"})
    if body.get("compare_timeout"):
        raise NotTold("the comparison took GitLab too long")
    return {file_name(each, side) for each in records(body, "diffs") for side in ("old_path", "new_path")}


def ref_commit(ask: Ask, repository: str, ref: str, commit: str) -> str:  # noqa: ARG001 - as RefCommit has it
    """https://docs.gitlab.com/api/branches/#get-single-repository-branch, and the same of tags"""
    root, parsed = f"/projects/{quote(repository, safe='')}", Ref.parse(ref)
    part = "tags" if parsed.kind is RefKind.TAG else "branches"
    path = f"{root}/repository/{part}/{quote(parsed.name, safe='')}"
    return commit_at(standing(ask, path, {}, repository=root), "commit", "id")


def git_credentials(secret: ProviderSecret) -> dict[str, str]:
    """Access tokens go with any user name, deploy tokens with their own, `user:token`.

    https://docs.gitlab.com/user/project/settings/project_access_tokens and .../user/project/deploy_tokens
    """
    user, colon, token = secret.git_token.rpartition(":")
    return git_basic(user if colon else "oauth2", token)


WEBHOOKS = WebhookFormat(verify=verify, parse=parse, delivery_headers=(_ID, "idempotency-key", "x-gitlab-event-uuid"))
PROVIDER = Provider(
    webhooks=WEBHOOKS,
    archive=archive,
    changed_files=changed_files,
    ref_commit=ref_commit,
    git_credentials=git_credentials,
)
