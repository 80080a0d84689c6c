"""Valkeys that misbehave: one that takes connections and never answers, and real ones that a test breaks."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis
from django.db import connection

from sandbox.ports import any_free
from sandbox.valkey import Valkey

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Hanging:
    """A server that accepts, reads, and never says a word, with the connections that were made to it."""

    url: str
    clients: list[socket.socket]

    @property
    def waits(self) -> int:
        """How often somebody waited for it: each connection is given up after one answer that does not come."""
        return len(self.clients)


@contextmanager
def hanging() -> Iterator[Hanging]:
    """One of those."""
    server, clients = socket.create_server(("127.0.0.1", 0)), list[socket.socket]()

    def accept() -> None:
        while True:
            try:
                clients.append(server.accept()[0])
            except OSError:
                return

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield Hanging(f"redis://127.0.0.1:{server.getsockname()[1]}/0", clients)
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()
        for client in clients:
            client.close()


@contextmanager
def valkey() -> Iterator[str]:
    """The URL of a Valkey of the test's own."""
    with tempfile.TemporaryDirectory() as directory:
        server = Valkey(Path(directory), any_free(), "secret")
        process = subprocess.Popen(server.command(), stdout=subprocess.DEVNULL)
        try:
            until(server.is_ready)
            yield server.url
        finally:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()


@contextmanager
def client(url: str) -> Iterator[redis.Redis]:
    """A connection that is not the panel's."""
    with redis.Redis.from_url(url) as opened:
        yield opened


@contextmanager
def worker(url: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker as docker-compose.yml starts it, with its log in a file, on the test's own database."""
    settings = connection.settings_dict
    database = f"postgresql://{settings['USER']}:{settings['PASSWORD']}@{settings['HOST']}:{settings['PORT']}"
    environment = {
        **os.environ,
        "REDIS_URL": url,
        "DATABASE_URL": f"{database}/{settings['NAME']}",
        "LOG_LEVEL": "INFO",
    }
    command = [sys.executable, "-m", "celery", "--app", "panel", "worker", "--loglevel", "INFO", "--concurrency", "1"]
    command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    environment["SLUICE_WORKER_HEARTBEAT"] = f"{log}.alive"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        until(lambda: b" ready." in log.read_bytes())
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def until(true: Callable[[], object], seconds: float = 30) -> None:
    """Wait for something to come true."""
    stop_at = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < stop_at, f"not within {seconds} s: {true}"
        time.sleep(0.05)
