"""All of Sluice on this machine: what runs, in which order it starts, and what happens when a part dies."""

import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import connecting, given, panel, ports
from sandbox.aws import Aws, AwsDidNotStart
from sandbox.errors import DidNotStart, SandboxError, UsageError
from sandbox.git_host import GitHost
from sandbox.postgres import Postgres
from sandbox.processes import Child, Guard, Part, base_environment
from sandbox.seed import REPOSITORY, Person, seed
from sandbox.state import StateDir
from sandbox.valkey import Valkey

_LABELS = {"postgres": "PostgreSQL", "valkey": "Valkey", "aws": "Local AWS", "git": "Git host"}
_LABELS |= {"web": "Panel", "worker": "Worker", "beat": "Beat", "sweeper": "Sweeper"}
SERVICES = tuple(_LABELS)
_FAST_SHUTDOWN = signal.SIGINT  # PostgreSQL: end sessions, then stop
_PANEL = frozenset({"web", "worker", "beat", "sweeper"})
_WATCH_SECONDS = 0.2
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 30.0
_STEADY_SECONDS = 30.0
_PACKAGES, _STATIC_FILES, _SCHEMA = "Lambda packages", "Static files", "Database schema"


class _AwsPart:
    """`Aws`, as a part of the sandbox."""

    name, label = "aws", _LABELS["aws"]

    def __init__(self, aws: Aws, guard: Guard) -> None:
        self._aws = aws
        self._guard = guard

    @property
    def pid(self) -> int | None:
        return self._aws.pid

    def start(self) -> None:
        try:
            self._aws.start(started=lambda pid: self._guard.watch(pid, signal.SIGTERM))
        except AwsDidNotStart as error:
            raise DidNotStart(str(error)) from None

    def stop(self) -> None:
        pid = self._aws.group
        self._aws.stop()
        if pid is not None:
            self._guard.forget(pid)


@dataclass(frozen=True, slots=True)
class _Stores:
    """What holds the data of the panel and of AWS."""

    postgres: Postgres
    valkey: Valkey
    aws: Aws


class Sandbox:
    """Everything, started together: `with Sandbox(tmp_path) as sandbox: ...` or `start` and `stop`.

    Args:
        state_dir: where data, logs and secrets live; a second start goes on with them.
        say: gets each line of progress.
    """

    def __init__(self, state_dir: Path, say: Callable[[str], None] | None = None) -> None:
        self.state = StateDir(state_dir)
        self._say = say
        self._began = time.monotonic()
        self._guard = Guard(self.state.processes_file)
        self._parts: dict[str, Part] = {}
        self._ports: dict[str, int] = {}
        self._environment: dict[str, str] = {}
        self._left: list[str] = []
        self._watching: threading.Thread | None = None
        self._stopping = threading.Event()
        self._git: GitHost | None = None

    # What others need to know

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that the panel's processes run with."""
        return self._environment

    @property
    def git(self) -> GitHost:
        """The git host's side door: make and read what it holds."""
        assert self._git
        return self._git

    @property
    def panel_url(self) -> str:
        """Where the panel is."""
        return f"http://127.0.0.1:{self._ports['panel']}"

    def pid(self, service: str) -> int | None:
        """The process of a service while it runs."""
        return self._parts[service].pid

    # Starting and stopping

    def start(self, services: Collection[str] = SERVICES) -> dict[str, Any]:
        """Start the services, and what they need; returns what `env.json` then says.

        Raises:
            UsageError: another sandbox runs on this directory, or a port asked for is taken.
            DidNotStart: a part ended or did not answer; what had started is stopped again.
        """
        self._began = time.monotonic()
        self._stopping.clear()
        if shutil.which("git") is None:
            raise UsageError("git is needed and is not installed.")
        self.state.create()
        if not self.state.acquire():
            raise UsageError(f"A sandbox is running on {self.state.root} already.")
        try:
            self._guard.start()
            self._start(frozenset(services))
        except BaseException:
            self.stop()
            raise
        self._watching = threading.Thread(target=self._watch, name="sandbox-watch", daemon=True)
        self._watching.start()
        return self.state.env()

    def stop(self) -> None:
        """Stop everything, the panel first; the data stay."""
        self._stopping.set()
        if self._watching:
            self._watching.join()
            self._watching = None
        self._stop_parts()
        self._guard.stop()
        self.state.release()

    def _stop_parts(self) -> None:
        with ThreadPoolExecutor(len(SERVICES)) as pool:
            list(pool.map(self._stop_part, _PANEL))
            list(pool.map(self._stop_part, set(SERVICES) - _PANEL))

    def __enter__(self) -> "Sandbox":
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def _stop_part(self, name: str) -> None:
        if part := self._parts.pop(name, None):
            part.stop()

    def _start(self, services: frozenset[str]) -> None:
        if services & _PANEL:
            services |= {"postgres", "valkey", "aws"}
        servers = given.servers()
        services -= servers.keys()
        known = self.state.env()
        self._ports = ports.choose(known.get("ports", {}))
        moved = [name for name, port in known.get("ports", {}).items() if self._ports.get(name) != port]
        if moved:
            self._tell(f"These ports have changed, as the old ones are taken: {', '.join(moved)}")
        secrets = self.state.secrets()
        stores = _Stores(
            Postgres(self.state.root / "postgres", self._ports["postgres"], secrets["postgres_password"]),
            Valkey(self.state.root / "valkey", self._ports["valkey"], secrets["valkey_password"]),
            Aws(self.state.root / "aws", self._ports["aws"]),
        )
        self._environment = base_environment() | stores.aws.env()
        self._environment |= panel.settings(
            self.state,
            url=self.panel_url,
            database_url=servers.get("postgres", stores.postgres.url),
            redis_url=servers.get("valkey", stores.valkey.url),
        )
        self._git = GitHost(self.state.root / "git", port=self._ports["git"], ssh_port=self._ports["ssh"])
        person = seed(self._git, self.state.root / "person", secrets["git_token"])
        self._write_env(person, stores)
        pool = ThreadPoolExecutor(6)
        try:
            self._start_all(pool, services, stores)
        except BaseException:
            # Ends what the pool's threads wait for, so that they end, and what they started in the meantime.
            self._stopping.set()
            pool.shutdown(wait=False, cancel_futures=True)
            self._stop_parts()
            self._guard.stop()
            pool.shutdown()
            raise
        pool.shutdown()

    def _start_all(self, pool: ThreadPoolExecutor, services: frozenset[str], stores: _Stores) -> None:
        base = base_environment()
        self._left = _steps(services)
        self._tell(f"To do: {', '.join(self._left)}")
        waiting: list[Future[None]] = []
        if "postgres" in services:
            waiting.append(pool.submit(self._start_postgres, stores.postgres, base))
        if services & _PANEL:
            waiting.append(pool.submit(self._prepare_database, waiting[:]))
        if "valkey" in services:
            waiting.append(pool.submit(self._start_part, self._valkey(stores.valkey, base)))
        if "aws" in services:
            waiting.append(pool.submit(self._start_part, _AwsPart(stores.aws, self._guard)))
        if "git" in services:
            waiting.append(pool.submit(self._start_part, self._git_host(base)))
        if services & _PANEL:
            waiting.append(pool.submit(self._prepare_files))
        for future in waiting:
            future.result()
        if services & _PANEL:
            self._give_credentials(stores.aws)
        for future in [pool.submit(self._start_part, part) for part in self._panel(services)]:
            future.result()

    def _give_credentials(self, aws: Aws) -> None:
        """The panel is not the account's root: it has a user of its own, and is let into accounts by roles."""
        known = self.state.secrets()
        key = connecting.own_credentials(aws, known)
        if key.items() - known.items():
            self.state.write_secrets(known | key)
        self._environment |= {
            "AWS_ACCESS_KEY_ID": key["panel_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": key["panel_secret_access_key"],
        }

    def _start_postgres(self, postgres: Postgres, base: dict[str, str]) -> None:
        postgres.initialize(base)
        self._start_part(
            Child(
                "postgres",
                _LABELS["postgres"],
                postgres.command(),
                environment=base,
                log=self.state.logs / "postgres.log",
                guard=self._guard,
                ready=postgres.is_ready,
                stop_signal=_FAST_SHUTDOWN,
            )
        )

    def _valkey(self, valkey: Valkey, base: dict[str, str]) -> Part:
        return self._child("valkey", valkey.command(), base, valkey.is_ready)

    def _git_host(self, base: dict[str, str]) -> Part:
        command = [sys.executable, "-m", "sandbox.git_host", "--state", str(self.state.root / "git")]
        command += ["--port", str(self._ports["git"]), "--ssh-port", str(self._ports["ssh"])]
        return self._child(
            "git",
            command,
            base,
            lambda: ports.answers(self._ports["git"]) and ports.answers(self._ports["ssh"]),
        )

    def _panel(self, services: frozenset[str]) -> list[Part]:
        port = self._ports["panel"]
        made = {
            "web": (panel.web_command(port), lambda: panel.is_ready(port)),
            "worker": (panel.worker_command(), _at_once),
            "beat": (panel.beat_command(self.state), _at_once),
            "sweeper": (panel.sweeper_command(), _at_once),
        }
        return [
            self._child(name, command, self._environment, ready)
            for name, (command, ready) in made.items()
            if name in services
        ]

    def _child(self, name: str, command: list[str], environment: Mapping[str, str], ready: Callable[[], bool]) -> Part:
        log = self.state.logs / f"{name}.log"
        return Child(name, _LABELS[name], command, environment=environment, log=log, guard=self._guard, ready=ready)

    def _start_part(self, part: Part) -> None:
        began = time.monotonic()
        if self._stopping.is_set():
            raise DidNotStart(f"{part.label} was not started, as the sandbox is stopping.")
        self._parts[part.name] = part
        part.start()
        self._done(part.label, f"{part.label} runs ({time.monotonic() - began:.1f} s)")

    def _prepare_files(self) -> None:
        began = time.monotonic()
        built = panel.build_lambdas(self._setup)
        self._done(_PACKAGES, f"Lambda packages built ({time.monotonic() - began:.1f} s)" if built else "")
        began = time.monotonic()
        collected = panel.collect_static(self._setup)
        self._done(_STATIC_FILES, f"Static files collected ({time.monotonic() - began:.1f} s)" if collected else "")

    def _prepare_database(self, started: Sequence[Future[None]]) -> None:
        for future in started:
            future.result()
        began = time.monotonic()
        panel.migrate(self._setup)
        panel.bootstrap(self._setup)
        self._done(_SCHEMA, f"Database is up to date ({time.monotonic() - began:.1f} s)")

    @property
    def _setup(self) -> panel.Setup:
        return panel.Setup(self.state, self._environment, self._guard)

    # Watching

    def _watch(self) -> None:
        """Start again what died, at once the first time, then after longer and longer pauses."""
        pauses: dict[str, float] = {}
        due: dict[str, float] = {}
        started = dict.fromkeys(self._parts, time.monotonic())
        while not self._stopping.wait(_WATCH_SECONDS):
            now = time.monotonic()
            for name, part in list(self._parts.items()):
                if part.pid is not None:
                    if now - started[name] > _STEADY_SECONDS:
                        pauses.pop(name, None)
                    continue
                if name not in due:
                    pause = pauses.get(name, 0.0)
                    pauses[name] = min(max(pause * 2, _FIRST_PAUSE), _LONGEST_PAUSE)
                    due[name] = now + pause
                    self._tell(f"{part.label} died; starting it again{f' in {pause:.0f} s' if pause >= 1 else ''}")
                if now < due[name]:
                    continue
                del due[name]
                started[name] = time.monotonic()
                try:
                    part.start()
                except SandboxError as error:
                    self._tell(str(error))
                else:
                    self._tell(f"{part.label} runs again ({time.monotonic() - started[name]:.1f} s)")

    def _done(self, step: str, line: str) -> None:
        """Tell that a step of the start is done and what is left; nothing where it had nothing to do."""
        if step in self._left:
            self._left.remove(step)
        if line:
            self._tell(f"{line}; left: {', '.join(self._left)}" if self._left else line)

    def _tell(self, line: str) -> None:
        if self._say is None:
            return
        self._say(f"[{time.monotonic() - self._began:5.1f} s] {line}")

    def _write_env(self, person: Person, stores: _Stores) -> None:
        git = self.git
        self.state.write_env(
            {
                "ports": self._ports,
                "panel_url": self.panel_url,
                "api_url": f"{self.panel_url}/api/v1",
                "admin_user": panel.ADMINISTRATOR,
                "team": panel.TEAM,
                "secrets_file": str(self.state.secrets_file),
                "logs": str(self.state.logs),
                "database_url": self._environment["DATABASE_URL"],
                "redis_url": self._environment["REDIS_URL"],
                "aws_endpoint": stores.aws.endpoint,
                "aws": stores.aws.env(),
                "git_url": git.url,
                "git_api_url": git.api_url,
                "git_ca_file": str(git.ca_file),
                "git_ssh_port": git.ssh_port,
                "git_user": person.login,
                "git_repository": REPOSITORY,
                "git_ssh_key": str(person.key_file),
                "git_known_hosts": str(person.known_hosts),
                "git_ssh_command": person.ssh_command(),
            }
        )


def _at_once() -> bool:
    return True


def _steps(services: frozenset[str]) -> list[str]:
    """What a start does, in the words that it tells."""
    stores = [_LABELS[name] for name in SERVICES if name in services - _PANEL]
    parts = [_LABELS[name] for name in SERVICES if name in services & _PANEL]
    return [*stores, *((_PACKAGES, _STATIC_FILES, _SCHEMA) if parts else ()), *parts]
