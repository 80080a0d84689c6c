"""Where a ref stands now, asked of each kind of provider as its API is documented."""

import http.server
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from lambdas.common.errors import BadCredentials, FetchError, PermanentFailure, TemporaryFailure
from lambdas.common.https import tls_context
from lambdas.common.provider_secret import ProviderSecret
from lambdas.common.providers import PROVIDERS
from lambdas.common.queue import FetchRequest
from lambdas.zip_download.standing import ref_commit
from tests.lambdas.https_server import Server, respond, serving
from tests.lambdas.zip_download.test_fetch import settings_for

COMMIT, OTHER = "4f3c2e1d0b9a8f7e6d5c4b3a29181706f5e4d3c2", "b" * 40
BRANCH, TAG = "refs/heads/feature/ä#b", "refs/tags/v1"
GITHUB = ("/repos/acme/shop", "/commits/heads/feature/%C3%A4%23b?per_page=1", "/commits/tags/v1?per_page=1")
ASKED: dict[str, tuple[str, str, str]] = {
    "github": GITHUB,
    "github_enterprise": GITHUB,
    "gitlab": (
        "/projects/acme%2Fshop",
        "/repository/branches/feature%2F%C3%A4%23b",
        "/repository/tags/v1",
    ),
    "gitea": ("/repos/acme/shop", "/branches/feature/%C3%A4%23b", "/tags/v1"),
    "bitbucket_cloud": ("/repositories/acme/shop", "/refs/branches/feature/%C3%A4%23b", "/refs/tags/v1"),
    "bitbucket_server": (
        "/projects/acme/repos/shop",
        "/commits?until=refs%2Fheads%2Ffeature%2F%C3%A4%23b&limit=1",
        "/commits?until=refs%2Ftags%2Fv1&limit=1",
    ),
}
"""Of each kind: the path of its repository, and below that those of the branch and of the tag."""


def answer_of(kind: str, commit: str, *, tag: bool) -> dict[str, Any]:
    """What the kind answers of a ref at this commit, without what is of no interest here."""
    match kind:
        case "github" | "github_enterprise":
            return {"sha": commit, "files": []}
        case "gitlab":
            return {"name": "it", "commit": {"id": commit}}
        case "gitea":
            return {"name": "it", "commit": {"sha": commit} if tag else {"id": commit}}
        case "bitbucket_cloud":
            return {"name": "it", "target": {"hash": commit}}
    return {"values": [{"id": commit}], "isLastPage": False}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as made:
        yield made


def ask(kind: str, ref: str, server: Server, commit: str = COMMIT) -> str:
    server.requests.clear()
    request = FetchRequest("a", "acme/shop", ref, commit, "2026-11-23T10:00:00.000000Z", "zip_download")
    settings = replace(settings_for(server.url, server.ca_pem), provider_kind=kind)
    return ref_commit(request, settings=settings, secret=ProviderSecret(git_token="t"), tls=tls_context(server.ca_pem))


@pytest.mark.parametrize("kind", PROVIDERS)
@pytest.mark.parametrize("ref", [BRANCH, TAG])
def test_a_provider_says_where_a_ref_stands(kind: str, ref: str, server: Server) -> None:
    server.answer = respond(200, json.dumps(answer_of(kind, OTHER, tag=ref == TAG)).encode())

    found = ask(kind, ref, server, commit=OTHER)

    root, branch, tag = ASKED[kind]
    assert found == OTHER
    assert [path for path, _ in server.requests] == [root + (tag if ref == TAG else branch)]


@pytest.mark.parametrize("kind", PROVIDERS)
def test_a_ref_that_is_gone_is_told_from_a_repository_that_is_not_shown(kind: str, server: Server) -> None:
    root = ASKED[kind][0]

    def gone(request: http.server.BaseHTTPRequestHandler) -> None:
        respond(200 if request.path == root else 404, b"{}")(request)

    server.answer = gone
    assert ask(kind, BRANCH, server) == ""
    server.answer = respond(404, b"{}")
    with pytest.raises(PermanentFailure, match="may not read the repository"):
        ask(kind, BRANCH, server)


def test_an_annotated_tag_of_data_center_is_known_by_its_own_object(server: Server) -> None:
    server.answer = respond(200, json.dumps(answer_of("bitbucket_server", OTHER, tag=True)).encode())

    assert ask("bitbucket_server", TAG, server, commit=COMMIT) == COMMIT
    assert [path.partition("?")[2] for path, _ in server.requests] == [
        "until=refs%2Ftags%2Fv1&limit=1",
        f"until={COMMIT}&limit=1",
    ]


@pytest.mark.parametrize("kind", PROVIDERS)
@pytest.mark.parametrize(
    ("status", "body", "kind_of_failure"),
    [
        (401, b"{}", BadCredentials),
        (403, b"{}", PermanentFailure),
        (503, b"", TemporaryFailure),
        (200, b"{}", TemporaryFailure),
        (200, b"<html>", TemporaryFailure),
    ],
)
def test_what_a_provider_does_not_tell_is_no_answer(
    kind: str, status: int, body: bytes, kind_of_failure: type[FetchError], server: Server
) -> None:
    server.answer = respond(status, body)

    with pytest.raises(kind_of_failure, match="did not tell where refs/heads/feature/ä#b stands now"):
        ask(kind, BRANCH, server)
