"""AWS on this machine: MiniStack in a process of its own, on 127.0.0.1.

`Aws` starts and stops that process. What it runs, and what Sluice adds to MiniStack, is in `sandbox.aws_ministack`.
"""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3

REGION = "us-east-1"
ACCOUNT_ID = "111122223333"
ACCESS_KEY_ID = "sandbox"
SECRET_ACCESS_KEY = "sandbox"

_START_SECONDS = 180.0  # a machine that does much else takes long to import it all
_STOP_SECONDS = 20.0
_POLL_SECONDS = 0.05
_LOG_BYTES = 10 * 1024 * 1024
# MiniStack hands its own environment to the Lambda functions: they get what a shell needs and nothing of the panel's.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "SYSTEMROOT", "VIRTUAL_ENV")


class AwsDidNotStart(RuntimeError):
    """The port is taken, or MiniStack ended or was not ready in time; the message then holds the end of its log."""


class Aws:
    """A local AWS whose state is kept in a directory.

    Used as a context manager or through `start` and `stop`. Starting again on the same directory goes on with the
    same resources, also after a kill -9 (but for the last second or so).

    Args:
        state_dir: where state, objects and the log live; made if missing.
        port: TCP port on 127.0.0.1; None takes a free one.
        enforce_iam: whether requests need a signature and the policies of their caller, as on AWS.
    """

    def __init__(self, state_dir: Path, port: int | None = None, *, enforce_iam: bool = True) -> None:
        self.state_dir = state_dir.resolve()
        self.port = port or _free_port()
        self.enforce_iam = enforce_iam
        self.log = self.state_dir / "ministack.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """The address of every AWS service, without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def env(self) -> dict[str, str]:
        """The variables that make boto3 use this AWS and nothing else of the machine's AWS configuration."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def client(self, service: str) -> Any:
        """A boto3 client of this AWS, signed in as the account's root."""
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY_ID,
            aws_secret_access_key=SECRET_ACCESS_KEY,
        )

    @property
    def group(self) -> int | None:
        """The group of the process and of what it started, also where the process itself has ended."""
        return self._process.pid if self._process else None

    def start(self, *, started: Callable[[int], None] = lambda _: None) -> str:
        """Start MiniStack, wait until it answers and return its address. `started` gets the id of its group at once.

        The process ends with this one, however this one ends.

        Raises:
            AwsDidNotStart: the port is taken, or it ended, or did not answer in time.
        """
        if not _is_free(self.port):
            raise AwsDidNotStart(f"Port {self.port} on 127.0.0.1 is already in use")
        self.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = self.state_dir / "tmp"
        temporary.mkdir(exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.old"))
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ} | {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_HOST": "localhost",
            "MINISTACK_REGION": REGION,
            "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AUTH": "true" if self.enforce_iam else "false",
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self.state_dir / "state"),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self.state_dir / "s3"),
            "TMPDIR": str(temporary),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "LOG_LEVEL": "INFO",
        }
        root = Path(__file__).resolve().parent.parent
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "sandbox.aws_ministack"],
                cwd=root,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        started(self._process.pid)
        self._wait_until_ready(self._process)
        return self.endpoint

    def stop(self) -> None:
        """Save the state and end the process; does nothing if it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        # What runs functions is in its group, and may outlive it.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        if process.stdin:
            process.stdin.close()

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise AwsDidNotStart(f"MiniStack ended with status {process.returncode}.{self._log_end()}")
            if self._is_ready():
                return
            time.sleep(_POLL_SECONDS)
        self.stop()
        raise AwsDidNotStart(f"MiniStack did not answer within {_START_SECONDS:.0f} s.{self._log_end()}")

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/_ministack/ready")
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()

    def _log_end(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-20:]
        return f" Its log is {self.log}" + (":\n" + "\n".join(lines) if lines else ", and has nothing in it.")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the server does: a port whose last connections linger is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
