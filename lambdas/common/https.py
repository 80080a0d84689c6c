"""HTTPS requests: verified, bounded in time, and with failures in words for people."""

import http.client
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urljoin, urlsplit

from lambdas.common.addresses import ANYWHERE, may_connect
from lambdas.common.errors import FetchError, PermanentFailure, TemporaryFailure

TIMEOUT = 30
"""Seconds to connect, and between two reads."""
MAX_REDIRECTS = 5
REDIRECTS = {301, 302, 303, 307, 308}

MAX_ADDRESSES = 4
"""That are tried, of those that a host has."""

Sent = tuple[http.client.HTTPSConnection, http.client.HTTPResponse]
"""The connection is to be closed."""

CheckAddress = Callable[[str, str], None]
"""Sees a host and one of its addresses, and raises FetchError unless that may be connected to."""


def public_but(*own: str, what: str) -> CheckAddress:
    """Other hosts than `own`, and those within them, need a public address. `what` they are, for people."""

    def check(host: str, address: str) -> None:
        name = host.lower()
        is_own = any(name == ours or name.endswith(f".{ours}") for ours in map(str.lower, own))
        if may_connect(address.partition("%")[0], ANYWHERE if is_own else ()):
            return
        why = "is at an address that nothing may be fetched from" if is_own else "has no public address"
        raise PermanentFailure(
            f"{what} {host} {why}" + ("" if is_own else f", and it is not {' or '.join(dict.fromkeys(own))}")
        )

    return check


class _Connection(http.client.HTTPSConnection):
    """Resolves its host once, and connects to an address that was checked."""

    def __init__(
        self, host: str, port: int, *, timeout: float, context: ssl.SSLContext, check_address: CheckAddress | None
    ) -> None:
        super().__init__(host, port, timeout=timeout, context=context)
        self._tls, self._check_address = context, check_address

    def connect(self) -> None:
        """Raises OSError, and what `check_address` does."""
        self.sock = self._tls.wrap_socket(self._reach(), server_hostname=self.host)

    def _reach(self) -> socket.socket:
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        failure: OSError | FetchError = OSError("the host has no address")
        for address in list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))[:MAX_ADDRESSES]:
            try:
                if self._check_address:
                    self._check_address(self.host, address)
                reached = socket.create_connection((address, self.port), self.timeout)
            except (OSError, FetchError) as error:
                failure = error
            else:
                reached.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return reached
        raise failure


def trust(context: ssl.SSLContext, ca_bundle: str) -> None:
    """Let a context trust the certificates of a PEM bundle too. Raises ValueError if there is none in it."""
    try:
        # Bundles have remarks between the certificates, in any language; Python takes only ASCII.
        context.load_verify_locations(cadata=ca_bundle.encode("ascii", "replace").decode())
    except ssl.SSLError as error:
        raise ValueError("no PEM certificates") from error


def tls_context(ca_bundle: str) -> ssl.SSLContext:
    """The public authorities and, if given, the provider's own. Raises PermanentFailure for what is no certificate."""
    context = ssl.create_default_context()
    if ca_bundle:
        try:
            trust(context, ca_bundle)
        except ValueError:
            raise PermanentFailure("The provider's CA bundle (ProviderCaBundle) holds no PEM certificates") from None
    return context


@contextmanager
def reading(host: str) -> Iterator[None]:
    """Turn what the network raises into a TemporaryFailure, and an untrusted certificate into a PermanentFailure."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise PermanentFailure(
            f"The certificate of {host} is not trusted ({error.verify_message}): "
            "give its authority's certificate to the provider"
        ) from None
    except (OSError, http.client.HTTPException) as error:
        raise TemporaryFailure(f"The connection to {host} failed ({type(error).__name__})") from error


def send(
    method: str,
    url: str,
    headers: Mapping[str, str],
    context: ssl.SSLContext,
    body: bytes | None = None,
    *,
    timeout: float = TIMEOUT,
    check_address: CheckAddress | None = None,
) -> Sent:
    """One request; the connection is to be closed. Redirects are not followed.

    Raises TemporaryFailure or PermanentFailure.
    """
    host, port = origin(url)
    connection = _Connection(host, port, timeout=timeout, context=context, check_address=check_address)
    try:
        with reading(host):
            target = urlsplit(url)._replace(scheme="", netloc="", fragment="").geturl() or "/"
            connection.request(method, target, body, headers={"User-Agent": "sluice", **headers})
            return connection, connection.getresponse()
    except FetchError:
        connection.close()
        raise


@contextmanager
def follow(
    url: str,
    context: ssl.SSLContext,
    *,
    headers: Mapping[str, str],
    credentials: Mapping[str, str],
    check_address: CheckAddress | None = None,
) -> Iterator[tuple[http.client.HTTPResponse, str]]:
    """GET after redirects: the response, whatever its status, and its host. `credentials` are for the first host alone.

    Raises TemporaryFailure or PermanentFailure.
    """
    home = origin(url)
    for _ in range(MAX_REDIRECTS + 1):
        own = credentials if origin(url) == home else {}
        connection, response = send("GET", url, {**headers, **own}, context, check_address=check_address)
        try:
            if response.status not in REDIRECTS:
                yield response, origin(url)[0]
                return
            url = urljoin(url, response.headers.get("Location", ""))
        finally:
            connection.close()
    raise PermanentFailure(f"The provider redirected more than {MAX_REDIRECTS} times")


def origin(url: str) -> tuple[str, int]:
    """Host and port of an HTTPS address. Raises PermanentFailure for any other."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 443
    except ValueError:
        parts, host, port = urlsplit(""), None, 0
    if parts.scheme != "https" or not host:
        raise PermanentFailure("The provider gave an address that is not HTTPS")
    return host, port
