"""The bare repositories, read and written with the git command."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

ZEROS = "0" * 40
_COMMIT_FORMAT = "%H%x1f%T%x1f%P%x1f%an%x1f%ae%x1f%aI%x1f%cn%x1f%ce%x1f%cI%x1f%B"


class GitFailed(RuntimeError):
    """git ended with an error; the message is what it said."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit; times are ISO 8601 with their offset."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: str
    author_email: str
    authored_at: str
    committer: str
    committer_email: str
    committed_at: str
    message: str


@dataclass(frozen=True, slots=True)
class Changes:
    """Paths that a commit touched."""

    added: list[str]
    removed: list[str]
    modified: list[str]


@dataclass(frozen=True, slots=True)
class RefUpdate:
    """One line of a push: a ref went from one object to another; `ZEROS` for none."""

    before: str
    after: str
    ref: str


def environment(hooks: Path, pushed: Path | None = None) -> dict[str, str]:
    """What a git process gets: nothing of the machine's configuration, and the hook that notes pushes.

    Args:
        hooks: directory with the `post-receive` hook, see `write_hooks`.
        pushed: where that hook writes the refs that were pushed.
    """
    settings = {"core.hooksPath": str(hooks), "receive.autogc": "false", "uploadpack.allowFilter": "true"}
    settings |= {"uploadpack.allowAnySHA1InWant": "true", "receive.advertisePushOptions": "false"}
    settings |= {"safe.directory": "*", "core.quotePath": "false"}
    variables = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(hooks), "LC_ALL": "C.UTF-8"}
    variables |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_COUNT": str(len(settings))}
    for index, (name, value) in enumerate(settings.items()):
        variables |= {f"GIT_CONFIG_KEY_{index}": name, f"GIT_CONFIG_VALUE_{index}": value}
    if pushed is not None:
        variables["GIT_HOST_PUSHED"] = str(pushed)
    return variables


def write_hooks(directory: Path) -> None:
    """Write the one hook of all repositories: it notes what was pushed where the server told it to."""
    directory.mkdir(parents=True, exist_ok=True)
    hook = directory / "post-receive"
    hook.write_text('#!/bin/sh\nexec cat >>"${GIT_HOST_PUSHED:-/dev/null}"\n')
    hook.chmod(0o755)


def parse_updates(text: str) -> list[RefUpdate]:
    """Read what the `post-receive` hook wrote."""
    return [RefUpdate(*line.split(" ", 2)) for line in text.splitlines() if line.count(" ") >= 2]


class GitRepository:
    """One bare repository."""

    def __init__(self, path: Path, hooks: Path) -> None:
        self.path = path
        self._environment = environment(hooks)

    def create(self, default_branch: str) -> None:
        """Make it, empty."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        command = ["git", "init", "--quiet", "--bare", f"--initial-branch={default_branch}", str(self.path)]
        subprocess.run(command, check=True, env=self._environment, stdin=subprocess.DEVNULL)

    def delete(self) -> None:
        """Delete its files."""
        shutil.rmtree(self.path, ignore_errors=True)

    async def set_default_branch(self, branch: str) -> None:
        """Point HEAD to the branch."""
        await self.run("symbolic-ref", "HEAD", f"refs/heads/{branch}")

    async def refs(self, *prefixes: str) -> dict[str, str]:
        """Full names of refs below the prefixes, in order, with the commit (or other object) that each stands for."""
        output = await self.run("for-each-ref", "--format=%(objectname) %(*objectname) %(refname)", *prefixes)
        found = {}
        for line in output.splitlines():
            own, peeled, name = line.split(" ", 2)
            found[name] = peeled or own
        return found

    async def object_of(self, ref: str) -> tuple[str, str] | None:
        """The id and type of the object that a full ref name points to, not peeled."""
        output = await self.run("for-each-ref", "--format=%(objectname) %(objecttype) %(refname)", ref)
        for line in output.splitlines():
            sha, kind, name = line.split(" ", 2)
            if name == ref:
                return sha, kind
        return None

    async def resolve(self, name: str) -> str | None:
        """The commit that a branch, tag, full ref or (short) id means, in the order in which GitHub tries them."""
        for candidate in (f"refs/heads/{name}", f"refs/tags/{name}", name):
            try:
                found = await self.run("rev-parse", "--verify", "--quiet", "--end-of-options", candidate + "^{commit}")
            except GitFailed:
                continue
            return found.strip()
        return None

    async def commit(self, sha: str) -> Commit:
        """One commit."""
        return (await self.commits("--max-count=1", sha))[0]

    async def commits(self, *arguments: str) -> list[Commit]:
        """Commits that `git log` lists for the arguments."""
        output = await self.run("log", "-z", f"--format={_COMMIT_FORMAT}", *arguments, "--")
        return [_parse_commit(entry) for entry in output.split("\0") if entry]

    async def changes(self, shas: list[str]) -> dict[str, Changes]:
        """The paths that each commit touched; a merge touches none."""
        command = ("diff-tree", "--stdin", "-r", "-z", "--root", "--no-renames", "--name-status")
        tokens = iter((await self.run(*command, stdin="".join(f"{sha}\n" for sha in shas))).split("\0"))
        found = {sha: Changes([], [], []) for sha in shas}
        current = Changes([], [], [])
        for token in tokens:
            if len(token) == len(ZEROS):
                current = found[token]
            elif token:
                path = next(tokens)
                kinds = {"A": current.added, "D": current.removed}
                kinds.get(token[0], current.modified).append(path)
        return found

    async def differences(self, older: str, newer: str) -> list[tuple[str | None, str | None]]:
        """The paths that differ between two commits, as (path then, path now), None where there is none."""
        output = await self.run("diff-tree", "-r", "-z", "--no-renames", "--name-status", older, newer)
        tokens = output.split("\0")
        return [
            (None if kind == "A" else path, None if kind == "D" else path)
            for kind, path in zip(tokens[::2], tokens[1::2], strict=False)
        ]

    async def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether one commit is reached from the other."""
        try:
            await self.run("merge-base", "--is-ancestor", older, newer)
        except GitFailed:
            return False
        return True

    async def peel(self, name: str) -> str:
        """The commit that an object stands for. Raises GitFailed if it stands for none."""
        return (await self.run("rev-parse", "--verify", f"{name}^{{commit}}")).strip()

    async def tag_message(self, sha: str) -> str:
        """What an annotated tag says."""
        text = await self.run("cat-file", "tag", sha)
        return text.partition("\n\n")[2].rstrip("\n")

    async def missing_from_others(self, sha: str, ref: str) -> set[str]:
        """Commits reached from `sha` that no ref but `ref` reaches."""
        others = [name for name in await self.refs("refs/heads") if name != ref]
        return set((await self.run("rev-list", sha, "--not", *others)).split())

    async def run(self, *arguments: str, stdin: str = "") -> str:
        """Run git and return its output; file names that are not UTF-8 come with replacement characters.

        Raises:
            GitFailed: it ended with an error.
        """
        process = await self.spawn(*arguments, stdin=asyncio.subprocess.PIPE)
        output, errors = await process.communicate(stdin.encode())
        if process.returncode:
            raise GitFailed(errors.decode(errors="replace").strip())
        return output.decode(errors="replace")

    async def spawn(self, *arguments: str, stdin: int = asyncio.subprocess.DEVNULL) -> asyncio.subprocess.Process:
        """Start git in the repository, with its output on a pipe."""
        return await asyncio.create_subprocess_exec(
            "git",
            f"--git-dir={self.path}",
            *arguments,
            env=self._environment,
            stdin=stdin,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    @asynccontextmanager
    async def archive(self, sha: str, folder: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """The commit's tree as chunks of a zip under one folder, or none; the zip's comment is the commit."""
        process = await self.spawn("archive", "--format=zip", f"--prefix={folder}/" if folder else "--prefix=", sha)
        assert process.stdout
        output = process.stdout

        async def chunks() -> AsyncIterator[bytes]:
            while chunk := await output.read(1 << 16):
                yield chunk

        try:
            yield chunks()
        finally:
            if process.returncode is None and not output.at_eof():
                process.kill()
            await process.communicate()


def _parse_commit(entry: str) -> Commit:
    sha, tree, parents, author, author_email, authored_at, rest = entry.split("\x1f", 6)
    committer, committer_email, committed_at, message = rest.split("\x1f", 3)
    return Commit(
        sha=sha,
        tree=tree,
        parents=tuple(parents.split()),
        author=author,
        author_email=author_email,
        authored_at=authored_at,
        committer=committer,
        committer_email=committer_email,
        committed_at=committed_at,
        message=message.rstrip("\n"),
    )
