"""Webhooks, archives and comparisons of GitHub and GitHub Enterprise Server.

https://docs.github.com/en/webhooks/webhook-events-and-payloads
https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
"""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from lambdas.common.errors import BadPayload
from lambdas.common.provider_secret import ProviderSecret
from lambdas.common.providers.archives import ArchiveRequest, bearer, git_basic
from lambdas.common.providers.base import Provider
from lambdas.common.providers.comparisons import Ask, NotTold, commit_at, file_name, records, standing
from lambdas.common.providers.webhooks import (
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
MOST_FILES = 300
"""That a comparison of two commits lists."""
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
        event, WEBHOOKS.delivery_id(headers), repository, sender, is_ping=event == "ping", changes=changes
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


def archive(api_url: str, repository: str, commit: str, secret: ProviderSecret) -> ArchiveRequest:
    """https://docs.github.com/en/rest/repos/contents#download-a-repository-archive-zip"""
    return ArchiveRequest(
        url=f"{api_url}/repos/{quote(repository)}/zipball/{quote(commit, safe='')}",
        headers={"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"},
        credentials=bearer(secret.git_token),
    )


def changed_files(ask: Ask, repository: str, before: str, after: str) -> set[str]:
    """https://docs.github.com/en/rest/commits/commits#compare-two-commits

    The files are on the first page, at most MOST_FILES, and differ from where the two parted, which is `before` only
    if nothing was rewritten.
    """
    body = ask(f"/repos/{quote(repository)}/compare/{before}...{after}", {})
    if body.get("status") not in {"ahead", "identical"}:
        raise NotTold("the history was rewritten")
    files = records(body, "files")
    if len(files) >= MOST_FILES:
        raise NotTold(f"it lists {MOST_FILES} files at most")
    renamed = {file_name(each, "previous_filename") for each in files if "previous_filename" in each}
    return {file_name(each, "filename") for each in files} | renamed


def ref_commit(ask: Ask, repository: str, ref: str, commit: str) -> str:  # noqa: ARG001 - as RefCommit has it
    """https://docs.github.com/en/rest/commits/commits#get-a-commit: of heads/<branch> and tags/<tag>

    `per_page` is of the commit's files, which are not needed.
    """
    root = f"/repos/{quote(repository)}"
    path = f"{root}/commits/{quote(ref.removeprefix('refs/'))}"
    return commit_at(standing(ask, path, {"per_page": "1"}, repository=root), "sha")


def git_credentials(secret: ProviderSecret) -> dict[str, str]:
    """https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app: HTTP-based Git access"""
    return git_basic("x-access-token", secret.git_token)


WEBHOOKS = WebhookFormat(verify=verify, parse=parse, delivery_headers=(_DELIVERY,))
PROVIDER = Provider(
    webhooks=WEBHOOKS,
    archive=archive,
    changed_files=changed_files,
    ref_commit=ref_commit,
    git_credentials=git_credentials,
)
