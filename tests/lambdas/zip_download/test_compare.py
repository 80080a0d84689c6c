"""Which files a push changes, asked of the provider before its archive: `fixtures/<kind>/comparisons/<case>.json`.

A case holds what is asked, word for word, what the provider answers, after its documentation, and what comes of it.
"""

import http.server
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest

from lambdas.common.artifacts import StoredArtifact
from lambdas.common.errors import NotWanted
from lambdas.common.https import tls_context
from lambdas.common.paths import PathFilter
from lambdas.common.provider_secret import ProviderSecret
from lambdas.common.providers import PROVIDERS
from lambdas.common.providers.archives import ArchiveRequest
from lambdas.common.providers.comparisons import NotTold
from lambdas.zip_download import compare
from lambdas.zip_download import fetch as zip_download
from lambdas.zip_download.settings import Settings
from tests.lambdas.conftest import GitRepository, Stack, make_job, versions_of
from tests.lambdas.https_server import Server, respond, serving
from tests.lambdas.webhooks import FIXTURES
from tests.lambdas.zip_download.test_fetch import settings_for, zip_of

BEFORE, COMMIT = "b" * 40, "4f3c2e1d0b9a8f7e6d5c4b3a29181706f5e4d3c2"
TOKEN = ProviderSecret(git_token="a-token")


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with serving() as made:
        yield made


@pytest.fixture
def server(running: Server) -> Server:
    running.requests.clear()
    return running


def cases_of(kind: str) -> list[Path]:
    """Those of the kind, or of one that answers as it does."""
    same = [each for each in PROVIDERS if PROVIDERS[each] is PROVIDERS[kind]]
    return sorted(path for each in same for path in (FIXTURES / each / "comparisons").glob("*.json"))


def cases() -> list[Any]:
    return [pytest.param(kind, path, id=f"{kind}-{path.stem}") for kind in PROVIDERS for path in cases_of(kind)]


def test_every_kind_has_a_case_that_is_told_one_that_is_cut_and_one_that_is_gone() -> None:
    for kind in PROVIDERS:
        assert {"files", "truncated", "gone"} <= {path.stem for path in cases_of(kind)}


@pytest.mark.parametrize(("kind", "path"), cases())
def test_what_a_provider_tells_of_two_commits(kind: str, path: Path, server: Server) -> None:
    case = json.loads(path.read_text())
    told = {each["path"]: (each["status"], json.dumps(each["answer"]).encode()) for each in case["asked"]}
    server.answer = lambda request: respond(*told[request.path])(request)
    request = PROVIDERS[kind].archive(server.url, "acme/shop", COMMIT, TOKEN)
    ask = compare.asker(server.url, request, tls_context(server.ca_pem))

    if "changed" in case:
        assert sorted(PROVIDERS[kind].changed_files(ask, "acme/shop", BEFORE, COMMIT)) == case["changed"]
    else:
        with pytest.raises(NotTold, match=case["not_told"]):
            PROVIDERS[kind].changed_files(ask, "acme/shop", BEFORE, COMMIT)
    shown = request.credentials.get("Authorization", "")
    assert server.requests == [(each["path"], shown) for each in case["asked"]]


def slowly(request: http.server.BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Length", "1000")
    request.end_headers()
    for _ in range(20):
        request.wfile.write(b" ")
        request.wfile.flush()
        time.sleep(0.02)


def not_told(kind: str, server: Server, answer: Any) -> str:
    """Why the kind's comparison comes to nothing when all is answered so."""
    server.answer = answer
    request = PROVIDERS[kind].archive(server.url, "acme/shop", COMMIT, TOKEN)
    ask = compare.asker(server.url, request, tls_context(server.ca_pem))
    with pytest.raises(NotTold) as caught:
        PROVIDERS[kind].changed_files(ask, "acme/shop", BEFORE, COMMIT)
    assert "a-token" not in f"{caught.value!r} {caught.value.__cause__!r}"
    return str(caught.value)


@pytest.mark.parametrize("kind", PROVIDERS)
@pytest.mark.parametrize(
    "body", [b"{}", b'{"status": "ahead", "files": [{}], "compare_timeout": false, "diffs": [{}], "values": 1}']
)
def test_an_answer_that_lacks_what_is_documented_tells_nothing(kind: str, body: bytes, server: Server) -> None:
    assert not_told(kind, server, respond(200, body))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (respond(401, b"{}"), "it answered 401"),
        (respond(403, b"{}"), "it answered 403"),
        (respond(429, b"{}", Retry_After="60"), "it answered 429"),
        (respond(500), "it answered 500"),
        (respond(302, Location="https://127.0.0.1:1/"), "it answered 302"),
        (respond(200, b"<html>"), "its answer is not JSON"),
        (respond(200, b"[" * 100_000), "its answer is not JSON"),
        (respond(200, b"[]"), "its answer is not as documented"),
        (respond(200, b'{"status"', length=100), "its answer is not JSON"),
    ],
    ids=["401", "403", "429", "500", "302", "html", "deep", "list", "cut"],
)
def test_a_provider_that_does_not_tell(answer: Any, reason: str, server: Server) -> None:
    assert not_told("github", server, answer) == reason


def test_a_provider_that_takes_too_long(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "PATIENCE", 0.1)
    assert not_told("github", server, slowly) == "it took too long"


def test_a_provider_that_is_down(server: Server) -> None:
    ask = compare.asker("https://127.0.0.1:1", ArchiveRequest(""), tls_context(server.ca_pem))
    with pytest.raises(NotTold, match=r"connection to 127\.0\.0\.1 failed"):
        ask("/", {})


def test_a_long_answer_is_not_read_to_its_end(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "MAX_ANSWER", 1000)
    server.answer = respond(200, b" " * 2000)
    ask = compare.asker(server.url, ArchiveRequest(""), tls_context(server.ca_pem))
    with pytest.raises(NotTold, match="too long"):
        ask("/", {})


def settings_of(server: Server) -> Settings:
    return replace(settings_for(server.url, server.ca_pem), paths=PathFilter.parse("app", ""))


def fetch(server: Server, commit: str, *, check_paths: bool = True) -> StoredArtifact:
    return zip_download.fetch(
        replace(make_job("acme/site", commit), check_paths=check_paths),
        settings=settings_of(server),
        secret=TOKEN,
        tls=tls_context(server.ca_pem),
        s3=boto3.client("s3"),
    )


def comparison(*names: str) -> Any:
    files = [{"filename": name, "status": "modified"} for name in names]
    return respond(200, json.dumps({"status": "ahead", "files": files}).encode())


def answer_with(server: Server, repository: GitRepository, compared: Any) -> None:
    archive = respond(200, zip_of(repository))
    server.answer = lambda request: (compared if "/compare/" in request.path else archive)(request)
    server.requests.clear()


@pytest.fixture
def first(stack: Stack, server: Server, repository: GitRepository) -> StoredArtifact:
    """An artifact is there; the repository has gone on since, with a file that does not count."""
    answer_with(server, repository, respond(500))
    stored = fetch(server, repository.head())
    assert [path for path, _ in server.requests] == [f"/repos/acme/site/zipball/{repository.head()}"]
    assert stored.reason == "Stored"
    repository.write("README.md", "Changed\n")
    repository.commit("Next")
    return stored


def test_what_nobody_wants_is_not_downloaded(server: Server, repository: GitRepository, first: StoredArtifact) -> None:
    before = repository.git("rev-parse", "HEAD~1").decode().strip()
    answer_with(server, repository, comparison("README.md"))
    with pytest.raises(NotWanted, match="the one changed file matches none of the paths `app`"):
        fetch(server, repository.head())
    assert [path for path, _ in server.requests] == [f"/repos/acme/site/compare/{before}...{repository.head()}"]
    assert versions_of(first.key) == [first.version_id]


def test_what_lies_between_the_artifact_and_the_push_counts_too(
    server: Server, repository: GitRepository, first: StoredArtifact
) -> None:
    stored = repository.git("rev-parse", "HEAD~1").decode().strip()
    repository.write("app/main.py", "print(2)\n")
    repository.commit("A push that was replaced by the next one")
    repository.write("README.md", "Changed again\n")
    repository.commit("Newest")
    answer_with(server, repository, comparison("README.md", "app/main.py"))
    assert fetch(server, repository.head()).reason == "Stored"
    assert server.requests[0][0] == f"/repos/acme/site/compare/{stored}...{repository.head()}"
    assert len(versions_of(first.key)) == 2


@pytest.mark.parametrize("compared", [respond(404, b"{}"), respond(503), respond(200, b"<html>")])
def test_without_an_answer_the_files_are_compared(
    compared: Any, server: Server, repository: GitRepository, first: StoredArtifact
) -> None:
    answer_with(server, repository, compared)
    with pytest.raises(NotWanted, match="the one changed file matches none of the paths `app`"):
        fetch(server, repository.head())
    assert len(server.requests) == 2
    repository.write("app/main.py", "print(2)\n")
    repository.commit("Counts")
    answer_with(server, repository, compared)
    reason = fetch(server, repository.head()).reason
    assert reason.startswith("Stored. 127.0.0.1 did not tell which files changed (")
    assert reason.endswith("), so all files were compared")


def test_a_file_that_was_changed_and_changed_back_does_not_count(
    server: Server, repository: GitRepository, first: StoredArtifact
) -> None:
    answer_with(server, repository, comparison("README.md", "app/back-and-forth.py"))
    with pytest.raises(NotWanted, match="the one changed file"):
        fetch(server, repository.head())
    assert len(server.requests) == 2


def test_nobody_is_asked_when_the_webhook_told(
    server: Server, repository: GitRepository, first: StoredArtifact
) -> None:
    answer_with(server, repository, comparison("README.md"))
    assert fetch(server, repository.head(), check_paths=False).reason == "Stored"
    assert [path for path, _ in server.requests] == [f"/repos/acme/site/zipball/{repository.head()}"]
