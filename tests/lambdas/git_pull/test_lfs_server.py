"""What a server of Git LFS may answer, and where it may not send the function."""

import hashlib
import http.server
import json
import tracemalloc
from collections.abc import Iterator

import pytest

from lambdas.common.errors import FetchError, PermanentFailure, TemporaryFailure
from lambdas.common.https import tls_context
from lambdas.git_pull import lfs
from lambdas.git_pull.archive import write_zip
from lambdas.git_pull.lfs_access import Access
from lambdas.git_pull.pointers import LargeFile, Pointer
from tests.lambdas.conftest import HostedRepository
from tests.lambdas.git_pull.test_lfs import VIDEO, oid_of, part_of, pointer_to, track
from tests.lambdas.https_server import Server, respond, serving


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def server(running: Server) -> Server:
    running.requests.clear()
    running.bodies.clear()
    return running


def ask(
    server: Server, *files: LargeFile, host: str = "127.0.0.1", url: str = "", **headers: str
) -> Iterator[Iterator[bytes]]:
    access = Access(url or server.url, headers or {"Authorization": "ours"})
    return lfs.contents(
        files, ask=lambda _: access, hosts=(host,), tls=tls_context(server.ca_pem), check_time=lambda: None
    )


def large(data: bytes = VIDEO, name: str = "media/video.mp4") -> LargeFile:
    return LargeFile(name, "acme/shop", Pointer(oid_of(data), len(data)))


def batch(server: Server, *, href: str = "", data: bytes = VIDEO, **action: object) -> bytes:
    found = {
        "oid": oid_of(data),
        "size": len(data),
        "actions": {"download": {"href": href or f"{server.url}/o"} | action},
    }
    return json.dumps({"objects": [found]}).encode()


def by_path(**answers: object) -> lfs.Callable[[http.server.BaseHTTPRequestHandler], None]:
    """Answers by the last part of the path."""
    return lambda request: answers[request.path.rpartition("/")[2]](request)  # type: ignore[operator]


def test_what_is_asked_for(server: Server) -> None:
    server.answer = by_path(batch=respond(200, batch(server, header={"Authorization": "link"})), o=respond(200, VIDEO))

    [content] = ask(server, large())
    assert b"".join(content) == VIDEO

    assert server.requests == [("/objects/batch", "ours"), ("/o", "link")]
    assert json.loads(server.bodies[0]) == {
        "operation": "download",
        "transfers": ["basic"],
        "hash_algo": "sha256",
        "objects": [{"oid": oid_of(VIDEO), "size": len(VIDEO)}],
    }


def test_headers_are_not_taken_to_another_host(server: Server) -> None:
    server.answer = by_path(
        batch=respond(200, batch(server, header={"Authorization": "link"})),
        o=respond(302, Location=f"{server.other_url}/moved"),
        moved=respond(200, VIDEO),
    )

    [content] = ask(server, large())
    assert b"".join(content) == VIDEO
    assert server.requests[1:] == [("/o", "link"), ("/moved", "")]


def test_the_request_for_a_batch_is_not_taken_elsewhere(server: Server) -> None:
    server.answer = respond(307, Location=f"{server.other_url}/objects/batch")

    with pytest.raises(PermanentFailure, match="answered 307 when asked for Git LFS files"):
        next(ask(server, large()))
    assert len(server.requests) == 1


@pytest.mark.parametrize("port", ["", ":bad"])
def test_only_https(server: Server, port: str) -> None:
    with pytest.raises(PermanentFailure, match="not HTTPS"):
        next(ask(server, large(), url=f"http{'s' if port else ''}://127.0.0.1{port}"))

    server.answer = respond(200, batch(server, href="http://127.0.0.1/o"))
    [content] = ask(server, large())
    with pytest.raises(PermanentFailure, match="not HTTPS"):
        next(content)


def test_no_private_address_but_the_git_servers(server: Server) -> None:
    with pytest.raises(PermanentFailure, match=r"127\.0\.0\.1 has no public address, and it is not git\.example\.com"):
        next(ask(server, large(), host="git.example.com"))
    assert server.requests == []


@pytest.mark.parametrize(
    ("status", "body", "failure", "reason"),
    [
        (403, b'{"message": "over its data quota"}', PermanentFailure, "answered 403 .*: over its data quota"),
        (404, b'{"message": "Not found"}', PermanentFailure, "answered 404 when asked for Git LFS files: Not found"),
        (509, b"{}", PermanentFailure, "answered 509"),
        (429, b"", TemporaryFailure, "answered 429"),
        (503, b"<html>", TemporaryFailure, "answered 503"),
        (200, b"<html>", PermanentFailure, "did not answer as a Git LFS server"),
        (200, b"[]", PermanentFailure, "did not answer as a Git LFS server"),
        (200, b'{"objects": [7]}', PermanentFailure, "did not answer as a Git LFS server"),
        (200, b'{"objects": []}', PermanentFailure, "does not have the Git LFS file `media/video.mp4`"),
        (200, b" " * (lfs.MAX_ANSWER + 1), PermanentFailure, "did not answer as a Git LFS server"),
    ],
)
def test_answers_to_a_batch(server: Server, status: int, body: bytes, failure: type[FetchError], reason: str) -> None:
    server.answer = respond(status, body, Retry_After="7")

    with pytest.raises(failure, match=reason) as caught:
        next(ask(server, large()))
    if status == 429:
        assert isinstance(caught.value, TemporaryFailure)
        assert caught.value.retry_after == 7


@pytest.mark.parametrize(
    ("error", "failure", "reason"),
    [
        ({"code": 410, "message": "gone"}, PermanentFailure, "does not have the Git LFS file"),
        (
            {"code": 422, "message": "odd"},
            PermanentFailure,
            "does not send the Git LFS file `media/video.mp4`: 422 odd",
        ),
        ({"code": 503, "message": "busy"}, TemporaryFailure, "now: 503 busy"),
        ("odd", PermanentFailure, "did not answer as a Git LFS server"),
    ],
)
def test_errors_of_one_object(server: Server, error: object, failure: type[FetchError], reason: str) -> None:
    server.answer = respond(200, json.dumps({"objects": [{"oid": oid_of(VIDEO), "error": error}]}).encode())

    with pytest.raises(failure, match=reason):
        next(ask(server, large()))


@pytest.mark.parametrize(
    ("answer", "failure", "reason"),
    [
        (respond(404), PermanentFailure, "does not have the Git LFS file"),
        (respond(403), PermanentFailure, r"answered 403 when asked for the Git LFS file `media/video\.mp4`"),
        (respond(500), TemporaryFailure, "answered 500"),
        (respond(200, VIDEO[:99], length=len(VIDEO)), TemporaryFailure, "failed|broke off"),
    ],
)
def test_answers_to_a_download(server: Server, answer: object, failure: type[FetchError], reason: str) -> None:
    server.answer = by_path(batch=respond(200, batch(server)), o=answer)

    [content] = ask(server, large())
    with pytest.raises(failure, match=reason):
        list(content)


def test_many_files_are_asked_for_in_batches(server: Server) -> None:
    files = [large(b"%d" % number, str(number)) for number in range(lfs.BATCH_OBJECTS + 1)]

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        asked = json.loads(server.bodies[-1])["objects"]
        found = [{"oid": each["oid"], "actions": {"download": {"href": server.url}}} for each in asked]
        respond(200, json.dumps({"objects": found}).encode())(request)

    server.answer = answer

    assert len(list(ask(server, *files))) == len(files)
    assert [len(json.loads(body)["objects"]) for body in server.bodies] == [lfs.BATCH_OBJECTS, 1]


def test_a_large_file_is_never_held_in_memory(server: Server, hosted: HostedRepository) -> None:
    block, blocks = bytes(1024 * 1024), 96
    size, digest = len(block) * blocks, hashlib.sha256()
    for _ in range(blocks):
        digest.update(block)
    pointer = Pointer(digest.hexdigest(), size)

    def stream(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(size))
        request.end_headers()
        for _ in range(blocks):
            request.wfile.write(block)

    found = {"oid": pointer.oid, "actions": {"download": {"href": f"{server.url}/o"}}}
    server.answer = by_path(batch=respond(200, json.dumps({"objects": [found]}).encode()), o=stream)
    track(hosted)
    hosted.work.write(
        "media/large.mp4", pointer_to(b"").replace(oid_of(b""), pointer.oid).replace("size 0", f"size {size}")
    )
    hosted.work.commit("Large")

    tracemalloc.start()
    try:
        written = write_zip(
            [part_of(hosted)], len, check_time=lambda: None, large_files=lambda files: ask(server, *files)
        )
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert [entry.size for entry in written.entries if entry.name == b"media/large.mp4"] == [size]
    assert peak < 16 * len(block)
