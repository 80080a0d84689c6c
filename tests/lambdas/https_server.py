"""An HTTPS server on this machine that answers as a test tells it to."""

import http.server
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import trustme

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


@dataclass
class Server:
    """Two ports of it, and what was asked there."""

    url: str = ""
    other_url: str = ""
    ca_pem: str = ""
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Path and Authorization header of each."""
    bodies: list[bytes] = field(default_factory=list)
    answer: Answer = lambda request: request.send_error(500)


@contextmanager
def serving() -> Iterator[Server]:
    """Answer until the end of the block."""
    made = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.requests.append((self.path, self.headers.get("Authorization", "")))
            made.answer(self)

        def do_POST(self) -> None:
            made.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.do_GET()

        def log_message(self, *arguments: object) -> None:
            pass

    authority = trustme.CA()
    made.ca_pem = authority.cert_pem.bytes().decode()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    servers = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(2)]
    for each in servers:
        each.socket = context.wrap_socket(each.socket, server_side=True)
        threading.Thread(target=each.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    made.url, made.other_url = (f"https://127.0.0.1:{each.server_port}" for each in servers)
    yield made
    for each in servers:
        each.shutdown()
        each.server_close()


def respond(status: int, body: bytes = b"", *, length: int | None = None, **headers: str) -> Answer:
    """The same answer, whatever was asked."""

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("Content-Length", str(len(body) if length is None else length))
        request.end_headers()
        request.wfile.write(body)

    return answer
