"""A git server over SSH: one key may read every repository."""

import asyncio
import re
import sys

import asyncssh

from benchmarks.servers import HOST, Folder
from benchmarks.servers.http import folder_from_arguments
from benchmarks.trees import git_environment

_Reader = asyncio.StreamReader | asyncssh.SSHReader[bytes]
_Writer = asyncio.StreamWriter | asyncssh.SSHWriter[bytes]
_COMMAND = re.compile(r"git-upload-pack '/(?P<repository>bench/\w+)\.git'")


async def _serve(folder: Folder) -> None:
    async def upload_pack(process: "asyncssh.SSHServerProcess[bytes]") -> None:
        found = _COMMAND.fullmatch(process.command or "")
        if found is None:
            process.exit(128)
            return
        child = await asyncio.create_subprocess_exec(
            "git-upload-pack",
            str(folder.trees / f"{found['repository']}.git"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=git_environment() | dict(_protocol(process)),
            limit=1024 * 1024,
        )
        assert child.stdin
        assert child.stdout
        wants = asyncio.create_task(_copy(process.stdin, child.stdin))
        await _copy(child.stdout, process.stdout)
        wants.cancel()
        process.exit(await child.wait())

    acceptor = await asyncssh.create_server(
        asyncssh.SSHServer,
        HOST,
        0,
        server_host_keys=[str(folder.host_key)],
        authorized_client_keys=str(folder.client_key.with_suffix(".pub")),
        process_factory=upload_pack,
        encoding=None,
        gss_host=None,
        compression_algs=["none"],
    )
    print(acceptor.get_port(), flush=True)
    await asyncio.to_thread(sys.stdin.buffer.read)


async def _copy(source: _Reader, target: _Writer) -> None:
    while data := await source.read(256 * 1024):
        target.write(data)
        await target.drain()
    target.write_eof()


def _protocol(process: "asyncssh.SSHServerProcess[bytes]") -> list[tuple[str, str]]:
    value = process.env.get("GIT_PROTOCOL")
    return [("GIT_PROTOCOL", str(value))] if value else []


if __name__ == "__main__":
    asyncio.run(_serve(folder_from_arguments()))
