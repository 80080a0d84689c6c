"""The content of Git LFS files: asked for in batches, and verified as it streams.

https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md and basic-transfers.md beside it
"""

import hashlib
import http.client
import json
import ssl
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from lambdas.common.errors import FetchError, PermanentFailure, TemporaryFailure
from lambdas.common.https import CheckAddress, follow, public_but, reading, send
from lambdas.git_pull.lfs_access import Access, checked_headers
from lambdas.git_pull.pointers import LargeFile

BATCH_OBJECTS, BATCH_BYTES = 100, 1024**3
"""As many as git-lfs itself asks for; and no link that a batch returns waits long until it is used."""
MAX_ANSWER = 4 * 1024 * 1024
BLOCK = 1024 * 1024
"""Bytes at a time. The same for everyone, as what a deflated stream looks like may depend on it."""
_MEDIA_TYPE = "application/vnd.git-lfs+json"

Ask = Callable[[str], Access]
"""Full name of a repository -> where its objects are. Raises FetchError."""


def contents(
    files: Sequence[LargeFile], *, ask: Ask, hosts: Sequence[str], tls: ssl.SSLContext, check_time: Callable[[], None]
) -> Iterator[Iterator[bytes]]:
    """For each file in turn, its content in blocks; one is to be read to its end before the next.

    `hosts` are the Git server's: others must have a public address. Raises FetchError, blocks too.
    """
    check_address = public_but(*hosts, what="The Git LFS server")
    for batch in _batches(files):
        actions = _actions(batch, ask(batch[0].repository), tls, check_address)
        for file in batch:
            yield _content(file, actions[file.pointer.oid], tls, check_address, check_time)


def _batches(files: Sequence[LargeFile]) -> Iterator[list[LargeFile]]:
    """Neighbours of one repository."""
    batch: list[LargeFile] = []
    size = 0
    for file in files:
        full = len(batch) >= BATCH_OBJECTS or size + file.pointer.size > BATCH_BYTES
        if batch and (full or batch[0].repository != file.repository):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += file.pointer.size
    if batch:
        yield batch


def _actions(
    batch: Sequence[LargeFile], access: Access, tls: ssl.SSLContext, check_address: CheckAddress
) -> dict[str, Access]:
    """Where to download each object from, by its id."""
    wanted = {file.pointer.oid: file for file in batch}
    body = {
        "operation": "download",
        "transfers": ["basic"],
        "hash_algo": "sha256",
        "objects": [{"oid": oid, "size": file.pointer.size} for oid, file in wanted.items()],
    }
    url = f"{access.url}/objects/batch"
    headers = {"Accept": _MEDIA_TYPE, "Content-Type": _MEDIA_TYPE, **access.headers}
    connection, response = send("POST", url, headers, tls, json.dumps(body).encode(), check_address=check_address)
    host = urlsplit(url).hostname or ""
    try:
        with reading(host):
            text = response.read(MAX_ANSWER)
    finally:
        connection.close()
    try:
        answer = json.loads(text)
    except ValueError:
        answer = {}
    if response.status != 200:
        raise _refused(response, host, "Git LFS files", answer)
    try:
        found = {each["oid"]: each for each in answer["objects"]}
        return {oid: _action(file, found.get(oid, {}), host) for oid, file in wanted.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise PermanentFailure(f"{host} did not answer as a Git LFS server does") from None


def _action(file: LargeFile, answer: dict[str, Any], host: str) -> Access:
    """Raises FetchError, or ValueError, KeyError, TypeError or AttributeError for what is not as documented."""
    error = answer.get("error")
    if error:
        code, words = int(error["code"]), str(error.get("message", ""))[:200]
        if code == 429 or code in (500, 502, 503, 504):
            raise TemporaryFailure(f"{host} cannot send the Git LFS file `{_shown(file)}` now: {code} {words}")
        if code in (404, 410):
            raise _missing(file, host)
        raise PermanentFailure(f"{host} does not send the Git LFS file `{_shown(file)}`: {code} {words}")
    if "actions" not in answer:
        raise _missing(file, host)
    download = answer["actions"]["download"]
    return Access(str(download["href"]), checked_headers(download.get("header")))


def _content(
    file: LargeFile,
    action: Access,
    tls: ssl.SSLContext,
    check_address: CheckAddress,
    check_time: Callable[[], None],
) -> Iterator[bytes]:
    size, digest, done = file.pointer.size, hashlib.sha256(), 0
    answered = follow(action.url, tls, headers={}, credentials=action.headers, check_address=check_address)
    with answered as (response, host):
        if response.status in (404, 410):
            raise _missing(file, host)
        if response.status != 200:
            raise _refused(response, host, f"the Git LFS file `{_shown(file)}`")
        if response.length not in (None, size):
            raise PermanentFailure(_differs(file, host, f"{response.length} bytes long in place of {size}"))
        while done < size:
            check_time()
            block = _read(response, min(BLOCK, size - done), host)
            digest.update(block)
            done += len(block)
            yield block
        if _read(response, 1, host, exactly=False):
            raise PermanentFailure(_differs(file, host, f"longer than {size} bytes"))
    if digest.hexdigest() != file.pointer.oid:
        raise PermanentFailure(_differs(file, host, "another one: its SHA-256 does not match"))


def _read(response: http.client.HTTPResponse, size: int, host: str, *, exactly: bool = True) -> bytes:
    parts, missing = [], size
    with reading(host):
        while missing and (part := response.read(missing)):
            parts.append(part)
            missing -= len(part)
    if missing and exactly:
        raise TemporaryFailure(f"The connection to {host} broke off")
    return b"".join(parts)


def _refused(response: http.client.HTTPResponse, host: str, what: str, answer: object = None) -> FetchError:
    status, wait = response.status, response.headers.get("Retry-After", "")
    words = str(answer.get("message", ""))[:200] if isinstance(answer, dict) else ""
    text = f"{host} answered {status} when asked for {what}" + (f": {words}" if words else "")
    if status == 429 or status in (500, 502, 503, 504):  # others, such as 509, are quotas that a person must raise
        return TemporaryFailure(text, retry_after=int(wait) if wait.isdecimal() else None)
    return PermanentFailure(text)


def _missing(file: LargeFile, host: str) -> PermanentFailure:
    return PermanentFailure(
        f"{host} does not have the Git LFS file `{_shown(file)}` ({file.pointer.oid[:12]}): "
        "push it with `git lfs push --all`"
    )


def _differs(file: LargeFile, host: str, how: str) -> str:
    return f"The Git LFS file `{_shown(file)}` that {host} sends is {how}"


def _shown(file: LargeFile) -> str:
    return file.path[:100]
