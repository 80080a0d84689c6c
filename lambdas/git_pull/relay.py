"""git over HTTPS: libgit2 asks a relay in this process, and the relay asks the provider.

So certificates, addresses, redirects and the token are as with all other requests (`lambdas.common.https`). libgit2
would resolve and follow on its own; as it is, it never sees the token, and neither do the repositories that it writes.
https://git-scm.com/docs/http-protocol
"""

import http.server
import secrets
import ssl
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self
from urllib.parse import quote, unquote, urljoin, urlsplit

from lambdas.common.errors import FetchError, PermanentFailure, TemporaryFailure
from lambdas.common.https import MAX_REDIRECTS, REDIRECTS, Sent, origin, public_but, reading, send
from lambdas.common.sign_in import check_status

Credentials = Callable[[], Mapping[str, str]]
"""Headers for the provider, asked for before each request, as a token may end meanwhile. Raises FetchError."""

CHUNK = 256 * 1024
MAX_REQUEST = 16 * 1024 * 1024
"""Bytes of what libgit2 tells of what it has; a shallow repository has next to nothing."""
_ADVERTISEMENT, _UPLOAD_PACK = "info/refs", "git-upload-pack"
_FORWARDED = ("Accept", "Content-Type", "Git-Protocol")


class Relay:
    """Answers libgit2 on a loopback port, below a path that nobody else knows, until the end of the block."""

    def __init__(self, git_url: str, credentials: Credentials, tls: ssl.SSLContext) -> None:
        self._git_url, self._credentials, self._tls = git_url.rstrip("/"), credentials, tls
        self._home = origin(git_url)
        self._check_address = public_but(self._home[0], what="The Git server")
        self._secret = secrets.token_urlsafe(32)
        self._moved: dict[str, str] = {}
        self.failure: FetchError | None = None
        """Why the provider's answer could not be passed on, the first time."""

        class Handler(_Handler):
            answer = staticmethod(self._answer)

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def url(self, repository: str) -> str:
        """What libgit2 is given for a repository."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/{self._secret}/{quote(repository)}.git"

    def _answer(self, request: "_Handler", body: bytes) -> None:
        path, _, query = request.path.partition("?")
        prefix = f"/{self._secret}/"
        repository, dot, rest = path.removeprefix(prefix).rpartition(".git/")
        asked = (request.command, rest, query)
        known = {("GET", _ADVERTISEMENT, f"service={_UPLOAD_PACK}"), ("POST", _UPLOAD_PACK, "")}
        if not path.startswith(prefix) or not dot or asked not in known:
            request.send_error(404)
            return
        headers = {name: request.headers[name] for name in _FORWARDED if name in request.headers}
        headers["User-Agent"] = "git/2.0 (sluice)"
        try:
            connection, response, host = self._ask(unquote(repository), rest, query, headers, body)
            try:
                self._pass_on(request, response, host)
            finally:
                connection.close()
        except FetchError as error:
            self.failure = self.failure or error
            request.fail()

    def _ask(
        self, repository: str, rest: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[*Sent, str]:
        """The provider's answer after redirects, and whose it is. The token is for the provider's own address alone."""
        root = self._moved.get(repository, f"{self._git_url}/{quote(repository)}.git/")
        url = root + rest + (f"?{query}" if query else "")
        for _ in range(MAX_REDIRECTS + 1):
            at_home = origin(url) == self._home
            own = self._credentials() if at_home else {}
            connection, response = send(
                "GET" if query else "POST",
                url,
                {**headers, **own},
                self._tls,
                None if query else body,
                check_address=self._check_address,
            )
            if response.status not in REDIRECTS or not query:
                if query and response.status == 200:
                    self._moved[repository] = url.removesuffix(f"{rest}?{query}")
                return connection, response, origin(url)[0]
            connection.close()
            url = urljoin(url, response.headers.get("Location", ""))
            if not urlsplit(url).path.endswith(f"/{rest}") or urlsplit(url).query != query:
                raise PermanentFailure(
                    f"{self._home[0]} redirects {repository} to another page: does it ask for a sign-in, or is the "
                    "repository elsewhere?"
                )
        raise PermanentFailure(f"{self._home[0]} redirected more than {MAX_REDIRECTS} times")

    def _pass_on(self, request: "_Handler", response: http.client.HTTPResponse, host: str) -> None:
        check_status(response, host, had_token=host == self._home[0])
        kind = response.headers.get("Content-Type", "")
        if not kind.startswith("application/x-git-upload-pack-"):
            raise PermanentFailure(f"{host} does not answer as a Git server does, but with {kind[:60] or 'no type'}")
        request.begin(kind)
        while True:
            with reading(host):
                block = response.read1(CHUNK)
            if not block:
                break
            request.send(block)
        if response.length:
            raise TemporaryFailure(f"The connection to {host} broke off")
        request.end()


class _Handler(http.server.BaseHTTPRequestHandler):
    """One connection of libgit2's."""

    protocol_version = "HTTP/1.1"
    timeout = 60

    answer: "Callable[[_Handler, bytes], None]"
    """Answers a request, whose body was read."""

    def do_GET(self) -> None:
        self._begun = False
        self.answer(self, b"")

    def do_POST(self) -> None:
        self._begun = False
        body = self._body()
        if body is None:
            self.send_error(413)
            self.close_connection = True
        else:
            self.answer(self, body)

    def begin(self, kind: str) -> None:
        """Start an answer whose length is not known."""
        self._begun = True
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def send(self, block: bytes) -> None:
        """Pass a part of the answer on. A client that is gone has heard enough."""
        self.wfile.write(b"%x\r\n%b\r\n" % (len(block), block))

    def end(self) -> None:
        """Say that the answer is whole."""
        self.wfile.write(b"0\r\n\r\n")

    def fail(self) -> None:
        """Say that there is no answer, or break it off."""
        if not self._begun:
            self.send_error(502)
        self.close_connection = True

    def _body(self) -> bytes | None:
        """None if it is too long."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            length = int(self.headers.get("Content-Length") or 0)
            return self.rfile.read(length) if length <= MAX_REQUEST else None
        parts, total = [], 0
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            total += size
            if total > MAX_REQUEST:
                return None
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def log_message(self, *arguments: object) -> None:
        """Nothing: the path is a secret."""

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True
