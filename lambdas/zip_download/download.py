"""One HTTPS download: verified, bounded in time, and with credentials for the first host only."""

import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import urljoin, urlsplit

from lambdas.common.errors import BadCredentials, FetchError, PermanentFailure, TemporaryFailure
from lambdas.common.providers.archives import ArchiveRequest, basic

TIMEOUT = 30
"""Seconds to connect, and between two reads."""
MAX_REDIRECTS = 5
MAX_TOKEN_ANSWER = 64 * 1024
_REDIRECTS = {301, 302, 303, 307, 308}


def tls_context(ca_bundle: str) -> ssl.SSLContext:
    """The public authorities and, if given, the provider's own. Raises PermanentFailure for what is no certificate."""
    context = ssl.create_default_context()
    if ca_bundle:
        try:
            context.load_verify_locations(cadata=ca_bundle)
        except ssl.SSLError:
            raise PermanentFailure("The provider's CA bundle (ProviderCaBundle) holds no PEM certificates") from None
    return context


def authorized(request: ArchiveRequest, context: ssl.SSLContext) -> ArchiveRequest:
    """The request with an access token in place of its OAuth consumer, if it has one.

    Raises TemporaryFailure or PermanentFailure. A redirect is not followed: the consumer's secret is in the request.
    """
    consumer = request.consumer
    if consumer is None:
        return request
    host = urlsplit(consumer.token_url).hostname or ""
    headers = {"Content-Type": "application/x-www-form-urlencoded", **basic(consumer.key, consumer.secret)}
    connection, response = send("POST", consumer.token_url, headers, context, b"grant_type=client_credentials")
    try:
        if response.status in (400, 401, 403):
            raise BadCredentials(f"{host} answered {response.status}: the OAuth consumer's key or secret is not valid")
        _check_status(response, host, had_token=True)
        with reading(host):
            token = json.loads(response.read(MAX_TOKEN_ANSWER))["access_token"]
    except (ValueError, KeyError, TypeError):
        raise TemporaryFailure(f"{host} did not answer with an access token") from None
    finally:
        connection.close()
    return replace(request, credentials={"Authorization": f"Bearer {token}"}, consumer=None)


@contextmanager
def open_archive(request: ArchiveRequest, context: ssl.SSLContext) -> Iterator[http.client.HTTPResponse]:
    """The response with the archive as its body, after redirects.

    Raises TemporaryFailure or PermanentFailure, in words for people; so do reads through `reading`.
    """
    url, origin = request.url, _origin(request.url)
    for _ in range(MAX_REDIRECTS + 1):
        headers = dict(request.headers)
        if _origin(url) == origin:
            headers |= request.credentials
        connection, response = send("GET", url, headers, context)
        try:
            if response.status not in _REDIRECTS:
                _check_status(response, urlsplit(url).hostname or "", had_token=bool(request.credentials))
                yield response
                return
            url = urljoin(url, response.headers.get("Location", ""))
        finally:
            connection.close()
    raise PermanentFailure(f"The provider redirected more than {MAX_REDIRECTS} times")


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
) -> tuple[http.client.HTTPSConnection, http.client.HTTPResponse]:
    """One request; the connection is to be closed. Raises TemporaryFailure or PermanentFailure."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise PermanentFailure("The archive's address is not HTTPS")
    connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout, context=context)
    try:
        with reading(parts.hostname):
            target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
            connection.request(method, target, body, headers={"User-Agent": "sluice", **headers})
            return connection, connection.getresponse()
    except FetchError:
        connection.close()
        raise


def _origin(url: str) -> tuple[str, str | None, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or 443


def _check_status(response: http.client.HTTPResponse, host: str, *, had_token: bool) -> None:
    status = response.status
    if status == 200:
        return
    wait = response.headers.get("Retry-After", "")
    limited = bool(wait) or response.headers.get("X-RateLimit-Remaining") == "0"
    if status == 429 or status >= 500 or (status == 403 and limited):
        retry_after = int(wait) if wait.isdecimal() else None
        raise TemporaryFailure(f"{host} answered {status}", retry_after=retry_after)
    if status == 401:
        raise BadCredentials(f"{host} answered 401: the token is not valid (any more): give the provider a new one")
    advice = {
        403: "the token may not read the repository's contents: give it that permission",
        404: "there is no such repository or commit, or the token may not see it"
        if had_token
        else "there is no such repository or commit, or it is private and the provider has no token",
    }.get(status, "the archive cannot be had from there")
    raise PermanentFailure(f"{host} answered {status}: {advice}")
