"""HTTPS requests: verified, bounded in time, and with failures in words for people."""

import http.client
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urljoin, urlsplit

from lambdas.common.errors import FetchError, PermanentFailure, TemporaryFailure

TIMEOUT = 30
"""Seconds to connect, and between two reads."""
MAX_REDIRECTS = 5
_REDIRECTS = {301, 302, 303, 307, 308}

CheckAddress = Callable[[str, str], None]
"""Sees the host and the address that a connection leads to, and may raise, before anything is sent."""


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
) -> tuple[http.client.HTTPSConnection, http.client.HTTPResponse]:
    """One request; the connection is to be closed. Redirects are not followed.

    Raises TemporaryFailure or PermanentFailure.
    """
    host, port = _origin(url)
    connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
    try:
        with reading(host):
            if check_address:
                connection.connect()
                check_address(host, connection.sock.getpeername()[0])
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
    home = _origin(url)
    for _ in range(MAX_REDIRECTS + 1):
        own = credentials if _origin(url) == home else {}
        connection, response = send("GET", url, {**headers, **own}, context, check_address=check_address)
        try:
            if response.status not in _REDIRECTS:
                yield response, _origin(url)[0]
                return
            url = urljoin(url, response.headers.get("Location", ""))
        finally:
            connection.close()
    raise PermanentFailure(f"The provider redirected more than {MAX_REDIRECTS} times")


def _origin(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 443
    except ValueError:
        parts, host, port = urlsplit(""), None, 0
    if parts.scheme != "https" or not host:
        raise PermanentFailure("The provider gave an address that is not HTTPS")
    return host, port
