"""What is done to a running sandbox, each for some seconds, and undone."""

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psutil
import redis

from sandbox.supervisor import Sandbox

Fault = Callable[["Field"], "contextlib.AbstractContextManager[None]"]
"""Begins on entering, and is over on leaving."""


@dataclass(frozen=True, slots=True)
class Field:
    """Where the faults happen."""

    sandbox: Sandbox
    redis_url: str
    seconds: float
    """How long a fault that lasts is to last."""


def kill_group(sandbox: Sandbox, service: str) -> None:
    """Kill a service with all that it started, as the kernel's memory killer would; the sandbox starts it again."""
    if (pid := sandbox.pid(service)) is not None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(os.getpgid(pid), signal.SIGKILL)


def _family(pid: int | None) -> list[psutil.Process]:
    """A process and all that it started, itself last."""
    if pid is None:
        return []
    try:
        process = psutil.Process(pid)
        return [*process.children(recursive=True), process]
    except psutil.NoSuchProcess:
        return []


@contextlib.contextmanager
def _stopped(field: Field, service: str) -> Iterator[None]:
    """It takes connections and answers nothing: the worst way to be away."""
    family = _family(field.sandbox.pid(service))
    for process in reversed(family):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.suspend()
    try:
        time.sleep(field.seconds)
        yield
    finally:
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()


def broker_hangs(field: Field) -> "contextlib.AbstractContextManager[None]":
    """Valkey answers nothing."""
    return _stopped(field, "valkey")


def database_hangs(field: Field) -> "contextlib.AbstractContextManager[None]":
    """PostgreSQL answers nothing."""
    return _stopped(field, "postgres")


def aws_hangs(field: Field) -> "contextlib.AbstractContextManager[None]":
    """AWS answers nothing, to the provider's webhooks either, and no function goes on."""
    return _stopped(field, "aws")


def _repeated(act: Callable[[Field], None], pause: float) -> Fault:
    @contextlib.contextmanager
    def fault(field: Field) -> Iterator[None]:
        until = time.monotonic() + field.seconds
        while time.monotonic() < until:
            act(field)
            time.sleep(pause)
        yield

    return fault


def _ask(field: Field, *commands: str) -> None:
    """Have the broker do something, if it listens."""
    with contextlib.suppress(redis.RedisError), redis.Redis.from_url(field.redis_url, socket_timeout=2) as broker:
        for command in commands:
            broker.execute_command(*command.split())


def _told(begin: str, end: str) -> Fault:
    """The broker is told to begin with something, and then to end it."""

    @contextlib.contextmanager
    def fault(field: Field) -> Iterator[None]:
        _ask(field, begin)
        try:
            time.sleep(field.seconds)
            yield
        finally:
            _ask(field, end)

    return fault


def _crash_database(field: Field) -> None:
    for process in _family(field.sandbox.pid("postgres")):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _kill_functions(field: Field) -> None:
    """The answers of what they had asked AWS for are lost with them."""
    running = [each for each in _family(field.sandbox.pid("aws"))[:-1] if each.is_running()]
    for process in random.sample(running, len(running) // 2 or len(running)):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _limit_files(process: psutil.Process, size: int) -> None:
    """Let a process write no file past so many bytes. Raises CalledProcessError.

    Only its own user may say so, and not even root in most containers: prlimit(2) asks for CAP_SYS_RESOURCE.
    """
    command = ["prlimit", "--pid", str(process.pid), f"--fsize={size}:"]
    if os.geteuid():
        subprocess.run(command, check=True)
    else:
        user, group = process.uids().real, process.gids().real
        subprocess.run(command, check=True, user=user, group=group, extra_groups=[])


@contextlib.contextmanager
def disk_full(field: Field) -> Iterator[None]:
    """PostgreSQL can write no byte to a file: it stops, and comes back once there is room."""
    for process in _family(field.sandbox.pid("postgres")):
        with contextlib.suppress(psutil.NoSuchProcess):
            _limit_files(process, 8192)
    time.sleep(field.seconds)
    yield
    # What began with the limit has it for good.
    _crash_database(field)


FAULTS: dict[str, Fault] = {
    "broker flushed": _repeated(lambda field: _ask(field, "FLUSHALL"), 1.0),
    "broker hangs": broker_hangs,
    "broker out of memory": _told("CONFIG SET maxmemory 1mb", "CONFIG SET maxmemory 0"),
    "broker read-only": _told("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"),
    "broker resets": _repeated(lambda field: _ask(field, "CLIENT KILL TYPE normal SKIPME yes"), 0.2),
    "database crashes": _repeated(_crash_database, 4.0),
    "database hangs": database_hangs,
    "functions killed, replies lost": _repeated(_kill_functions, 2.0),
    "AWS hangs": aws_hangs,
    "database's disk full": disk_full,
}
