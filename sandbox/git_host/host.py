"""The git host put together, for a thread of a test or for a process of its own."""

import asyncio
import logging
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from sandbox.git_host.access import Context
from sandbox.git_host.address import Address
from sandbox.git_host.app import application
from sandbox.git_host.certificates import Certificates
from sandbox.git_host.dialects import DIALECTS
from sandbox.git_host.faults import Faults
from sandbox.git_host.git import GitRepository
from sandbox.git_host.git_services import GitServices
from sandbox.git_host.lfs import LfsServer
from sandbox.git_host.records import DeployKey, Hook, HookDelivery, Repository, Status, User, UserKey
from sandbox.git_host.smart_http import SmartHttp
from sandbox.git_host.ssh import SshServer
from sandbox.git_host.store import Store
from sandbox.git_host.webhooks import Webhooks

log = logging.getLogger(__name__)

_START_SECONDS = 30.0
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
        self._services = GitServices(self.store, self.state_dir)
        self.lfs = LfsServer(self.store, self.state_dir / "lfs", lambda: self.url)
        self._ssh = SshServer(
            self.store,
            self.lfs,
            self.state_dir / "ssh_host_ed25519",
            self._services.serve_ssh,
            host=ssh_host,
            user=ssh_user,
            words=ssh_words,
        )
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
        return self._services.git(repository)

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
        self._services.dialects = dialects = [dialect(context) for dialect in DIALECTS]
        more = [*SmartHttp(context, self._services.serve_http).routes(), *self.lfs.routes()]
        app = application(dialects, more, self.faults)
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
            await self._services.settled()
            await webhooks.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

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
