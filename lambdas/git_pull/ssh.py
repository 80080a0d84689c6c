"""The SSH side of a fetch: our key, and the only host keys that are accepted."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pygit2
from pygit2.enums import CredentialType

from lambdas.common import known_hosts
from lambdas.common.errors import PermanentFailure, TemporaryFailure

CONNECT_TIMEOUT, READ_TIMEOUT = 10_000, 60_000
"""Milliseconds."""


class KeyRefused(PermanentFailure):
    """The Git server does not take our key."""


class WrongHostKey(PermanentFailure):
    """The Git server shows a host key that is not pinned."""


def private_key(secret_value: str) -> str:
    """The current private key in the JSON of the SSH key's secret. Raises PermanentFailure if there is none."""
    try:
        return str(json.loads(secret_value)["current"]["private_key"])
    except (ValueError, KeyError, TypeError):
        raise PermanentFailure(
            "The stack has no SSH key: it was revoked, or never made. Rotate the SSH key to get a new one"
        ) from None


def private_key_of(secret_value: str, fingerprint: str) -> str | None:
    """The private key of that fingerprint, current or pending; None if the secret does not hold it."""
    try:
        keys = json.loads(secret_value).values()
        return next((str(key["private_key"]) for key in keys if key and key["fingerprint"] == fingerprint), None)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def trusted_lines(text: str, host: str, port: int) -> str:
    """The lines of a known_hosts file that trust a host's keys, without the marks that only OpenSSH reads.

    Raises PermanentFailure if there are none: an unknown host is never trusted.
    """
    if not text.strip():
        raise PermanentFailure("The Git server's host key is not known (SshKnownHosts is empty), so it is not trusted")
    found, name = known_hosts.known(text, host, port), known_hosts.name_of(host, port)
    keys = [key for key in found.keys if key.split()[0] in known_hosts.VERIFIABLE]
    if keys:
        return "".join(f"{name} {key}\n" for key in keys)
    shown = f"{host} (port {port})"
    if found.authorities:
        why = f"SshKnownHosts trusts an authority for {shown}, and git pull cannot verify host certificates"
    elif found.keys:
        why = f"SshKnownHosts has only keys for {shown} of types that git pull cannot verify"
    elif found.revoked:
        why = f"SshKnownHosts says that the host key of {shown} is revoked"
    else:
        why = f"SshKnownHosts has no host key of {shown}"
    raise WrongHostKey(f"{why}: confirm the keys that the server has today. Nothing was fetched")


def trust_only(text: str, home: Path, *, host: str, port: int) -> None:
    """Make libgit2 accept a host's keys in known_hosts lines and no others, for this whole process.

    Raises PermanentFailure as `trusted_lines` does.
    """
    lines = trusted_lines(text, host, port)
    folder = home / ".ssh"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "known_hosts").write_text(lines)
    pygit2.settings.homedir = str(home)
    pygit2.settings.server_connect_timeout = CONNECT_TIMEOUT
    pygit2.settings.server_timeout = READ_TIMEOUT


def wrong_host_key(host: str) -> WrongHostKey:
    """What is said of a host that shows a key which is not pinned."""
    return WrongHostKey(f"The host key of {host} is not the one in SshKnownHosts: nothing was fetched")


def key_refused() -> KeyRefused:
    """What is said where our key opens nothing."""
    return KeyRefused("The Git server does not accept the SSH key: add PublicSSHKey to the repository as a deploy key")


class SshCallbacks(pygit2.RemoteCallbacks):
    """Authenticates with one key, insists on a known host, and stops in time."""

    def __init__(self, *, key: str, check_time: Callable[[], None]) -> None:
        super().__init__()
        self._key, self._check_time = key, check_time
        self._offered = False

    def certificate_check(self, certificate: None, valid: bool, host: bytes | str) -> bool:  # noqa: ARG002
        """Return libgit2's verdict on the host key: pygit2's own default accepts any.

        Raises PermanentFailure for a host key that is not among the known ones.
        """
        if not valid:
            name = host.decode(errors="replace") if isinstance(host, bytes) else host
            raise wrong_host_key(name)
        return True

    def credentials(
        self,
        url: str,  # noqa: ARG002 - libgit2's signature
        username_from_url: str | None,
        allowed_types: CredentialType,
    ) -> pygit2.KeypairFromMemory | pygit2.Username:
        """Offer the key, once. Raises PermanentFailure when it was refused."""
        user = username_from_url or "git"
        if allowed_types & CredentialType.USERNAME and not allowed_types & CredentialType.SSH_KEY:
            return pygit2.Username(user)
        if self._offered:
            raise key_refused()
        self._offered = True
        return pygit2.KeypairFromMemory(user, None, self._key, "")

    def transfer_progress(self, stats: object) -> None:  # noqa: ARG002
        """Stop a fetch that would outlive the function."""
        self._check_time()


def in_seconds(key: str, seconds: float) -> SshCallbacks:
    """For a question that is to be answered within so many seconds; raises TemporaryFailure after that."""
    deadline = time.monotonic() + seconds

    def check_time() -> None:
        if time.monotonic() > deadline:
            raise TemporaryFailure("The Git server did not answer in time")

    return SshCallbacks(key=key, check_time=check_time)
