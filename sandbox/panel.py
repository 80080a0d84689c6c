"""The panel's own processes, and what must be done before they start."""

import hashlib
import json
import platform
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.processes import Guard, run
from sandbox.state import ROOT, StateDir, write_private

RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"
ADMINISTRATOR = "admin"
TEAM = "Sandbox"
_ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True, slots=True)
class Setup:
    """What the commands that prepare a start work with."""

    state: StateDir
    environment: Mapping[str, str]
    guard: Guard


def architecture() -> str:
    """This machine's, in Lambda's words.

    Raises:
        SandboxError: Lambda knows none like it.
    """
    machine = platform.machine().lower()
    if machine not in _ARCHITECTURES:
        raise SandboxError(f"Lambda functions cannot be built for this machine ({machine}).")
    return _ARCHITECTURES[machine]


def settings(state: StateDir, *, url: str, database_url: str, redis_url: str) -> dict[str, str]:
    """The panel's settings, but for those of AWS."""
    known = state.secrets()
    return {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "SECRET_KEY": known["secret_key"],
        "SLUICE_ENCRYPTION_KEYS": known["encryption_key"],
        "PANEL_URL": url,
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        "STATIC_ROOT": str(state.root / "staticfiles"),
        "SLUICE_LAMBDA_PACKAGES": str(state.root / "lambdas"),
        "SLUICE_LAMBDA_RUNTIME": RUNTIME,
        "SLUICE_LAMBDA_ARCHITECTURE": architecture(),
        "SLUICE_PRIVATE_NETWORKS": "127.0.0.0/8",
        # What dies here is watched: nobody should have to wait as long as across a network.
        "SLUICE_OPERATION_LEASE": "4",
    }


def web_command(port: int) -> list[str]:
    """gunicorn, which serves pages and API."""
    options = ["--bind", f"127.0.0.1:{port}", "--worker-class", "gthread", "--workers", "2", "--threads", "8"]
    options += ["--preload", "--no-control-socket", "--graceful-timeout", "5", "--access-logfile", "-"]
    return [sys.executable, "-m", "gunicorn", "panel.wsgi:application", *options]


def worker_command() -> list[str]:
    """A Celery worker."""
    options = ["--concurrency", "2", "--loglevel", "INFO", "--without-gossip", "--without-mingle"]
    options += ["--without-heartbeat"]
    return [sys.executable, "-m", "celery", "-A", "panel", "worker", *options]


def beat_command(state: StateDir) -> list[str]:
    """Celery beat."""
    directory = state.root / "beat"
    directory.mkdir(exist_ok=True)
    options = ["--loglevel", "INFO", "--schedule", str(directory / "schedule"), "--pidfile", ""]
    return [sys.executable, "-m", "celery", "-A", "panel", "beat", *options]


def sweeper_command() -> list[str]:
    """The sweeper, which hands out again what dead workers held."""
    return [sys.executable, "manage.py", "sweep"]


def is_ready(port: int) -> bool:
    """Whether the panel says that it is well."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def build_lambdas(setup: Setup) -> bool:
    """Build the Lambda packages for this interpreter and machine; False where nothing has changed since."""
    out = setup.state.root / "lambdas"
    target = [RUNTIME, architecture()]
    if not _changed(out / ".built", _files(ROOT / "lambdas"), *target):
        return False
    command = [sys.executable, "-m", "lambdas.package", "--out", str(out)]
    command += ["--runtime", target[0], "--architecture", target[1]]
    run(
        "Building the Lambda packages",
        command,
        environment=setup.environment,
        log=setup.state.logs / "lambdas.log",
        guard=setup.guard,
    )
    _remember(out / ".built", _files(ROOT / "lambdas"), *target)
    return True


def collect_static(setup: Setup) -> bool:
    """Collect the static files; False where nothing has changed since."""
    sources = [*_files(ROOT / "panel" / "static"), ROOT / "requirements-sandbox.txt"]
    mark = setup.state.root / "staticfiles.built"
    if (setup.state.root / "staticfiles").is_dir() and not _changed(mark, sources):
        return False
    _manage(setup, "collectstatic", "--noinput", "--verbosity", "0")
    _remember(mark, sources)
    return True


def migrate(setup: Setup) -> None:
    """Bring the database's schema up to date."""
    _manage(setup, "migrate", "--noinput", "--verbosity", "1")


def bootstrap(setup: Setup) -> str:
    """Make the administrator, the team and an API token, and return the token, which `secrets.json` keeps."""
    known = setup.state.secrets()
    password_file = setup.state.root / "admin_password"
    write_private(password_file, known["admin_password"] + "\n")
    arguments = ["--username", ADMINISTRATOR, "--password-file", str(password_file)]
    arguments += ["--team", TEAM, "--token-name", "sandbox"]
    arguments += [] if "api_token" in known else ["--new-token"]
    answer = json.loads(_manage(setup, "bootstrap", *arguments).splitlines()[-1])
    if answer["token"]:
        known["api_token"] = answer["token"]
        setup.state.write_secrets(known)
    return known["api_token"]


def _manage(setup: Setup, command: str, *arguments: str) -> str:
    return run(
        f"manage.py {command}",
        [sys.executable, "manage.py", command, *arguments],
        environment=setup.environment,
        log=setup.state.logs / "setup.log",
        guard=setup.guard,
    )


def _files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _digest(files: Iterable[Path], *more: str) -> str:
    digest = hashlib.sha256("\0".join(more).encode())
    for path in files:
        digest.update(str(path).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _changed(mark: Path, files: Iterable[Path], *more: str) -> bool:
    return not mark.exists() or mark.read_text() != _digest(files, *more)


def _remember(mark: Path, files: Iterable[Path], *more: str) -> None:
    mark.write_text(_digest(files, *more))
