"""An SSH server on this machine that presents chosen host keys and lets nobody in."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import asyncssh


def new_key(algorithm: str = "ssh-ed25519") -> asyncssh.SSHKey:
    return asyncssh.generate_private_key(algorithm)


def text(key: asyncssh.SSHKey) -> str:
    """`<type> <base64>`."""
    return " ".join(key.export_public_key().decode().split()[:2])


@contextmanager
def ssh_server(*keys: asyncssh.SSHKey, port: int = 0) -> Iterator[int]:
    """Presents these keys on 127.0.0.1; gives the port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen("127.0.0.1", port, server_host_keys=list(keys))

    async def stop(acceptor: asyncssh.SSHAcceptor) -> None:
        acceptor.close()
        await acceptor.wait_closed()

    server = asyncio.run_coroutine_threadsafe(listen(), loop).result(10)
    try:
        yield server.get_port()
    finally:
        asyncio.run_coroutine_threadsafe(stop(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
