"""Saves MiniStack's state while it runs; alone it saves when it stops, and a kill -9 would lose everything."""

# MiniStack offers no hooks: what it lacks is put where it belongs.
# ruff: noqa: SLF001

import asyncio
import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

_SECONDS = 1.0
# MiniStack answers nobody while it is copied: with many stacks that takes long enough to be done less often.
_SHARE = 0.1
# What a request starts (a Lambda, a stack's operation) goes on changing state after the answer.
_AFTERMATH_SECONDS = 5.0
_READS = ("BatchGet", "Describe", "Get", "Head", "List", "Lookup", "Query", "Scan", "Search", "Simulate", "Validate")

_log = logging.getLogger("sluice.persistence")


class _Saver:
    """Notices requests that may change state, and saves what changed every second, or in a tenth of the time."""

    def __init__(self) -> None:
        self._changed_until = self._began = 0.0
        self._saved: dict[str, str] = {}

    def install(self) -> None:
        from ministack import app
        from ministack.core import persistence
        from ministack.services import lambda_svc

        dispatch = app._dispatch_service_request

        async def dispatch_and_note(method: str, path: str, headers: dict[str, str], body: bytes, *rest: Any) -> Any:
            if not _reads_only(method, headers, body):
                self.note_change()
            return await dispatch(method, path, headers, body, *rest)

        app._dispatch_service_request = dispatch_and_note
        persistence.save_state = self._save_state
        lambda_svc._write_code_blob = _hashed_once(lambda_svc._write_code_blob)
        threading.Thread(target=self._run, name="persistence", daemon=True).start()

    def note_change(self) -> None:
        self._changed_until = time.monotonic() + _AFTERMATH_SECONDS

    def _run(self) -> None:
        from ministack import app

        pause = _SECONDS
        while True:
            time.sleep(pause)
            loop = app._MAIN_LOOP
            if loop and not loop.is_closed() and self._began < self._changed_until:
                self._began = time.monotonic()
                try:
                    asyncio.run_coroutine_threadsafe(self._save_all(), loop).result()
                except Exception:  # noqa: BLE001  logged, and the thread goes on
                    _log.exception("The state is not saved; trying again soon")
                pause = max(_SECONDS, (time.monotonic() - self._began) * (1 / _SHARE - 1))

    async def _save_all(self) -> None:
        from ministack import app

        for service, state in app._build_persistence_save_dict().items():
            try:
                data = state()
            except RuntimeError as error:
                # A Lambda's thread changed a dictionary under the copy: the next second tries again.
                _log.debug("%s is saved later: %s", service, error)
                continue
            if data is not None:
                self._save_state(service, data)
            await asyncio.sleep(0)

    def _save_state(self, service: str, data: dict[str, Any]) -> None:
        """Write one service's state as MiniStack's own `save_state` does, if it changed."""
        from ministack.core import persistence

        text = json.dumps(
            {"__ministack_format__": persistence._state_format_version(service), "payload": data},
            default=persistence._json_default,
        )
        if self._saved.get(service) == text:
            return
        directory = Path(persistence.STATE_DIR)
        directory.mkdir(parents=True, exist_ok=True)
        temporary = directory / f"{service}.json.tmp"
        temporary.write_text(text)
        temporary.replace(directory / f"{service}.json")
        self._saved[service] = text


def _hashed_once(write: Callable[[bytes], str]) -> Callable[[bytes], str]:
    """MiniStack's `_write_code_blob`, which hashes the packages of all functions at every save, without hashing again
    what it has seen.
    """
    from ministack.services import lambda_svc

    digest = lru_cache(maxsize=32)(lambda code: hashlib.sha256(code).hexdigest())

    def written(code: bytes) -> str:
        known = digest(code)
        return known if (Path(lambda_svc.CODE_BLOB_DIR) / f"{known}.zip").exists() else write(code)

    return written


_saver = _Saver()


def save_while_running() -> None:
    """Change MiniStack in this process; call before it serves."""
    _saver.install()


def note_change() -> None:
    """Tell that state changes without a request."""
    _saver.note_change()


def _reads_only(method: str, headers: dict[str, str], body: bytes) -> bool:
    """Whether a request cannot change state, as far as its operation's name tells."""
    if method in ("GET", "HEAD", "OPTIONS"):
        return True
    target = headers.get("x-amz-target", "")
    if target:
        return target.rpartition(".")[2].startswith(_READS)
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        action = parse_qs(body[:4096].decode("latin-1")).get("Action", [""])[0]
        return action.startswith(_READS)
    return False
