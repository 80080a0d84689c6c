"""The two ways to a repository: over SSH with the stack's key, over HTTPS with the provider's token."""

import ssl as tls
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pygit2

from lambdas.common.errors import FetchError, PermanentFailure
from lambdas.common.https import tls_context
from lambdas.git_pull import lfs_access, ssh, ssh_question
from lambdas.git_pull.lfs_access import Access
from lambdas.git_pull.relay import Credentials, Relay
from lambdas.git_pull.settings import HTTPS, Settings

CheckTime = Callable[[], None]


class Transport(Protocol):
    """What a fetch has to know of the way to the Git server."""

    host: str
    """Whose submodules are fetched, and whose Git LFS server may have a private address."""

    def address(self, repository: str) -> str:
        """Stands for the repository, also in names of what is kept; there is no secret in it."""

    def url(self, repository: str) -> str:
        """What libgit2 is to connect to."""

    def callbacks(self) -> pygit2.RemoteCallbacks:
        """For one conversation."""

    def failure(self, repository: str) -> FetchError | None:
        """Why libgit2 had no answer, where that is known better than from its own words. Raises FetchError too."""

    def lfs_access(self, repository: str) -> Access:
        """Where the repository's Git LFS objects are. Raises FetchError."""


class Ssh:
    """With the stack's key, and the host keys that are pinned."""

    def __init__(self, settings: Settings, key: str, root: Path, check_time: CheckTime) -> None:
        """Raises PermanentFailure without a host key to trust."""
        ssh.trust_only(settings.ssh_known_hosts, root / "home", host=settings.ssh_host, port=settings.ssh_port)
        self._settings, self._key, self._check_time = settings, key, check_time
        self.host = settings.ssh_host

    def address(self, repository: str) -> str:
        return self._settings.url(repository)

    url = address

    def callbacks(self) -> pygit2.RemoteCallbacks:
        return ssh.SshCallbacks(key=self._key, check_time=self._check_time)

    def failure(self, repository: str) -> FetchError | None:
        return ssh_question.why(repository, settings=self._settings, key=self._key)

    def lfs_access(self, repository: str) -> Access:
        return lfs_access.access_to(repository, settings=self._settings, key=self._key)


class Https:
    """With the token, through a relay."""

    def __init__(self, settings: Settings, relay: Relay, credentials: Credentials, check_time: CheckTime) -> None:
        self._settings, self._relay, self._credentials = settings, relay, credentials
        self._check_time = check_time
        self.host = settings.git_host

    def address(self, repository: str) -> str:
        return f"{self._settings.git_url}/{repository}.git"

    def url(self, repository: str) -> str:
        return self._relay.url(repository)

    def callbacks(self) -> pygit2.RemoteCallbacks:
        return _InTime(self._check_time)

    def failure(self, repository: str) -> FetchError | None:  # noqa: ARG002 - the relay asked for no other
        return self._relay.failure

    def lfs_access(self, repository: str) -> Access:
        return Access(f"{self.address(repository)}/info/lfs", dict(self._credentials()))


class _InTime(pygit2.RemoteCallbacks):
    def __init__(self, check_time: CheckTime) -> None:
        super().__init__()
        self._check_time = check_time

    def transfer_progress(self, stats: object) -> None:  # noqa: ARG002
        """Stop a fetch that would outlive the function."""
        self._check_time()


@contextmanager
def opened(
    settings: Settings, *, key: str, credentials: Credentials | None, root: Path, check_time: CheckTime
) -> Iterator[Transport]:
    """The way that the stack is set to, until the end of the block. Raises PermanentFailure."""
    if settings.transport != HTTPS:
        yield Ssh(settings, key, root, check_time)
        return
    if credentials is None or not settings.git_url:
        raise PermanentFailure("Git pull over HTTPS needs the address of the Git server (GitUrl)")
    context: tls.SSLContext = tls_context(settings.ca_bundle)
    with Relay(settings.git_url, credentials, context) as relay:
        yield Https(settings, relay, credentials, check_time)
