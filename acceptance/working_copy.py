"""A person's clone: commits with everything a zip could lose, pushed with the git client over SSH or HTTPS."""

import base64
import os
import stat
import subprocess
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from acceptance.errors import StepFailed

_AUTHOR = {
    "GIT_AUTHOR_NAME": "Ada Lovelace",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada Lovelace",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
}
_KEPT = ("PATH", "HOME", "LANG", "SSH_AUTH_SOCK", "GIT_SSH_COMMAND", "GIT_SSL_CAINFO")


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a commit or of a zip, as far as it must survive."""

    kind: str  # file, executable or symlink
    content: bytes


class WorkingCopy:
    """A clone that shares no history with what the repository has.

    Args:
        directory: where it lies; made if missing.
        remote: URL of the repository.
        environment: how git reaches it: `GIT_SSH_COMMAND`, or what `over_https` gives.
        branch: what it pushes to.
    """

    def __init__(
        self, directory: Path, remote: str, environment: Mapping[str, str] | None = None, *, branch: str = "main"
    ) -> None:
        self._directory, self._branch = directory, branch
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        self._environment = kept | _AUTHOR | {"GIT_CONFIG_GLOBAL": os.devnull} | dict(environment or {})
        self._environment |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
        directory.mkdir(parents=True)
        self._git("init", "--quiet", f"--initial-branch={branch}")
        self._git("remote", "add", "origin", remote)

    def write_everything(self) -> None:
        """Write files of each kind that git knows."""
        write = self._write
        write("README.md", "# Demo\n")
        write("bin/run", "#!/bin/sh\necho running\n", executable=True)
        write("src/deeply/nested/module.py", "print('nested')\n")
        write("docs/Überblick 概要.md", "Unicode names and contents: äöü 漢字 🚀\n")
        write("with space/and 'quotes'.txt", "quoted\n")
        write("empty", "")
        write("data.bin", bytes(range(256)) * 512)
        (self._directory / "current").symlink_to("src/deeply")
        (self._directory / "docs" / "dangling").symlink_to("../no/such/file")

    def write(self, name: str, content: str) -> None:
        """Write one more file."""
        self._write(name, content)

    def commit(self, message: str) -> str:
        """Commit all that lies there; returns the commit."""
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", message)
        return self._git("rev-parse", "HEAD").decode().strip()

    def push(self) -> None:
        """Push the branch."""
        self._git("push", "--quiet", "origin", self._branch)

    def is_there(self) -> bool:
        """Whether the remote has the branch. Raises StepFailed where it cannot be reached."""
        return bool(self._git("ls-remote", "--heads", "origin", f"refs/heads/{self._branch}").strip())

    def delete_branch(self) -> None:
        """Delete the branch at the remote; it has to be there."""
        self._git("push", "--quiet", "origin", "--delete", f"refs/heads/{self._branch}")

    def tree(self, commit: str) -> dict[str, Entry]:
        """What the commit holds."""
        found = {}
        kinds = {"100644": "file", "100755": "executable", "120000": "symlink"}
        for line in self._git("ls-tree", "-r", "-z", commit).split(b"\0"):
            if line:
                meta, _, name = line.partition(b"\t")
                mode, _type, sha = meta.decode().split(" ")
                found[name.decode()] = Entry(kinds[mode], self._git("cat-file", "blob", sha))
        return found

    def _write(self, name: str, content: str | bytes, *, executable: bool = False) -> None:
        path = self._directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        if executable:
            path.chmod(0o755)

    def _git(self, *arguments: str) -> bytes:
        done = subprocess.run(
            ["git", *arguments], cwd=self._directory, env=self._environment, capture_output=True, check=False
        )
        if done.returncode:
            raise StepFailed(f"git {arguments[0]} failed: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout


def over_https(user: str, token: str, ca_file: str = "") -> dict[str, str]:
    """git's environment for HTTPS with a token, which shows neither in a URL nor among the processes' arguments.

    https://git-scm.com/docs/git-config#ENVIRONMENT and `http.extraHeader` there.
    """
    basic = base64.b64encode(f"{user}:{token}".encode()).decode()
    found = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "http.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Basic {basic}",
    }
    return found | ({"GIT_SSL_CAINFO": ca_file} if ca_file else {})


def read_zip(data: bytes) -> dict[str, Entry]:
    """What a zip holds; folders aside, which git does not know."""
    found = {}
    with zipfile.ZipFile(BytesIO(data)) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            mode = info.external_attr >> 16
            kind = "symlink" if stat.S_ISLNK(mode) else "executable" if mode & stat.S_IXUSR else "file"
            found[info.filename] = Entry(kind, archive.read(info))
    return found


def differences(expected: dict[str, Entry], found: dict[str, Entry]) -> list[str]:
    """In words, how the second differs from the first; empty where they are equal."""
    lines = [f"{name} is missing" for name in expected.keys() - found.keys()]
    lines += [f"{name} is too much" for name in found.keys() - expected.keys()]
    for name in expected.keys() & found.keys():
        if expected[name].kind != found[name].kind:
            lines.append(f"{name} is {found[name].kind}, not {expected[name].kind}")
        elif expected[name].content != found[name].content:
            lines.append(f"{name} has other bytes")
    return sorted(lines)
