"""What git runs for people who fetch and push, and what a push sets off."""

import asyncio
import logging
import tempfile
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import asyncssh

from sandbox.git_host.dialects import Dialect
from sandbox.git_host.git import ZEROS, GitFailed, GitRepository, RefUpdate, environment, parse_updates, write_hooks
from sandbox.git_host.pushes import Push, read_change
from sandbox.git_host.records import Repository, User, now
from sandbox.git_host.ssh import pipe
from sandbox.git_host.store import Store

log = logging.getLogger(__name__)

T = TypeVar("T")


class GitServices:
    """Runs git's own services on the repositories in `state_dir`, and has the dialects tell of each push.

    Attributes:
        dialects: who tells of a push; set when the host starts.
    """

    def __init__(self, store: Store, state_dir: Path) -> None:
        self._store = store
        self._work_dir = state_dir
        self._root = state_dir / "repositories"
        self._hooks = state_dir / "hooks"
        write_hooks(self._hooks)
        self.dialects: list[Dialect] = []
        self._background: set[asyncio.Task[None]] = set()

    def git(self, repository: Repository) -> GitRepository:
        """The repository's files."""
        return GitRepository(self._root / repository.owner / f"{repository.name}.git", self._hooks)

    async def settled(self) -> None:
        """Return when all that was pushed so far is told."""
        await asyncio.gather(*self._background, return_exceptions=True)

    async def serve_ssh(
        self, repository: Repository, user: User | None, service: str, process: "asyncssh.SSHServerProcess[bytes]"
    ) -> int:
        """Serve one fetch or push over SSH; returns git's exit status."""

        async def exchange(child: asyncio.subprocess.Process) -> int:
            return await pipe(process, child)

        command = [service, str(self.git(repository).path)]
        protocol = process.env.get("GIT_PROTOCOL", "") if process.env else ""
        variables = {"GIT_PROTOCOL": protocol} if protocol else {}
        return await self._run(repository, user, command, variables, exchange)

    async def serve_http(
        self,
        repository: Repository,
        user: User | None,
        variables: dict[str, str],
        exchange: Callable[[asyncio.subprocess.Process], Awaitable[None]],
    ) -> None:
        """Serve one request over HTTP; `variables` are CGI's, `exchange` talks with the process."""
        variables = variables | {"GIT_PROJECT_ROOT": str(self._root), "GIT_HTTP_EXPORT_ALL": "1"}
        await self._run(repository, user, ["git", "http-backend"], variables, exchange)

    async def _run(
        self,
        repository: Repository,
        user: User | None,
        command: list[str],
        variables: dict[str, str],
        exchange: Callable[[asyncio.subprocess.Process], Awaitable[T]],
    ) -> T:
        with tempfile.TemporaryDirectory(prefix="push-", dir=self._work_dir) as directory:
            pushed = Path(directory) / "updates"
            process = await asyncio.create_subprocess_exec(
                *command,
                env=environment(self._hooks, pushed) | variables,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            try:
                result = await exchange(process)
                await process.wait()
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
                updates = parse_updates(pushed.read_text(errors="surrogateescape")) if pushed.exists() else []
                if updates:
                    self._in_background(self._pushed(repository, user, updates))
        return result

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _pushed(self, repository: Repository, user: User | None, updates: list[RefUpdate]) -> None:
        git = self.git(repository)
        self._store.update_repository(repository, pushed_at=now(), updated_at=now())
        await self._adopt_default_branch(repository, git, updates)
        fresh = self._store.repository(repository.owner, repository.name) or repository
        owner = self._store.user(repository.owner)
        pusher = user or owner or User(0, repository.owner, repository.owner, "", "User")
        changes = []
        for update in updates:
            if not update.ref.startswith(("refs/heads/", "refs/tags/")):
                continue
            try:
                changes.append(await read_change(git, update))
            except GitFailed:
                log.exception("no event for %s of %s", update.ref, repository.full_name)
        self._tell(Push(fresh, owner, pusher, tuple(changes)))

    def _tell(self, push: Push) -> None:
        for dialect in self.dialects:
            hooks = [hook for hook in dialect.hooks(push.repository) if hook.active]
            messages = dialect.messages(push) if hooks and push.changes else []
            for hook in hooks:
                for message in messages:
                    if dialect.wants(hook, message):
                        dialect.send(push.repository, hook, message)

    async def _adopt_default_branch(self, repository: Repository, git: GitRepository, updates: list[RefUpdate]) -> None:
        """The first branch pushed to an empty repository becomes its default one, as on GitHub."""
        branches = await git.refs("refs/heads")
        pushed = [update.ref for update in updates if update.ref in branches and update.after != ZEROS]
        if f"refs/heads/{repository.default_branch}" in branches or not pushed:
            return
        if set(branches) <= set(pushed):
            name = pushed[0].removeprefix("refs/heads/")
            await git.set_default_branch(name)
            self._store.update_repository(repository, default_branch=name)
