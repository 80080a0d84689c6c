"""Which TCP ports on 127.0.0.1 the sandbox uses."""

import os
import socket
from collections.abc import Mapping

from sandbox.errors import UsageError

# Each may be set by the environment variable SANDBOX_<NAME>_PORT.
DEFAULTS = {"panel": 8000, "git": 8443, "ssh": 8022, "aws": 4566, "postgres": 54320, "valkey": 63790}


def choose(remembered: Mapping[str, int]) -> dict[str, int]:
    """A port for each part: the one asked for, else the one it had before, else the usual one, else any free one.

    Raises:
        UsageError: the one asked for is no port, or is taken.
    """
    chosen: dict[str, int] = {}
    for name, usual in DEFAULTS.items():
        asked = _asked(name)
        if asked is not None:
            if asked in chosen.values() or not is_free(asked):
                raise UsageError(f"{_variable(name)}={asked}: that port is taken.")
            chosen[name] = asked
            continue
        candidates = [remembered[name]] if name in remembered else []
        free = (port for port in [*candidates, usual] if port not in chosen.values() and is_free(port))
        chosen[name] = next(free, None) or any_free()
    return chosen


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def any_free() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    """Whether something accepts connections on the port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _variable(name: str) -> str:
    return f"SANDBOX_{name.upper()}_PORT"


def _asked(name: str) -> int | None:
    text = os.environ.get(_variable(name), "")
    if not text:
        return None
    if not text.isascii() or not text.isdecimal() or not 0 < int(text) < 65536:
        raise UsageError(f"{_variable(name)}={text}: not a port number.")
    return int(text)
