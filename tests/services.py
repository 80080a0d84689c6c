"""A pytest plugin that starts PostgreSQL and Valkey before Django reads its settings.

Loaded by `-p tests.services` (pyproject.toml), as a conftest comes too late. With xdist the first process starts the
servers and the workers inherit their addresses; each has a database of either server to itself.
"""

import base64
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

_stop: list[Callable[[], None]] = []


def _start() -> None:
    from sandbox.given import VARIABLES
    from sandbox.ports import any_free
    from sandbox.supervisor import Sandbox

    state = Path(tempfile.mkdtemp(prefix="sluice-test-"))
    sandbox = Sandbox(state)
    # Not the usual ports: two test runs at once would both find them free.
    asked = {f"SANDBOX_{name}_PORT": str(any_free()) for name in ("POSTGRES", "VALKEY")}
    os.environ.update(asked)
    env = sandbox.start(["postgres", "valkey"])
    # Servers that are there already are for the tests at large, not for those that start a sandbox of their own.
    for name in (*asked, *VARIABLES.values()):
        os.environ.pop(name, None)

    def stop() -> None:
        sandbox.stop()
        shutil.rmtree(state, ignore_errors=True)

    _stop.append(stop)
    os.environ["DATABASE_URL"] = env["database_url"]
    os.environ["REDIS_URL"] = env["redis_url"]


def pytest_unconfigure() -> None:
    """Stop what this process started; a hook, as threads cannot be started any more when the interpreter ends."""
    for stop in _stop:
        stop()


if "SLUICE_TEST_SERVICES" not in os.environ:
    os.environ["SLUICE_TEST_SERVICES"] = "1"
    os.environ["SECRET_KEY"] = secrets.token_urlsafe(64)
    os.environ["SLUICE_ENCRYPTION_KEYS"] = base64.b64encode(os.urandom(32)).decode()
    os.environ["ALLOWED_HOSTS"] = "testserver,127.0.0.1,localhost"
    os.environ["SLUICE_PRIVATE_NETWORKS"] = "127.0.0.0/8"
    # moto would make thousands of images anew for every test that asks EC2 for anything; no test looks at them.
    os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
    # Most tests are about something else than the way into an account; those that are switch it off.
    os.environ["SLUICE_AMBIENT_AWS"] = "true"
    # Never a real account, whatever the machine's own configuration holds.
    os.environ.update(
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        AWS_DEFAULT_REGION="us-east-1",
        AWS_EC2_METADATA_DISABLED="true",
        AWS_CONFIG_FILE="/dev/null",
        AWS_SHARED_CREDENTIALS_FILE="/dev/null",
    )
    _start()

if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    address, _, _ = os.environ["REDIS_URL"].rpartition("/")
    os.environ["REDIS_URL"] = f"{address}/{int(worker.removeprefix('gw')) + 1}"
