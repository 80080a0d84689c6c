"""A provider and an S3 on the loopback, each server a process of its own and none of them cleverer than it must be."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import trustme

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Folder:
    """Where servers and clients find what they share."""

    root: Path

    @property
    def ca(self) -> Path:
        """The authority's certificate, PEM."""
        return self.root / "ca.pem"

    @property
    def certificate(self) -> Path:
        """The servers' certificate and its key, PEM."""
        return self.root / "server.pem"

    @property
    def host_key(self) -> Path:
        """The SSH server's private key."""
        return self.root / "host_key"

    @property
    def client_key(self) -> Path:
        """The private key that the SSH server lets in."""
        return self.root / "client_key"

    @property
    def trees(self) -> Path:
        """`<full name>.git` and `<full name>.served.zip`."""
        return self.root / "trees"

    @property
    def kept(self) -> Path:
        """`<bucket>.zip`: the object of each bucket that is kept, see `s3_sink`."""
        return self.root / "kept"

    def prepare(self) -> None:
        """Make certificates and keys."""
        self.trees.mkdir()
        self.kept.mkdir()
        authority = trustme.CA(organization_name="Sluice benchmarks")
        authority.cert_pem.write_to_path(str(self.ca))
        authority.issue_cert(HOST).private_key_and_cert_chain_pem.write_to_path(str(self.certificate))
        for path in (self.host_key, self.client_key):
            path.touch(mode=0o600)
            key = asyncssh.generate_private_key("ssh-ed25519")
            path.write_bytes(key.export_private_key())
            path.with_suffix(".pub").write_bytes(key.export_public_key())


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the servers listen."""

    archive: int
    ssh: int
    sink: int


@contextmanager
def running(folder: Folder) -> Iterator[Ports]:
    """Run the three servers. Raises RuntimeError if one does not start."""
    with ExitStack() as stack:
        yield Ports(*(stack.enter_context(_server(name, folder)) for name in ("archive", "ssh", "s3_sink")))


@contextmanager
def _server(name: str, folder: Folder) -> Iterator[int]:
    """A server process; it ends when its standard input does, so that it never outlives this process."""
    command = [sys.executable, "-m", f"benchmarks.servers.{name}", str(folder.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ) as process:
        assert process.stdin
        assert process.stdout
        try:
            line = process.stdout.readline().strip()
            if not line.isdigit():
                raise RuntimeError(f"{shlex.join(command)} did not start")
            yield int(line)
        finally:
            process.stdin.close()
