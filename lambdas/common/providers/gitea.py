"""Webhooks, archives and comparisons of Gitea and Forgejo.

https://docs.gitea.com/usage/webhooks, https://forgejo.org/docs/latest/user/webhooks

They also send GitHub's and Gogs's headers; only their own are read. A payload does not tell whether a push went only
forward, and lists a few commits alone, so it cannot tell which files differ.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

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
    header,
    json_of,
    load_object,
    object_id_at,
    says_skip_ci,
    text_at,
    valid_ref,
    value_at,
)
from lambdas.common.refs import Ref, RefKind
from lambdas.common.signatures import check_hmac_sha256

_SIGNATURES = ("x-forgejo-signature", "x-gitea-signature")
_EVENTS = ("x-forgejo-event", "x-gitea-event")


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str]) -> None:
    """Check the HMAC-SHA256, in bare hex, over the JSON: of a form too, unlike GitHub. Raises BadSignature."""
    digest = header(headers, _SIGNATURES)
    if not digest:
        raise BadSignature("The request is not signed (no X-Gitea-Signature): set the webhook's secret")
    check_hmac_sha256(secrets, signed(headers, body), digest)


def signed(headers: Mapping[str, str], body: bytes) -> bytes:
    """The JSON that is signed, of a form too."""
    try:
        text = json_of(headers, body)
    except BadPayload:
        return body
    return text.encode("utf-8", "replace") if isinstance(text, str) else text


def parse(headers: Mapping[str, str], body: bytes) -> WebhookRequest:
    """Read any event; only pushes have changes. There is no ping: a test delivery is a push. Raises BadPayload."""
    event = header(headers, _EVENTS)
    if not event:
        raise BadPayload("There is no X-Gitea-Event or X-Forgejo-Event header")
    payload = load_object(json_of(headers, body))
    repository = text_at(payload, "repository", "full_name")
    sender = text_at(payload, "sender", "login") or text_at(payload, "pusher", "login")
    changes = (_push(payload, repository, sender),) if event == "push" else ()
    return WebhookRequest(event, WEBHOOKS.delivery_id(headers), repository, sender, changes=changes)


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


def archive(api_url: str, repository: str, commit: str, secret: ProviderSecret) -> ArchiveRequest:
    """https://docs.gitea.com/api: GET /repos/{owner}/{repo}/archive/{archive}

    Its entries lie in a folder of the repository's name, unless the server has `PREFIX_ARCHIVE_FILES = false`:
    https://docs.gitea.com/administration/config-cheat-sheet#repository-repository
    """
    return ArchiveRequest(
        url=f"{api_url}/repos/{quote(repository)}/archive/{quote(commit, safe='')}.zip",
        credentials={"Authorization": f"token {secret.git_token}"} if secret.git_token else {},
        folder=repository.rpartition("/")[2],
    )


def changed_files(ask: Ask, repository: str, before: str, after: str) -> set[str]:
    """https://docs.gitea.com/api/#tag/repository/operation/repoCompareDiff

    It lists the files of each commit that only `after` has. That is all that changed if `before` has none that `after`
    has not.
    """
    added, dropped = (
        ask(f"/repos/{quote(repository)}/compare/{span}", {"verification": "false"})
        for span in (f"{before}...{after}", f"{after}...{before}")
    )
    if dropped.get("total_commits") != 0:
        raise NotTold("the history was rewritten")
    commits = records(added, "commits") if added.get("commits") else []
    if added.get("total_commits") != len(commits):
        raise NotTold("it does not list all commits")
    if not all(commit.get("files") for commit in commits):  # it leaves out changes of a file's type
        raise NotTold("it does not list the files of each commit")
    return {file_name(each, "filename") for commit in commits for each in records(commit, "files")}


def ref_commit(ask: Ask, repository: str, ref: str, commit: str) -> str:  # noqa: ARG001 - as RefCommit has it
    """https://docs.gitea.com/api/#tag/repository: repoGetBranch and repoGetTag"""
    root, parsed = f"/repos/{quote(repository)}", Ref.parse(ref)
    if parsed.kind is RefKind.TAG:
        return commit_at(standing(ask, f"{root}/tags/{quote(parsed.name)}", {}, repository=root), "commit", "sha")
    return commit_at(standing(ask, f"{root}/branches/{quote(parsed.name)}", {}, repository=root), "commit", "id")


def git_credentials(secret: ProviderSecret) -> dict[str, str]:
    """As the password, a token is taken after any user name: services/auth/basic.go of go-gitea/gitea."""
    return git_basic("sluice", secret.git_token)


WEBHOOKS = WebhookFormat(
    verify=verify, parse=parse, delivery_headers=("x-forgejo-delivery", "x-gitea-delivery"), signed=signed
)
PROVIDER = Provider(
    webhooks=WEBHOOKS,
    archive=archive,
    changed_files=changed_files,
    ref_commit=ref_commit,
    git_credentials=git_credentials,
)
