"""The git host put together, for a thread of a test or for a process of its own."""

import asyncio
import logging
import re
import socket
import ssl
import tempfile
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import asyncssh
from aiohttp import web

from sandbox.git_host.access import Context
from sandbox.git_host.address import Address
from sandbox.git_host.app import application
from sandbox.git_host.certificates import Certificates
from sandbox.git_host.dialects import DIALECTS, Dialect
from sandbox.git_host.faults import Faults
from sandbox.git_host.git import ZEROS, GitFailed, GitRepository, RefUpdate, environment, parse_updates, write_hooks
from sandbox.git_host.lfs import LfsServer
from sandbox.git_host.pushes import Push, read_change
from sandbox.git_host.records import DeployKey, Hook, HookDelivery, Repository, Status, User, UserKey, now
from sandbox.git_host.smart_http import SmartHttp
from sandbox.git_host.ssh import SshServer, pipe
from sandbox.git_host.store import Store
from sandbox.git_host.webhooks import Webhooks

log = logging.getLogger(__name__)

_START_SECONDS = 30.0
T = TypeVar("T")
# GitLab nests groups; Bitbucket Data Center keeps a person's repositories under ~user.
_FULL_NAME = re.compile(r"(?!\.\.?/)~?[\w.-]+(/(?!\.\.?(/|$))[\w.-]+)+")


class GitHost:
    """A git host on 127.0.0.1 that looks like each kind of provider, by the paths of their APIs.

    Its state survives in `state_dir`. In a test: `with GitHost(tmp_path) as host: ...`. The methods that make and read
    things work whether it runs or not, and from any thread.

    Args:
        state_dir: where repositories, keys, certificates and everything else live; made if missing.
        port: HTTPS port; 0 takes a free one.
        ssh_port: SSH port; 0 takes a free one.
        ssh_host: address that SSH is served on: servers of GitLab, Gitea and others have another one than their page.
        ssh_user: user that git signs in as over SSH.
        ssh_words: whose words it refuses with over SSH, a key of `ssh_words.WORDS`.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        port: int = 0,
        ssh_port: int = 0,
        ssh_host: str = "127.0.0.1",
        ssh_user: str = "git",
        ssh_words: str = "github",
    ) -> None:
        self.state_dir = state_dir.resolve()
        self.port = port
        self.ssh_port = ssh_port
        self.ssh_host = ssh_host
        self.ssh_user = ssh_user
        self.certificates = Certificates(self.state_dir / "tls")
        self.store = Store(self.state_dir / "host.sqlite3")
        self.faults = Faults(self.store)
        self._hooks = self.state_dir / "hooks"
        write_hooks(self._hooks)
        self.lfs = LfsServer(self.store, self.state_dir / "lfs", lambda: self.url)
        self._ssh = SshServer(
            self.store,
            self.lfs,
            self.state_dir / "ssh_host_ed25519",
            self._serve_ssh,
            host=ssh_host,
            user=ssh_user,
            words=ssh_words,
        )
        self._dialects: list[Dialect] = []
        self._background: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    # Addresses and trust

    @property
    def url(self) -> str:
        """The address, `https://127.0.0.1:<port>`: the base URL of a provider of any kind."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def api_url(self) -> str:
        """The address of the REST API that is like GitHub's."""
        return f"{self.url}/api/v3"

    @property
    def ca_pem(self) -> str:
        """The certificate of the CA that signed this host's."""
        return self.certificates.ca_pem

    @property
    def ca_file(self) -> Path:
        """Where `ca_pem` lies."""
        return self.certificates.ca_file

    @property
    def host_key(self) -> str:
        """The public SSH host key, `ssh-ed25519 AAAA...`."""
        return self._ssh.host_key

    @property
    def known_hosts_line(self) -> str:
        """The line of a known_hosts file for this host."""
        return f"[{self.ssh_host}]:{self.ssh_port} {self.host_key}"

    def ssh_url(self, full_name: str) -> str:
        """The SSH clone URL of a repository."""
        return self._address.ssh_url(full_name)

    @property
    def _address(self) -> Address:
        return Address(self.url, self.ssh_port, self.ssh_host, self.ssh_user)

    # What is on it

    def create_user(self, login: str, *, organization: bool = False) -> User:
        """Make the user or organization, or return it."""
        return self.store.create_user(login, organization=organization)

    def create_token(
        self,
        login: str = "octocat",
        *,
        scopes: Iterable[str] = ("repo",),
        permissions: Mapping[str, str] | None = None,
        token: str = "",
    ) -> str:
        """Make a token of the user, who is made if missing; see `Store.create_token`.

        A token that may write neither webhooks nor deploy keys:
        `permissions={"metadata": "read", "contents": "read"}`.
        """
        self.create_user(login)
        return self.store.create_token(login, scopes=scopes, permissions=permissions, token=token)

    def create_oauth_consumer(self, login: str) -> tuple[str, str]:
        """Make an OAuth consumer of Bitbucket Cloud that acts as the user; returns its key and secret."""
        return self.store.create_oauth_consumer(login)

    def create_repository(
        self,
        full_name: str,
        *,
        private: bool = True,
        default_branch: str = "main",
        admins: Iterable[str] = ("octocat",),
        deploy_keys_enabled: bool = True,
    ) -> Repository:
        """Make an empty repository, its owner (an organization if new) and its admins; or return the one there is."""
        if not _FULL_NAME.fullmatch(full_name):
            raise ValueError(f"not owner/name: {full_name}")
        owner, _, name = full_name.rpartition("/")
        repository = self.store.repository(owner, name)
        if repository is None:
            if self.store.user(owner) is None:
                self.create_user(owner, organization=owner not in admins)
            repository = self.store.create_repository(
                owner,
                name,
                private=private,
                default_branch=default_branch,
                deploy_keys_enabled=deploy_keys_enabled,
            )
            self.git(repository).create(default_branch)
        for login in admins:
            self.store.grant(repository, self.create_user(login))
        return repository

    def add_user_key(self, login: str, public_key: str, title: str = "key") -> UserKey:
        """Let the person push and fetch over SSH with this key."""
        return self.store.add_user_key(self.create_user(login), title=title, key=public_key)

    def git(self, repository: Repository) -> GitRepository:
        """The repository's files."""
        return GitRepository(self._root / repository.owner / f"{repository.name}.git", self._hooks)

    def repository_path(self, full_name: str) -> Path:
        """Where the bare repository lies."""
        return self.git(self._repository(full_name)).path

    def hooks(self, full_name: str) -> list[Hook]:
        """The repository's webhooks."""
        return self.store.hooks(self._repository(full_name))

    def hook_deliveries(self, full_name: str) -> list[HookDelivery]:
        """What was sent to the repository's webhooks, newest first."""
        deliveries = [one for hook in self.hooks(full_name) for one in self.store.hook_deliveries(hook, limit=1000)]
        return sorted(deliveries, key=lambda one: one.id, reverse=True)

    def deploy_keys(self, full_name: str) -> list[DeployKey]:
        """The repository's deploy keys."""
        return self.store.deploy_keys(self._repository(full_name))

    def statuses(self, full_name: str, sha: str) -> list[Status]:
        """The commit's statuses, newest first."""
        return self.store.statuses(self._repository(full_name), sha)

    def add_lfs_object(self, full_name: str, data: bytes) -> str:
        """Keep a Git LFS object of the repository; returns its id, the SHA-256 in hex."""
        return self.lfs.put(self._repository(full_name), data)

    def lfs_object_path(self, full_name: str, oid: str) -> Path:
        """Where the repository's Git LFS object lies, or would."""
        return self.lfs.path(self._repository(full_name), oid)

    # Running

    def start(self) -> Self:
        """Serve in a thread; returns when both ports answer.

        Raises:
            OSError: a port is taken.
        """
        ready = threading.Event()
        self._failure = None

        def run() -> None:
            try:
                asyncio.run(self.serve(ready.set))
            except BaseException as error:  # noqa: BLE001  handed to the thread that waits, which raises it
                self._failure = error
            finally:
                ready.set()

        self._thread = threading.Thread(target=run, name="git-host", daemon=True)
        self._thread.start()
        if not ready.wait(_START_SECONDS):
            raise TimeoutError("the git host did not start in time")
        if self._failure:
            raise self._failure
        return self

    def stop(self) -> None:
        """Stop serving; the state stays."""
        if self._loop and self._stopping and self._thread and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(_START_SECONDS)
        self._thread = None

    async def serve(self, ready: Callable[[], None]) -> None:
        """Serve until `stop`; calls `ready` when both ports answer.

        Raises:
            OSError: a port is taken.
        """
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self.ssh_port = await self._ssh.start(self.ssh_port)
        listening = self._listen()
        webhooks = Webhooks(self.store, self._trust())
        await webhooks.start()
        context = Context(self.store, self._address, webhooks, self.git, self.host_key)
        self._dialects = [dialect(context) for dialect in DIALECTS]
        more = [*SmartHttp(context, self._serve_http).routes(), *self.lfs.routes()]
        app = application(self._dialects, more, self.faults)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)
        await runner.setup()
        await web.SockSite(runner, listening, ssl_context=self.certificates.server_context()).start()
        log.info("git host at %s, ssh port %s", self.url, self.ssh_port)
        ready()
        try:
            await self._stopping.wait()
        finally:
            await self._ssh.stop()
            await runner.cleanup()
            await asyncio.gather(*self._background, return_exceptions=True)
            await webhooks.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _root(self) -> Path:
        return self.state_dir / "repositories"

    def _listen(self) -> socket.socket:
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", self.port))
        self.port = listening.getsockname()[1]
        return listening

    def _trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.load_verify_locations(self.ca_file)
        return context

    def _repository(self, full_name: str) -> Repository:
        owner, _, name = full_name.rpartition("/")
        repository = self.store.repository(owner, name)
        if repository is None:
            raise LookupError(f"no repository {full_name}")
        return repository

    # git services, and what a push sets off

    async def _serve_ssh(
        self, repository: Repository, user: User | None, service: str, process: "asyncssh.SSHServerProcess[bytes]"
    ) -> int:
        async def exchange(child: asyncio.subprocess.Process) -> int:
            return await pipe(process, child)

        command = [service, str(self.git(repository).path)]
        protocol = process.env.get("GIT_PROTOCOL", "") if process.env else ""
        variables = {"GIT_PROTOCOL": protocol} if protocol else {}
        return await self._run(repository, user, command, variables, exchange)

    async def _serve_http(
        self,
        repository: Repository,
        user: User | None,
        variables: dict[str, str],
        exchange: Callable[[asyncio.subprocess.Process], Awaitable[None]],
    ) -> None:
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
        with tempfile.TemporaryDirectory(prefix="push-", dir=self.state_dir) as directory:
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
        self.store.update_repository(repository, pushed_at=now(), updated_at=now())
        await self._adopt_default_branch(repository, git, updates)
        fresh = self.store.repository(repository.owner, repository.name) or repository
        owner = self.store.user(repository.owner)
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
        for dialect in self._dialects:
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
            self.store.update_repository(repository, default_branch=name)
