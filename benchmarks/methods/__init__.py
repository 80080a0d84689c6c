"""The ways to make an artifact that are compared: ours, the reference's, and the limits.

Each is a function that takes a `Run`, does what a warm Lambda container has behind it (imports, clients), and returns
what is measured. It is called once, in a process of its own: `benchmarks.measure`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.servers import HOST, Folder, Ports

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEY = "artifact.zip"
Action = Callable[[], None]


@dataclass(frozen=True)
class Run:
    """What one run has to do."""

    folder: Folder
    ports: Ports
    repository: str
    commit: str
    bucket: str
    work: Path
    """Empty directory, and the only one that may be written to."""

    @property
    def api_url(self) -> str:
        """Root of the provider's API."""
        return f"https://{HOST}:{self.ports.archive}/api/v3"

    @property
    def zip_url(self) -> str:
        """Where the provider serves the zip, after a redirect."""
        return f"{self.api_url}/repos/{self.repository}/zipball/{self.commit}"

    @property
    def ssh_url(self) -> str:
        """Where to clone from."""
        return f"ssh://git@{HOST}:{self.ports.ssh}/{self.repository}.git"

    @property
    def known_hosts(self) -> str:
        """The SSH server's line of known_hosts."""
        key = self.folder.host_key.with_suffix(".pub").read_text().strip()
        return f"[{HOST}]:{self.ports.ssh} {key}"

    @cached_property
    def s3(self) -> "S3Client":
        """The functions' own client, with a connection that stands."""
        from lambdas.common import clients

        client = clients.s3()
        try:
            client.head_object(Bucket="warm", Key=KEY)
        except client.exceptions.ClientError:
            return client
        raise AssertionError("the bucket is empty")
