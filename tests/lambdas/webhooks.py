"""Webhook requests of every kind of provider: the fixtures, and each one's way to sign."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
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
        return replace(self, headers={**self.headers, **signature(self, secret)})

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
FACTS: dict[str, dict[str, Any]] = {path.stem: json.loads(path.read_text()) for path in sorted(FIXTURES.glob("*.json"))}
"""What tests need to know of each kind:

`push`: its plain push, in which main of acme/site (ACME/site) moves on; `skip_ci`: one that asks for no builds;
`signature`: the `header`, what stands in it `before` the HMAC-SHA256 of the body, in hex, or else the `token_header` of
a kind that signs as Standard Webhooks do; `names`: where a payload has names; `branch`: where it has the branch's, and
what stands before that; `api_url`, `archives` and `sign_ins`: where a commit's zip is, and how the token is shown.
"""


def push(kind: str) -> Webhook:
    return load(kind, FACTS[kind]["push"])


def secret_of(kind: str) -> str:
    """A secret of the form that the kind signs with best."""
    return SIGNING_TOKEN if "token_header" in FACTS[kind]["signature"] else "a webhook secret"


def signature(webhook: Webhook, secret: str) -> dict[str, str]:
    """The headers with which its kind signs a request."""
    how = FACTS[webhook.kind]["signature"]
    if "token_header" not in how:
        digest = hmac.new(secret.encode(), webhook.body, hashlib.sha256).hexdigest()
        return {how["header"]: how["before"] + digest}
    if not secret.startswith("whsec_"):
        return {how["token_header"]: secret}
    identity, timestamp = webhook.headers.get("idempotency-key", "an id"), str(int(time.time()))
    message = f"{identity}.{timestamp}.".encode() + webhook.body
    standard = base64.b64encode(hmac.digest(base64.b64decode(secret[6:]), message, "sha256")).decode()
    return {"webhook-id": identity, "webhook-timestamp": timestamp, how["header"]: f"v1,{standard}"}
