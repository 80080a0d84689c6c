"""Asks a Git server over SSH, apart from libgit2, why it sent no repository."""

import asyncio
import shlex
from contextlib import suppress
from typing import Protocol

from lambdas.common.errors import FetchError, TemporaryFailure
from lambdas.git_pull import refusals
from lambdas.git_pull.lfs_access import connected
from lambdas.git_pull.settings import Settings

TIMEOUT = 10.0
"""Seconds; a failure is told all the same after that."""
MAX_TEXT = 16 * 1024
"""Bytes of what a server may say."""


def why(repository: str, *, settings: Settings, key: str) -> FetchError | None:
    """What keeps the server from sending a repository; None if nothing does, or if it does not say.

    Raises PermanentFailure where the connection is already refused, as with another host key.
    """
    try:
        said, advertised = asyncio.run(_ask(repository, settings, key))
    except (TimeoutError, TemporaryFailure):  # then the first failure is the one to tell
        return None
    if b"object-format=sha256" in advertised:
        return refusals.sha256()
    return refusals.judge(said.decode(errors="replace"))


async def _ask(repository: str, settings: Settings, key: str) -> tuple[bytes, bytes]:
    """What the server writes beside the repository, and the beginning of the repository's own refs."""
    command = f"git-upload-pack {shlex.quote(f'/{repository}.git')}"
    async with asyncio.timeout(TIMEOUT), connected(command, settings, key) as process:
        with suppress(OSError):  # it may have hung up already, having said why
            process.stdin.write(b"0000")  # we want nothing
            process.stdin.write_eof()
        advertised, said = await asyncio.gather(_some(process.stdout), _some(process.stderr))
        return said, advertised


class _Reader(Protocol):
    async def read(self, n: int, /) -> bytes: ...


async def _some(stream: _Reader) -> bytes:
    data = b""
    while len(data) < MAX_TEXT and (block := await stream.read(MAX_TEXT - len(data))):
        data += block
    return data
