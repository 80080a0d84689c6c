"""Runs methods against the servers, each run in a process of its own."""

import itertools
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.measure import Measured
from benchmarks.servers import HOST, Folder, Ports
from benchmarks.trees import Tree

_TIMEOUT = 300
"""Seconds for one run: the slowest takes a tenth of it."""
_numbers = itertools.count(1)


class MethodFailed(Exception):
    """A method ended with an error; what it said is on standard error."""


@dataclass(frozen=True, slots=True)
class Session:
    """Servers that run."""

    folder: Folder
    ports: Ports

    def run(self, method: str, tree: Tree, *, keep: bool = False) -> tuple[Measured, Path]:
        """Run a method once, into an empty bucket and with an empty directory.

        Returns what it took, and where its artifact is if it is to be kept. Raises MethodFailed.
        """
        bucket = f"{'keep' if keep else 'run'}-{next(_numbers)}"
        work = self.folder.root / bucket
        work.mkdir()
        job = {
            "folder": str(self.folder.root),
            "ports": asdict(self.ports),
            "repository": tree.repository,
            "commit": tree.commit,
            "bucket": bucket,
            "work": str(work),
        }
        try:
            process = subprocess.run(
                [sys.executable, "-m", "benchmarks.measure", method],
                input=json.dumps(job),
                stdout=subprocess.PIPE,
                env=self._environment(work),
                text=True,
                check=True,
                timeout=_TIMEOUT,
            )
        except subprocess.CalledProcessError as error:
            raise MethodFailed(f"{method} failed on {tree.size.name} ({error.returncode})") from None
        except subprocess.TimeoutExpired:
            raise MethodFailed(f"{method} took longer than {_TIMEOUT} s on {tree.size.name}") from None
        finally:
            shutil.rmtree(work)
        return Measured(**json.loads(process.stdout.splitlines()[-1])), self.folder.kept / f"{bucket}.zip"

    def in_turns(self, methods: Sequence[str], tree: Tree, runs: int) -> dict[str, list[Measured]]:
        """Run the methods one after the other, and all that again: what disturbs the machine disturbs each of them."""
        found: dict[str, list[Measured]] = {method: [] for method in methods}
        for _ in range(runs):
            for method in methods:
                found[method].append(self.run(method, tree)[0])
        return found

    def equal_to_git_archive(self, tree: Tree) -> bool:
        """Whether zip download's artifact is byte for byte that of `git archive`."""
        with self._artifact("zip_download", tree) as artifact:
            return _equal(artifact, tree.expected)

    def same_content_and_bytes(self, tree: Tree) -> tuple[bool, bool]:
        """Whether git pull's artifact has the files of `git archive`, and whether two processes make equal bytes."""
        with self._artifact("git_pull", tree) as first, self._artifact("git_pull", tree) as second:
            return _content(first) == _content(tree.expected), _equal(first, second)

    @contextmanager
    def _artifact(self, method: str, tree: Tree) -> Iterator[Path]:
        artifact = self.run(method, tree, keep=True)[1]
        try:
            yield artifact
        finally:
            artifact.unlink()

    def _environment(self, work: Path) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "GIT_"))}
        return inherited | {
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            # Over plain HTTP boto3 would hash each payload, which it does not over TLS.
            "AWS_ENDPOINT_URL_S3": f"https://{HOST}:{self.ports.sink}",
            "AWS_CA_BUNDLE": str(self.folder.ca),
            "NO_PROXY": HOST,
            "PYTHONDONTWRITEBYTECODE": "1",
            "TMPDIR": str(work),
        }


def _equal(one: Path, other: Path) -> bool:
    """Compare two files a piece at a time."""
    if one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as a, other.open("rb") as b:
        while piece := a.read(1024 * 1024):
            if piece != b.read(1024 * 1024):
                return False
    return True


def _content(path: Path) -> dict[str, tuple[int, int, int]]:
    """Name -> mode, CRC-32 and size of each file. git notes no mode for what is not executable."""
    with zipfile.ZipFile(path) as archive:
        return {
            entry.filename: (entry.external_attr >> 16 or 0o100644, entry.CRC, entry.file_size)
            for entry in archive.infolist()
            if not entry.is_dir()
        }
