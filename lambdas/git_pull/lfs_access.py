"""Where a repository keeps its Git LFS objects, and how one shows who asks: `git-lfs-authenticate` over SSH.

libgit2 runs git's own commands over SSH and no others, so this one is asyncssh's.
https://github.com/git-lfs/git-lfs/blob/main/docs/api/server-discovery.md#ssh
"""

import asyncio
import json
import os
import shlex
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lambdas.common import known_hosts as known_hosts_rules
from lambdas.common.errors import PermanentFailure, TemporaryFailure
from lambdas.git_pull import refusals, ssh
from lambdas.git_pull.settings import Settings

if TYPE_CHECKING:
    import asyncssh

TIMEOUT = 30
"""Seconds, from the connection to the answer."""
MAX_ANSWER = 64 * 1024
"""Bytes."""


@dataclass(frozen=True, slots=True)
class Access:
    """The address of a Git LFS server, without a slash at its end, and the headers that it wants."""

    url: str
    headers: dict[str, str] = field(repr=False)


def access_to(repository: str, *, settings: Settings, key: str) -> Access:
    """Ask the Git server, with the stack's SSH key. Raises PermanentFailure or TemporaryFailure."""
    path = f"{repository}.git"
    answer = asyncio.run(_run(f"git-lfs-authenticate {shlex.quote(path)} download", settings, key))
    try:
        values = json.loads(answer)
        headers = checked_headers(values.get("header"))
        url = str(values.get("href") or f"{settings.git_url or f'https://{settings.ssh_host}'}/{path}/info/lfs")
    except (ValueError, AttributeError):
        raise _no_access(settings.ssh_host, "its answer cannot be read") from None
    return Access(url.rstrip("/"), headers)


def checked_headers(value: object) -> dict[str, str]:
    """Headers as a server hands them out. Raises ValueError for anything else."""
    headers = {} if value is None else value
    if not isinstance(headers, dict) or not all(
        isinstance(text, str) and text.isascii() and text.isprintable() for pair in headers.items() for text in pair
    ):
        raise ValueError("no headers")
    return headers


async def _run(command: str, settings: Settings, key: str) -> bytes:
    host = settings.ssh_host
    try:
        async with asyncio.timeout(TIMEOUT), connected(command, settings, key) as process:
            with suppress(OSError):  # it may have hung up already, having said why
                process.stdin.write_eof()
            output, complaint = await _all(process.stdout), await _all(process.stderr)
            await process.wait_closed()
            status = process.exit_status
    except TimeoutError:
        raise TemporaryFailure(f"{host} did not answer git-lfs-authenticate in time") from None
    if status != 0:
        words = refusals.first_words(complaint.decode(errors="replace"))
        raise _no_access(host, words or f"it ended with {status}")
    return output


@asynccontextmanager
async def connected(command: str, settings: Settings, key: str) -> "AsyncIterator[asyncssh.SSHClientProcess[bytes]]":
    """Run a command at the Git server, with the stack's key and the host keys that are pinned.

    Raises PermanentFailure or TemporaryFailure if there is no connection, or it fails.
    """
    import asyncssh  # takes its time, and most artifacts need none of it

    asyncssh.set_log_level("ERROR")
    # It insists on a name and a home of whoever runs this, which a function may lack, though it uses neither here.
    os.environ.setdefault("LOGNAME", settings.ssh_user)
    os.environ.setdefault("HOME", tempfile.gettempdir())
    host = settings.ssh_host
    try:
        lines = ssh.trusted_lines(settings.ssh_known_hosts, host, settings.ssh_port)
        known_hosts = asyncssh.import_known_hosts(lines)
        private_key = asyncssh.import_private_key(key)
    except ValueError as error:
        raise PermanentFailure(f"The SSH key, or a line of SshKnownHosts, cannot be read: {error}") from None
    try:
        async with (
            asyncssh.connect(
                host,
                settings.ssh_port,
                username=settings.ssh_user,
                client_keys=[private_key],
                known_hosts=known_hosts,
                preferred_auth="publickey",
                agent_path=None,
                config=None,
                x509_trusted_certs=[],
                x509_trusted_cert_paths=[],
                kex_algs=list(known_hosts_rules.EXCHANGES),
            ) as connection,
            connection.create_process(command, encoding=None) as process,
        ):
            yield process
    except asyncssh.HostKeyNotVerifiable:
        raise ssh.wrong_host_key(host) from None
    except asyncssh.PermissionDenied:
        raise ssh.key_refused() from None
    except asyncssh.KeyExchangeFailed as error:
        raise refusals.no_common_algorithms(host, str(error)) from None
    except (OSError, asyncssh.Error) as error:  # TimeoutError is an OSError
        raise TemporaryFailure(f"The SSH connection to {host} failed ({type(error).__name__})") from error


async def _all(stream: "asyncssh.SSHReader[bytes]") -> bytes:
    try:
        await stream.readexactly(MAX_ANSWER)
    except asyncio.IncompleteReadError as error:
        return error.partial
    raise PermanentFailure("The Git server's answer to git-lfs-authenticate is too long")


def _no_access(host: str, words: str) -> PermanentFailure:
    return PermanentFailure(
        f"{host} gives the SSH key no access to Git LFS files (git-lfs-authenticate: {words}): "
        "turn Git LFS on there, or turn it off for this integration"
    )
