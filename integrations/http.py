"""The only HTTP client of the panel: HTTPS to hosts that people give, guarded, bounded, with errors for people.

The host is resolved once a connection, and the connection goes to an address that was checked, so that a name cannot
point elsewhere between the check and the use. TLS is verified against the host's name as ever. Redirects are followed
on the same host only. Calls that change nothing are tried again; no call waits longer than its timeouts.
"""

import socket
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import create_connection

from integrations.answer import Answer, Explain, Tokens, by_status, retry_after
from integrations.errors import (
    CertificateNotTrusted,
    HostNotAllowed,
    InvalidValue,
    ProviderRefused,
    ProviderUnreachable,
    UnexpectedAnswer,
)
from lambdas.common import https
from lambdas.common.addresses import Network, may_connect

__all__ = ["Answer", "Explain", "HttpClient", "Tokens", "check_base_url", "retry_after", "trust"]

CONNECT_TIMEOUT, READ_TIMEOUT, TOTAL_TIMEOUT = 3.05, 10.0, 25.0  # seconds
MAX_BODY = 20 * 1024 * 1024  # bytes, after decompression
MAX_REDIRECTS = 3
MAX_ADDRESSES = 4


class HttpClient:
    """Calls the API below `base_url` with `headers` on every request.

    `allowed_networks` are the private networks the host may be in; `ca_bundle` is PEM text to trust besides the public
    authorities; `explain` may turn an answer of 400 or more into a more precise error than its status alone allows.
    With `patience`, all calls together take about so many seconds, and none is tried again.
    What `headers` sign in with never gets into a message, nor do `secrets`. With `tokens`, each call signs in with the
    one of the moment, and is made again once if that is not accepted.
    Raises HostNotAllowed and InvalidValue for an address or a bundle that cannot be used.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str],
        ca_bundle: str = "",
        allowed_networks: Sequence[Network] = (),
        patience: float | None = None,
        explain: Explain = lambda answer: None,  # noqa: ARG005
        secrets: Sequence[str] = (),
        tokens: Tokens | None = None,
    ) -> None:
        self.base_url = check_base_url(base_url)
        self.host = urlsplit(self.base_url).netloc
        self._explain = explain
        self._patience = patience
        # Whatever follows the scheme: what a provider echoes of it must not get into a message.
        shown = [value.rpartition(" ")[2] for name, value in headers.items() if name.lower() in _SECRET_HEADERS]
        self._secrets = [secret.encode() for secret in (*shown, *secrets) if secret]
        self._tokens, self._token = tokens, b""
        self._session = requests.Session()
        # Neither proxies nor .netrc of whoever started the panel decide where credentials go.
        self._session.trust_env = False
        self._session.adapters.clear()
        adapter = _GuardedAdapter(trust(ca_bundle), tuple(allowed_networks), tries_again=patience is None)
        self._session.mount("https://", adapter)
        self._session.headers.update({"User-Agent": "Sluice", **headers})

    def get(self, path: str, *, params: Mapping[str, Any] | None = None, accept: str = "") -> Answer:
        """GET a path below the base URL, or a full URL on the same host. Tried again when that may help."""
        return self._call("GET", path, params=params, headers={"Accept": accept} if accept else None)

    def post(self, path: str, *, json: Any = None, params: Mapping[str, Any] | None = None) -> Answer:
        """POST JSON."""
        return self._call("POST", path, json=json, params=params)

    def post_form(self, path: str, fields: Mapping[str, str]) -> Answer:
        """POST fields as application/x-www-form-urlencoded."""
        return self._call("POST", path, data=dict(fields))

    def put(self, path: str, *, json: Any = None) -> Answer:
        """PUT JSON."""
        return self._call("PUT", path, json=json)

    def patch(self, path: str, *, json: Any = None) -> Answer:
        """PATCH JSON."""
        return self._call("PATCH", path, json=json)

    def delete(self, path: str) -> Answer:
        """DELETE."""
        return self._call("DELETE", path)

    def pages(self, path: str, *, params: Mapping[str, Any] | None = None, limit: int = 10) -> Iterator[Any]:
        """The parsed bodies of a list's pages, following Link headers, at most `limit` of them."""
        answer = self.get(path, params=params)
        for _ in range(limit - 1):
            yield answer.json()
            if answer.next_url is None:
                return
            answer = self.get(answer.next_url)
        yield answer.json()

    def _call(self, method: str, path: str, **kwargs: Any) -> Answer:
        url = path if path.startswith("https://") else f"{self.base_url}{path}"
        for _ in range(MAX_REDIRECTS + 1):
            if urlsplit(url)[:2] != urlsplit(self.base_url)[:2]:
                raise ProviderRefused(
                    f"{self.host} redirects to {urlsplit(url).netloc or 'an address without a host'}.",
                    remedy="Enter the address that it finally leads to: credentials never follow to another host.",
                    field="base_url",
                )
            answer = self._signed(method, url, **kwargs)
            location = answer.headers.get("Location")
            # After 301 to 303 another method than GET would have to change, which no API means.
            if not location or answer.status not in ({301, 302, 303, 307, 308} if method == "GET" else {307, 308}):
                return self._checked(answer)
            url, kwargs["params"] = urljoin(url, location), None
        raise UnexpectedAnswer(f"{self.host} redirects in a circle.", field="base_url")

    def _signed(self, method: str, url: str, **kwargs: Any) -> Answer:
        if self._tokens is None:
            return self._send(method, url, **kwargs)
        token = self._sign()
        answer = self._send(method, url, **kwargs)
        # Nothing was done for a sign-in that is not accepted: any call may be made again.
        if answer.status != 401 or not self._tokens.refused(token):
            return answer
        self._sign()
        return self._send(method, url, **kwargs)

    def _sign(self) -> str:
        token = self._tokens.current() if self._tokens else ""
        self._token = token.encode()
        self._session.headers["Authorization"] = f"Bearer {token}"
        return token

    def _send(self, method: str, url: str, **kwargs: Any) -> Answer:
        started = time.monotonic()
        deadline = started + (TOTAL_TIMEOUT if self._patience is None else min(TOTAL_TIMEOUT, self._patience))
        if deadline <= started:
            raise ProviderUnreachable(f"{self.host} did not answer in time.", field="base_url")
        timeout = min(CONNECT_TIMEOUT, deadline - started), min(READ_TIMEOUT, deadline - started)
        try:
            with self._session.request(
                method, url, timeout=timeout, allow_redirects=False, stream=True, **kwargs
            ) as response:
                content = bytearray()
                for chunk in response.iter_content(65536):
                    content += chunk
                    if len(content) > MAX_BODY:
                        raise UnexpectedAnswer(f"{self.host} answered with more than {MAX_BODY} bytes.")
                    if time.monotonic() > deadline:
                        raise ProviderUnreachable(f"{self.host} took too long to answer.")
                following = response.links.get("next", {}).get("url")
                return Answer(
                    status=response.status_code,
                    headers=CaseInsensitiveDict(response.headers),
                    content=bytes(content),
                    url=url,
                    next_url=urljoin(url, following) if following else None,
                )
        except requests.exceptions.SSLError as error:
            raise CertificateNotTrusted(
                f"The certificate of {self.host} is not trusted: {_reason(error)}.",
                remedy="If it is issued by a private authority, paste that authority's certificate (PEM).",
                field="ca_bundle",
            ) from None
        except requests.exceptions.Timeout:
            raise ProviderUnreachable(f"{self.host} did not answer in time.", field="base_url") from None
        except requests.exceptions.RequestException as error:
            raise ProviderUnreachable(f"{self.host} cannot be reached: {_reason(error)}.", field="base_url") from None
        finally:
            if self._patience is not None:
                self._patience -= time.monotonic() - started

    def _checked(self, answer: Answer) -> Answer:
        if answer.status < 300:
            return answer
        content = answer.content
        for secret in filter(None, (*self._secrets, self._token)):
            content = content.replace(secret, b"***")
        answer = replace(answer, content=content)
        raise (self._explain(answer) if answer.status >= 400 else None) or by_status(answer, self.host)


_SECRET_HEADERS = {"authorization", "private-token"}


def check_base_url(url: str) -> str:
    """`url` without a slash at the end. Raises HostNotAllowed unless it is https://host[:port][/path] and no more."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme == "https" and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.username or parts.password or parts.query or parts.fragment or any(map(str.isspace, url)):
        raise HostNotAllowed(
            "The address must look like https://git.example.com.",
            remedy="Only HTTPS is used, as the credentials travel with every call.",
            field="base_url",
        )
    return url.rstrip("/")


@lru_cache(maxsize=64)
def trust(ca_bundle: str) -> ssl.SSLContext:
    """A TLS context for the public authorities and those in `ca_bundle` (PEM). Raises InvalidValue."""
    context = ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)
    if ca_bundle.strip():
        try:
            https.trust(context, ca_bundle)
        except ValueError:
            raise InvalidValue(
                "These are no certificates in PEM format.",
                remedy="Paste everything from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----.",
                field="ca_bundle",
            ) from None
    return context


def _reason(error: BaseException) -> str:
    """The innermost cause in a few words."""
    reason: Any = error.args[0] if error.args else error
    reason = getattr(reason, "reason", None) or reason
    if isinstance(reason, urllib3.exceptions.SSLError) and reason.args:
        reason = reason.args[0]
    if isinstance(reason, ssl.SSLCertVerificationError):
        return reason.verify_message.rstrip(".")
    if isinstance(reason, NameResolutionError):
        return "its name does not resolve"
    if isinstance(reason, NewConnectionError):
        cause = reason.__cause__
        return (cause.strerror or "no connection").lower() if isinstance(cause, OSError) else "no connection"
    return "the connection broke off"


class _GuardedAdapter(HTTPAdapter):
    """Connects to checked addresses only, and trusts what `context` trusts."""

    def __init__(self, context: ssl.SSLContext, allowed: tuple[Network, ...], *, tries_again: bool) -> None:
        self._context, self._allowed = context, allowed
        super().__init__(
            max_retries=urllib3.Retry(
                total=2 if tries_again else 0,
                connect=1,
                read=1,
                status=2,
                other=0,
                backoff_factor=0.2,
                status_forcelist={502, 503, 504},
                allowed_methods={"GET"},
                # A provider that says when to come back is believed by whoever called, not waited for in here.
                respect_retry_after_header=False,
                raise_on_status=False,
            )
        )

    def cert_verify(self, conn: Any, *_: Any) -> None:
        # The context knows whom to trust; requests would load its own list into it at every connection.
        conn.cert_reqs = "CERT_REQUIRED"

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"https": _guarded_pool(self._allowed)}


@lru_cache(maxsize=64)
def _guarded_pool(allowed: tuple[Network, ...]) -> type[HTTPSConnectionPool]:
    class GuardedConnection(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            failure: OSError | None = None
            for address in self._addresses()[:MAX_ADDRESSES]:
                try:
                    # `host`, which the Host header and TLS go by, stays the name.
                    return create_connection(
                        (address, self.port),
                        self.timeout,
                        source_address=self.source_address,
                        socket_options=self.socket_options,
                    )
                except OSError as error:
                    failure = error
            if isinstance(failure, TimeoutError):
                raise ConnectTimeoutError(self, f"{self.host} did not accept the connection in time") from failure
            raise NewConnectionError(self, f"{self.host} did not accept the connection") from failure

        def _addresses(self) -> list[str]:
            try:
                found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
            except (socket.gaierror, UnicodeError) as error:
                cause = error if isinstance(error, socket.gaierror) else socket.gaierror(str(error))
                raise NameResolutionError(self.host, self, cause) from error
            addresses = [str(sockaddr[0]) for *_, sockaddr in found]
            usable = [address for address in addresses if may_connect(address.partition("%")[0], allowed)]
            if not usable:
                raise HostNotAllowed(
                    f"{self.host} resolves to {', '.join(dict.fromkeys(addresses))}, a blocked address.",
                    remedy="An administrator can allow private networks with SLUICE_PRIVATE_NETWORKS.",
                    field="base_url",
                )
            return list(dict.fromkeys(usable))

    class GuardedPool(HTTPSConnectionPool):
        ConnectionCls = GuardedConnection

    return GuardedPool
