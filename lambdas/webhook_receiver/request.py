"""A webhook request as API Gateway hands it over (HTTP API, payload format 2.0).

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_STORED_BODY = 64 * 1024
MAX_STORED_HEADERS = 8 * 1024
_SECRET_WORDS = ("authorization", "cookie", "token", "secret", "signature")


@dataclass(frozen=True, slots=True)
class Request:
    """One request: lower-cased headers and the raw bytes that were signed."""

    id: str
    path: str
    """The last part: gitpull or zipdl."""
    source_ip: str
    headers: Mapping[str, str]
    body: bytes
    secret_id: str = ""
    """Of the secret that signed it, once that is verified (lambdas.common.signatures)."""

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> "Request":
        """Read the event. A body that claims to be base64 and is not becomes empty, and so fails its signature."""
        context = event["requestContext"]
        body = event.get("body") or ""
        raw: bytes
        if event.get("isBase64Encoded"):
            try:
                raw = base64.b64decode(body, validate=True)
            except (binascii.Error, ValueError):
                raw = b""
        else:
            raw = body.encode("utf-8", "surrogatepass")
        return cls(
            id=str(context.get("requestId", "")),
            path=str(event.get("rawPath", "")).rstrip("/").rpartition("/")[2],
            source_ip=str(context.get("http", {}).get("sourceIp", "")),
            headers={name.lower(): str(value) for name, value in (event.get("headers") or {}).items()},
            body=raw,
        )

    def stored(self, body_limit: int = MAX_STORED_BODY) -> dict[str, Any]:
        """What the deliveries table keeps of it: no secrets, and nothing that a request could be forged from."""
        headers = {
            name: "(removed)" if any(word in name for word in _SECRET_WORDS) else value[:1000]
            for name, value in sorted(self.headers.items())
        }
        while len(text := json.dumps(headers)) > MAX_STORED_HEADERS:
            headers.popitem()
        return {
            "request_headers": text,
            "request_body": self.body[:body_limit].decode("utf-8", "replace"),
            "request_body_truncated": len(self.body) > body_limit,
            "source_ip": self.source_ip,
        }
