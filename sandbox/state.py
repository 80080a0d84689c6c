"""The directory that holds everything the sandbox keeps: data, logs, secrets, and what runs now."""

import base64
import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from sandbox.errors import UsageError

ROOT = Path(__file__).resolve().parent.parent
DEFAULT = ROOT / ".sandbox"
_MARK = "This directory belongs to Sluice's sandbox; `make reset` deletes it.\n"


class StateDir:
    """The directory. It is private to the user, as secrets lie in it."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.logs = self.root / "logs"
        self.env_file = self.root / "env.json"
        self.secrets_file = self.root / "secrets.json"
        self.processes_file = self.root / "processes.json"
        self._mark = self.root / "SANDBOX"
        self._lock: IO[str] | None = None

    def create(self) -> None:
        """Make the directory if it is missing.

        Raises:
            UsageError: it exists and holds something else.
        """
        if self.root.is_dir() and any(self.root.iterdir()) and not self._mark.exists():
            raise UsageError(f"{self.root} is not empty and not a sandbox's: give another directory with --state.")
        self.logs.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o700)
        self._mark.write_text(_MARK)

    def delete(self) -> None:
        """Delete the directory and all the data; does nothing where there is none.

        Raises:
            UsageError: it is not a sandbox's.
        """
        if not self.root.exists():
            return
        if not self._mark.exists():
            raise UsageError(f"{self.root} is not a sandbox's: nothing was deleted.")
        shutil.rmtree(self.root)

    def acquire(self) -> bool:
        """Become the one who runs this directory; False where another does."""
        lock = (self.root / "lock").open("a+")
        deadline = time.monotonic() + 1.0  # someone who only looks has it for a moment
        while not _locked(lock):
            if time.monotonic() > deadline:
                lock.close()
                return False
            time.sleep(0.05)
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        self._lock = lock
        return True

    def release(self) -> None:
        """Let another run this directory."""
        if self._lock:
            self._lock.close()
            self._lock = None

    def holder(self) -> int | None:
        """The process that runs this directory, or None."""
        try:
            lock = (self.root / "lock").open("r+")
        except FileNotFoundError:
            return None
        with lock:
            if _locked(lock):
                return None
            text = lock.read().strip()
            return int(text) if text.isdecimal() else 0

    def env(self) -> dict[str, Any]:
        """What is known of the sandbox that runs or ran here; empty at first."""
        return _read(self.env_file)

    def write_env(self, values: Mapping[str, Any]) -> None:
        """Write `env.json`."""
        write_private(self.env_file, json.dumps(dict(values), indent=2) + "\n")

    def secrets(self) -> dict[str, str]:
        """The sandbox's secrets, made the first time."""
        found: dict[str, str] = _read(self.secrets_file)
        made = {
            "secret_key": secrets.token_urlsafe(50),
            "encryption_key": base64.b64encode(os.urandom(32)).decode(),
            "admin_password": secrets.token_hex(8),
            "postgres_password": secrets.token_urlsafe(16),
            "valkey_password": secrets.token_urlsafe(16),
            "git_token": "ghp_" + secrets.token_hex(18),
        }
        complete = made | found
        if complete != found:
            self.write_secrets(complete)
        return complete

    def write_secrets(self, values: Mapping[str, str]) -> None:
        """Write `secrets.json`."""
        write_private(self.secrets_file, json.dumps(dict(values), indent=2) + "\n")


def write_private(path: Path, text: str) -> None:
    """Replace a file at once with one that only its owner may read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_text(text)
    fresh.replace(path)


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(path: Path) -> dict[str, Any]:
    try:
        values: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise UsageError(f"{path} is damaged ({error}): `make reset` starts anew.") from None
    return values
