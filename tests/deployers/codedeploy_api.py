"""CodeDeploy's API on a socket, with the answers that a test puts there."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol


class CodeDeployApi:
    """`deployments` by id, `targets` by deployment (None: it has not started); `calls` are what was asked."""

    def __init__(self) -> None:
        self.deployments: dict[str, dict[str, Any]] = {}
        self.targets: dict[str, list[dict[str, Any]] | None] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.busy = False

    def asked(self, action: str) -> list[dict[str, Any]]:
        return [body for name, body in self.calls if name == action]

    def answer(self, action: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.calls.append((action, body))
        answer: tuple[int, dict[str, Any]] = getattr(self, f"_{action}")(body)
        return answer

    def _ListDeployments(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:  # noqa: N802
        only = body.get("includeOnlyStatuses")
        return 200, {
            "deployments": [key for key, each in self.deployments.items() if not only or each["status"] in only]
        }

    def _BatchGetDeployments(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:  # noqa: N802
        return 200, {"deploymentsInfo": [self.deployments[key] for key in body["deploymentIds"]]}

    def _ListDeploymentTargets(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:  # noqa: N802
        found = self.targets.get(body["deploymentId"], [])
        if found is None:
            return 400, {"__type": "DeploymentNotStartedException", "message": "not started"}
        return 200, {"targetIds": [each["instanceTarget"]["targetId"] for each in found]}

    def _BatchGetDeploymentTargets(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:  # noqa: N802
        return 200, {"deploymentTargets": self.targets[body["deploymentId"]]}

    def _CreateDeployment(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:  # noqa: N802
        if self.busy:
            return 400, {"__type": "DeploymentLimitExceededException", "message": "another deployment is active"}
        key = f"d-NEW{len(self.deployments)}"
        self.deployments[key] = {
            "deploymentId": key,
            "status": "Created",
            "creator": "user",
            "createTime": 1_700_000_000,
            "revision": body["revision"],
            "description": body["description"],
        }
        self.targets[key] = None
        return 200, {"deploymentId": key}

    def _StopDeployment(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:  # noqa: N802
        self.deployments[body["deploymentId"]]["status"] = "Stopped"
        return 200, {"status": "Pending"}


class AwsApi(Protocol):
    """Answers an action with a status and a body."""

    def answer(self, action: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]: ...


@contextmanager
def serving(api: AwsApi) -> Iterator[str]:
    """The address at which it answers."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, found = api.answer(self.headers["X-Amz-Target"].rpartition(".")[2], body)
            data = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
