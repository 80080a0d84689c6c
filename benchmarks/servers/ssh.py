"""A git server over SSH: one key may read every repository."""

import asyncio
import re
import sys

import asyncssh

from benchmarks.servers import HOST, Folder
from benchmarks.servers.http import folder_from_arguments
from benchmarks.trees import git_environment

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
        await process.redirect(stdin=child.stdin, stdout=child.stdout)
        status = await child.wait()
        await process.stdout.drain()
        process.exit(status)

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


def _protocol(process: "asyncssh.SSHServerProcess[bytes]") -> list[tuple[str, str]]:
    value = process.env.get("GIT_PROTOCOL")
    return [("GIT_PROTOCOL", str(value))] if value else []


if __name__ == "__main__":
    asyncio.run(_serve(folder_from_arguments()))
