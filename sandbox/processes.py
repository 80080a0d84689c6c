"""Child processes: started with a log, watched, started again when they die, and ended with all they started."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import psutil

from sandbox.errors import DidNotStart
from sandbox.state import ROOT, write_private

_POLL_SECONDS = 0.05
_STOP_SECONDS = 10.0
_MAX_LOG_BYTES = 20 * 1024 * 1024
# What a child gets of the person's own environment; nothing that could point it at another database or account.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "VIRTUAL_ENV")


def base_environment() -> dict[str, str]:
    """The start of every child's environment."""
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {"PATH": os.defpath} | kept | {"PYTHONUNBUFFERED": "1"}


class Part(Protocol):
    """Something that the sandbox runs."""

    name: str
    label: str

    @property
    def pid(self) -> int | None:
        """Its process while it runs."""

    def start(self) -> None:
        """Start it and wait until it answers. Raises DidNotStart."""

    def stop(self) -> None:
        """End it; does nothing if it does not run."""


class Guard:
    """Sees to it that nothing outlives the sandbox, and remembers what runs for the next start."""

    def __init__(self, processes_file: Path) -> None:
        self._file = processes_file
        self._lock = threading.Lock()
        self._groups: dict[int, float] = {}
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Kill what an earlier sandbox left behind, and start watching."""
        self._kill_left_behind()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("guard.py"))],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def stop(self) -> None:
        """Stop watching; what is still watched is ended."""
        process, self._process = self._process, None
        if process and process.stdin:
            process.stdin.close()
            process.wait()

    def watch(self, group: int, stop_signal: signal.Signals) -> None:
        """End this process group when the sandbox ends."""
        with self._lock:
            with contextlib.suppress(psutil.NoSuchProcess):
                self._groups[group] = psutil.Process(group).create_time()
            self._tell(f"+ {group} {int(stop_signal)}")

    def forget(self, group: int) -> None:
        """The process group is gone."""
        with self._lock:
            self._groups.pop(group, None)
            self._tell(f"- {group}")

    def _tell(self, line: str) -> None:
        if self._process and self._process.stdin:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        write_private(self._file, json.dumps(self._groups))

    def _kill_left_behind(self) -> None:
        try:
            left = json.loads(self._file.read_text())
        except (FileNotFoundError, ValueError):
            return
        ours = [each for group, started in left.items() for each in _left_of(int(group), started)]
        for process in ours:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        # Until they are gone they hold ports, and PostgreSQL its lock and shared memory.
        psutil.wait_procs(ours, timeout=_STOP_SECONDS)


def _left_of(group: int, started: float) -> list[psutil.Process]:
    """The processes that are left of a group whose leader began at a time, and all that those started."""
    try:
        # The number may long be another process's: only the one that began at that moment is ours.
        leads = abs(psutil.Process(group).create_time() - started) < 0.01
    except psutil.NoSuchProcess:
        leads = True  # no other group gets the number while members of this one live
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter() if leads else ():
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError, PermissionError):
            if os.getpgid(process.pid) == group:
                # PostgreSQL's processes have groups of their own.
                found |= {each.pid: each for each in (process, *process.children(recursive=True))}
    return list(found.values())


class Child:
    """A child process in a group of its own.

    Args:
        name: its log's name.
        label: what people call it.
        command: what to run.
        environment: all of its variables.
        log: where its output goes.
        guard: who ends it when the sandbox is killed.
        ready: whether it answers; asked until it does.
        stop_signal: what asks it to end.
        start_seconds: how long it may take to answer.
    """

    def __init__(
        self,
        name: str,
        label: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        log: Path,
        guard: Guard,
        ready: Callable[[], bool] = lambda: True,
        stop_signal: signal.Signals = signal.SIGTERM,
        start_seconds: float = 60.0,
    ) -> None:
        self.name = name
        self.label = label
        self._command = list(command)
        self._environment = dict(environment)
        self._log = log
        self._guard = guard
        self._ready = ready
        self._stop_signal = stop_signal
        self._start_seconds = start_seconds
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start it and wait until it answers. Raises DidNotStart."""
        self._end_group()
        turn_over(self._log)
        with self._log.open("ab") as log:
            process = self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._guard.watch(process.pid, self._stop_signal)
        deadline = time.monotonic() + self._start_seconds
        while process.poll() is None:
            if self._ready():
                return
            if time.monotonic() > deadline:
                self.stop()
                raise DidNotStart(f"{self.label} did not answer in {self._start_seconds:.0f} s.{log_end(self._log)}")
            time.sleep(_POLL_SECONDS)
        self._end_group()
        raise DidNotStart(f"{self.label} ended with status {process.returncode}.{log_end(self._log)}")

    def stop(self) -> None:
        """Ask it to end, kill it if it does not, and kill what it left behind."""
        process = self._process
        if process and process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(self._stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_SECONDS)
        self._end_group()

    def _end_group(self) -> None:
        """Kill what is left of the group: children that outlived their parent would hold its port, or its rows."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._guard.forget(process.pid)


def run(name: str, command: Sequence[str], *, environment: Mapping[str, str], log: Path, guard: Guard) -> str:
    """Run a command to its end and return its standard output; the rest goes to the log.

    Raises:
        DidNotStart: it failed; the message holds the end of the log.
    """
    with log.open("ab") as errors:
        process = subprocess.Popen(
            list(command),
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
        guard.watch(process.pid, signal.SIGTERM)
        output, _ = process.communicate()
        guard.forget(process.pid)
        if process.returncode:
            errors.write(output)
            errors.flush()
            raise DidNotStart(f"{name} failed with status {process.returncode}.{log_end(log)}")
    return output.decode()


def turn_over(log: Path) -> None:
    """Begin a new log where it has grown long; one old one is kept."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > _MAX_LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))


def log_end(log: Path) -> str:
    """Where to read more, and the last lines."""
    lines = log.read_text(errors="replace").splitlines()[-15:] if log.exists() else []
    return f" Its log is {log}:\n" + "\n".join(f"    {line}" for line in lines)
