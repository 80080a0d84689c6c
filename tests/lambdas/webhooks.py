"""Webhook requests of every kind of provider: the fixtures, and each one's way to sign."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

FIXTURES = Path(__file__).parent / "common" / "fixtures"
SIGNING_TOKEN = "whsec_" + base64.b64encode(b"a key of thirty-two bytes in all").decode()


@dataclass(frozen=True)
class Webhook:
    """A request as it arrives, before it is signed. Header names are lower-cased."""

    kind: str
    name: str
    headers: Mapping[str, str]
    body: bytes
    understood: Mapping[str, Any]
    """What a parser is to make of it."""

    @property
    def payload(self) -> dict[str, Any]:
        payload: dict[str, Any] = json.loads(self.body)
        return payload

    def with_payload(self, payload: object) -> "Webhook":
        return replace(self, body=json.dumps(payload).encode())

    def with_headers(self, **headers: str) -> "Webhook":
        return replace(self, headers={**self.headers, **{name.replace("_", "-"): v for name, v in headers.items()}})

    def signed(self, secret: str) -> "Webhook":
        return replace(self, headers={**self.headers, **SIGN[self.kind](self, secret)})

    def event(
        self, *, path: str = "/gitpull", source_ip: str = "203.0.113.7", request_id: str = "JKJaXmPLvHcESHA="
    ) -> dict[str, Any]:
        """The request as API Gateway hands it to the function."""
        return {
            "version": "2.0",
            "routeKey": f"POST {path}",
            "rawPath": path,
            "headers": dict(self.headers),
            "requestContext": {
                "requestId": request_id,
                "http": {"method": "POST", "path": path, "sourceIp": source_ip},
            },
            "body": base64.b64encode(self.body).decode(),
            "isBase64Encoded": True,
        }


def load(kind: str, name: str) -> Webhook:
    """The fixture `<event>__<case>` of a kind."""
    document = json.loads((FIXTURES / kind / f"{name}.json").read_text())
    headers = {header.lower(): value for header, value in document["headers"].items()}
    body = json.dumps(document["body"], ensure_ascii=False).encode()
    return Webhook(kind, name, headers, body, document["understood"])


ALL = [load(path.parent.name, path.stem) for path in sorted(FIXTURES.glob("*/*.json"))]
PUSHES = {
    "bitbucket_cloud": "repo_push__branch",
    "bitbucket_server": "repo_refs_changed__branch",
    "gitea": "push__branch",
    "github": "push__branch",
    "github_enterprise": "push__branch",
    "gitlab": "push__branch",
}
"""The plain push of each kind: main of acme/site (ACME/site) moves on."""


def push(kind: str) -> Webhook:
    return load(kind, PUSHES[kind])


def _digest(webhook: Webhook, secret: str) -> str:
    return hmac.new(secret.encode(), webhook.body, hashlib.sha256).hexdigest()


def _standard(webhook: Webhook, secret: str) -> dict[str, str]:
    """As GitLab signs since 19.0, or its plain token before."""
    if not secret.startswith("whsec_"):
        return {"x-gitlab-token": secret}
    identity, timestamp = webhook.headers.get("idempotency-key", "an id"), str(int(time.time()))
    message = f"{identity}.{timestamp}.".encode() + webhook.body
    digest = base64.b64encode(hmac.digest(base64.b64decode(secret[6:]), message, "sha256")).decode()
    return {"webhook-id": identity, "webhook-timestamp": timestamp, "webhook-signature": f"v1,{digest}"}


SIGN: dict[str, Callable[[Webhook, str], dict[str, str]]] = {
    "github": lambda webhook, secret: {"x-hub-signature-256": f"sha256={_digest(webhook, secret)}"},
    "github_enterprise": lambda webhook, secret: {"x-hub-signature-256": f"sha256={_digest(webhook, secret)}"},
    "gitlab": _standard,
    "bitbucket_cloud": lambda webhook, secret: {"x-hub-signature": f"sha256={_digest(webhook, secret)}"},
    "bitbucket_server": lambda webhook, secret: {"x-hub-signature": f"sha256={_digest(webhook, secret)}"},
    "gitea": lambda webhook, secret: {"x-gitea-signature": _digest(webhook, secret)},
}
