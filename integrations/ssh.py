"""SSH host keys: what a server presents, and what known_hosts lines pin. The only asyncssh of the product.

A scan ends with the key exchange, so it needs no account. Hosts given by people are guarded as in `integrations.http`.
"""

import asyncio
import socket
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from integrations.errors import HostNotAllowed, ProviderUnreachable
from integrations.providers.public_keys import fingerprint
from lambdas.common import known_hosts
from lambdas.common.addresses import Network, may_connect
from lambdas.common.known_hosts import Known

CONNECT_TIMEOUT, EXCHANGE_TIMEOUT = 3.05, 8.0  # seconds
MAX_ADDRESSES = 2
# One key of each type: https://man.openbsd.org/sshd_config#HostKeyAlgorithms. An RSA key signs with SHA-2 only.
_ALGORITHMS = tuple(
    ("rsa-sha2-512", "rsa-sha2-256") if each == "ssh-rsa" else (each,) for each in known_hosts.VERIFIABLE
)


@dataclass(frozen=True, slots=True)
class HostKey:
    """A server's public key: `text` is `<type> <base64>`."""

    text: str

    @property
    def type(self) -> str:
        """Such as ssh-ed25519."""
        return self.text.split()[0]

    @property
    def fingerprint(self) -> str:
        """SHA256:..., as OpenSSH shows it."""
        return fingerprint(self.text)


def scan(host: str, port: int, *, allowed_networks: Sequence[Network] = ()) -> list[HostKey]:
    """The host keys that a server presents, one of each type; at least one.

    Raises HostNotAllowed for an address that the panel must not connect to, and ProviderUnreachable.
    """
    addresses = _addresses(host, port, allowed_networks)
    # In a thread of their own, as the caller's may run an event loop already.
    with ThreadPoolExecutor(1) as pool:
        exchanges = (pool.submit(asyncio.run, _present(host, addresses, port, each)).result() for each in _ALGORITHMS)
        found = [key for key in exchanges if key]
    if not found:
        raise ProviderUnreachable(
            f"{host} does not speak SSH on port {port}, or has no host key of a type that is safe today.",
            remedy="Check the SSH port.",
            field="ssh_port",
        )
    return found


def known_hosts_lines(host: str, port: int, keys: Iterable[str]) -> str:
    """The lines of a known_hosts file (sshd(8)) for a host with these keys, each `<type> <base64>`."""
    name = known_hosts.name_of(host, port)
    return "\n".join(f"{name} {key}" for key in keys)


def keys_in(lines: str) -> list[HostKey]:
    """The plain keys in known_hosts lines, whichever host they name; authorities, revoked and unreadable ones not."""
    return [HostKey(each.key) for each in known_hosts.lines(lines) if not each.marker]


def keys_of(known: Known) -> list[HostKey]:
    """The keys that are trusted."""
    return [HostKey(key) for key in known.keys]


def _addresses(host: str, port: int, allowed: Sequence[Network]) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        raise ProviderUnreachable(
            f"{host} cannot be reached over SSH: its name does not resolve.", field="base_url"
        ) from None
    addresses = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
    usable = [address for address in addresses if may_connect(address.partition("%")[0], allowed)]
    if not usable:
        raise HostNotAllowed(
            f"{host} resolves to {', '.join(addresses)}, a blocked address.",
            remedy="An administrator can allow private networks with SLUICE_PRIVATE_NETWORKS.",
            field="base_url",
        )
    return usable[:MAX_ADDRESSES]


async def _present(host: str, addresses: Sequence[str], port: int, algorithms: Sequence[str]) -> HostKey | None:
    """The key that a server presents when it may choose among `algorithms` only; None if it has none of them."""
    import asyncssh  # takes a third of a second, and most processes never scan

    asyncssh.set_log_level("WARNING")
    with _connect(host, addresses, port) as connection:
        try:
            async with asyncio.timeout(EXCHANGE_TIMEOUT):
                # The connection is there already, to an address that was checked; no file of whoever runs this is read.
                key = await asyncssh.get_server_host_key(
                    sock=connection,
                    server_host_key_algs=list(algorithms),
                    kex_algs=list(known_hosts.EXCHANGES),
                    config=None,
                )
        except TimeoutError:
            raise ProviderUnreachable(f"{host} did not answer on port {port} as SSH does.", field="ssh_port") from None
        except (OSError, asyncssh.Error):
            # Without a key of these types a server just hangs up, as one does that speaks no SSH.
            return None
    return None if key is None else HostKey(" ".join(key.export_public_key().decode().split()[:2]))


def _connect(host: str, addresses: Sequence[str], port: int) -> socket.socket:
    reason = "no connection"
    for address in addresses:
        try:
            return socket.create_connection((address, port), CONNECT_TIMEOUT)
        except TimeoutError:
            reason = "it did not answer in time"
        except OSError as error:
            reason = (error.strerror or reason).lower()
    raise ProviderUnreachable(f"{host} cannot be reached over SSH on port {port}: {reason}.", field="ssh_port")
