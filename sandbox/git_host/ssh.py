"""git over SSH: a person's key opens what the person may open, a deploy key its repository, any other nothing."""

import asyncio
import logging
import re
import shlex
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from sandbox.git_host.lfs import AUTHENTICATE, LfsServer
from sandbox.git_host.records import DeployKey, Repository, User
from sandbox.git_host.ssh_words import WORDS
from sandbox.git_host.store import Store

log = logging.getLogger(__name__)

READ, WRITE = "git-upload-pack", "git-receive-pack"
_CHUNK = 1 << 16
_NOT_FOUND = "Repository not found."
_PATH = re.compile(r"/?(?P<owner>~?[\w.-]+(?:/[\w.-]+)*)/(?P<name>[\w.-]+?)(?:\.git)?/?")

Serve = Callable[[Repository, User | None, str, "asyncssh.SSHServerProcess[bytes]"], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a connection's key belongs to: a person, or a repository."""

    user: User | None = None
    deploy_key: DeployKey | None = None
    repository: Repository | None = None

    @property
    def name(self) -> str:
        """How GitHub greets this caller."""
        return self.user.login if self.user else (self.repository.full_name if self.repository else "nobody")


class _Connection(asyncssh.SSHServer):
    """Lets a connection in by its public key alone."""

    def __init__(self, store: Store, user: str) -> None:
        self._store, self._user = store, user
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002  asyncssh's signature
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        if username != self._user:
            return False
        caller = self._caller(key.get_fingerprint("sha256"))
        if caller is None or self._connection is None:
            return False
        self._connection.set_extra_info(caller=caller)
        return True

    def _caller(self, mark: str) -> Caller | None:
        if user := self._store.user_of_key(mark):
            return Caller(user=user)
        if found := self._store.deploy_key(mark):
            return Caller(deploy_key=found[0], repository=found[1])
        return None


class SshServer:
    """The SSH side of the git host.

    Args:
        store: whose keys may open what.
        lfs: what opens a repository's Git LFS objects.
        host_key_file: the host key, made if missing.
        serve: runs git for an accepted request and returns its exit status.
        host: the address to listen on.
        user: the one user that anybody signs in as.
        words: whose words are said to who is refused.
    """

    def __init__(
        self,
        store: Store,
        lfs: LfsServer,
        host_key_file: Path,
        serve: Serve,
        *,
        host: str = "127.0.0.1",
        user: str = "git",
        words: str = "github",
    ) -> None:
        self._host, self._user, self._refused = host, user, WORDS[words]
        self._store = store
        self._lfs = lfs
        self._serve = serve
        if not host_key_file.exists():
            host_key_file.parent.mkdir(parents=True, exist_ok=True)
            host_key_file.touch(mode=0o600)
            host_key_file.write_bytes(asyncssh.generate_private_key("ssh-ed25519").export_private_key())
        self._host_key = asyncssh.read_private_key(host_key_file)
        self._acceptor: asyncssh.SSHAcceptor | None = None

    @property
    def host_key(self) -> str:
        """The public host key, without a comment."""
        return " ".join(self._host_key.export_public_key().decode().split()[:2])

    async def start(self, port: int) -> int:
        """Listen and return the port, which 0 leaves to the system."""
        self._acceptor = await asyncssh.create_server(
            lambda: _Connection(self._store, self._user),
            self._host,
            port,
            server_host_keys=[self._host_key],
            process_factory=self._process,
            encoding=None,
            keepalive_interval=30,
            login_timeout=20,
            agent_forwarding=False,
            allow_pty=False,
            allow_scp=False,
            gss_host=None,
        )
        return self._acceptor.get_port()

    async def stop(self) -> None:
        """Stop listening and close what is open."""
        if self._acceptor:
            self._acceptor.close()
            await self._acceptor.wait_closed()

    async def _process(self, process: "asyncssh.SSHServerProcess[bytes]") -> None:
        caller: Caller = process.get_extra_info("caller")
        try:
            status = await self._run(caller, process)
        except (OSError, asyncssh.Error):
            log.exception("git over SSH failed for %s", caller.name)
            status = 1
        process.exit(status)

    async def _run(self, caller: Caller, process: "asyncssh.SSHServerProcess[bytes]") -> int:
        command = process.command
        if not command:
            process.stderr.write(
                f"Hi {caller.name}! You've successfully authenticated, but this git host has no shell.\n".encode()
            )
            return 1
        try:
            service, path, *rest = shlex.split(command)
        except ValueError:
            service, path, rest = command, "", []
        operation = rest[0] if service == AUTHENTICATE and rest else ""
        if operation:
            service = {"download": READ, "upload": WRITE}.get(operation, "")
        match = _PATH.fullmatch(path)
        if service not in {READ, WRITE} or match is None:
            process.stderr.write(
                b"ERROR: only git-upload-pack, git-receive-pack and git-lfs-authenticate are served.\n"
            )
            return 128
        repository = self._store.repository(match["owner"], match["name"])
        refusal = self._refusal(caller, repository, service) if repository else _NOT_FOUND
        if refusal or repository is None:
            said = self._refused(f"{match['owner']}/{match['name']}", refusal)
            process.stdout.write(said.output)
            process.stderr.write(said.error)
            return said.status
        if operation:
            process.stdout.write(self._lfs.authenticate(repository, operation))
            return 0
        return await self._serve(repository, caller.user, service, process)

    def _refusal(self, caller: Caller, repository: Repository, service: str) -> str:
        if caller.deploy_key:
            if caller.deploy_key.repository_id != repository.id:
                return _NOT_FOUND
            read_only = service == WRITE and caller.deploy_key.read_only
            return "The key you are authenticating with has been marked as read only." if read_only else ""
        permission = self._store.permission(repository, caller.user)
        if not permission:
            return _NOT_FOUND
        denied = service == WRITE and permission == "pull"
        return f"Permission to {repository.full_name}.git denied to {caller.name}." if denied else ""


async def pipe(process: "asyncssh.SSHServerProcess[bytes]", child: asyncio.subprocess.Process) -> int:
    """Join the SSH channel to a child process until it ends; returns its exit status."""
    assert child.stdin
    assert child.stdout
    assert child.stderr
    feeding = asyncio.ensure_future(_feed(process.stdin, child.stdin))
    try:
        await asyncio.gather(_drain(child.stdout, process.stdout), _drain(child.stderr, process.stderr))
        return await child.wait()
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)


async def _feed(source: "asyncssh.SSHReader[bytes]", target: asyncio.StreamWriter) -> None:
    try:
        while chunk := await source.read(_CHUNK):
            target.write(chunk)
            await target.drain()
    except (ConnectionError, asyncssh.Error):
        return  # git has heard enough, or the client is gone
    finally:
        target.close()


async def _drain(source: asyncio.StreamReader, target: "asyncssh.SSHWriter[bytes]") -> None:
    while chunk := await source.read(_CHUNK):
        target.write(chunk)
        await target.drain()
