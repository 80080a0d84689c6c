"""CloudFormation's side of a custom resource: the request, and a place for the answer."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

STACK_ID = "arn:aws:cloudformation:eu-west-1:123456789012:stack/sluice/1"


@dataclass
class Answers:
    """What was put to the presigned URL."""

    url: str
    bodies: list[dict[str, Any]] = field(default_factory=list)
    content_types: list[str] = field(default_factory=list)
    refuse: int = 0
    """How many answers to refuse first."""

    def request(self, kind: str, *, physical_id: str = "", **properties: str) -> dict[str, Any]:
        """A request as the function receives it."""
        event: dict[str, Any] = {
            "RequestType": kind,
            "ResponseURL": self.url,
            "StackId": STACK_ID,
            "RequestId": f"11111111-2222-3333-4444-{len(self.bodies):012d}",
            "LogicalResourceId": "Resource",
            "ResourceType": "Custom::Resource",
            "ResourceProperties": {"ServiceToken": "arn", **properties},
        }
        return event | ({"PhysicalResourceId": physical_id} if physical_id else {})


@contextmanager
def answers() -> Iterator[Answers]:
    """Serve the URL that the answers go to."""
    made = Answers("")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if made.refuse:
                made.refuse -= 1
                self.send_error(503)
                return
            made.bodies.append(json.loads(body))
            made.content_types.append(self.headers.get("Content-Type", ""))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_port}/answer?signature=1"
    yield made
    server.shutdown()
    server.server_close()
