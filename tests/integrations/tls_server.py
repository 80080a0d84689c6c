"""An HTTPS server on 127.0.0.1 with a certificate of its own authority, for what `responses` cannot fake."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import trustme

Reply = tuple[int, dict[str, str], bytes]


@dataclass
class TlsServer:
    """`replies` maps a path to what is answered there, or to a function that makes it; everything else is 404."""

    port: int = 0
    ca_bundle: str = ""
    replies: dict[str, Reply | Callable[[], Reply]] = field(default_factory=dict)
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    """(method, path, headers) of each request."""
    connections: int = 0


@contextmanager
def serve(*names: str) -> Iterator[TlsServer]:
    """Run a server whose certificate is for these host names or addresses."""
    server = TlsServer()
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    server.ca_bundle = authority.cert_pem.bytes().decode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            server.connections += 1

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            server.seen.append((self.command, self.path, dict(self.headers)))
            reply = server.replies.get(self.path, (404, {}, b"{}"))
            status, headers, body = reply() if callable(reply) else reply
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    class Listener(ThreadingHTTPServer):
        daemon_threads = True

        def get_request(self):  # type: ignore[no-untyped-def]
            raw, address = super().get_request()
            # The handshake happens in the handler's thread, so that a client that refuses it blocks nobody.
            return context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False), address

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # clients that do not trust us hang up

    with Listener(("127.0.0.1", 0), Handler) as listener:
        server.port = listener.server_port
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown()
            thread.join()
