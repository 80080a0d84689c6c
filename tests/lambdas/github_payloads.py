"""GitHub's webhook requests as its documentation shows them, signed with a secret.

https://docs.github.com/en/webhooks/webhook-events-and-payloads#push
"""

import base64
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import urlencode

ZERO = "0" * 40
BEFORE = "6113728f27ae82c7b1a177c8d03f9e96e0adf246"
AFTER = "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c"


def push(
    *,
    ref: str = "refs/heads/main",
    before: str = BEFORE,
    after: str = AFTER,
    repository: str = "acme/site",
    **changes: Any,
) -> dict[str, Any]:
    """A push event's payload."""
    head = {
        "id": after,
        "message": "Greet people properly\n\nThey like that.",
        "author": {"name": "Ada Lövelace", "email": "ada@example.com", "username": "ada"},
        "added": [],
        "removed": [],
        "modified": ["README.md"],
    }
    return {
        "ref": ref,
        "before": before,
        "after": after,
        "created": before == ZERO,
        "deleted": after == ZERO,
        "forced": False,
        "base_ref": None,
        "compare": f"https://github.com/{repository}/compare/main",
        "commits": [] if after == ZERO else [head],
        "head_commit": None if after == ZERO else head,
        "repository": {
            "id": 186853002,
            "full_name": repository,
            "name": repository.rpartition("/")[2],
            "ssh_url": f"git@github.com:{repository}.git",
            "default_branch": "main",
        },
        "pusher": {"name": "ada", "email": "ada@example.com"},
        "sender": {"login": "ada", "id": 21031067},
        **changes,
    }


def ping(repository: str = "acme/site") -> dict[str, Any]:
    """A ping event's payload."""
    return {
        "zen": "Keep it logically awesome.",
        "hook_id": 109948940,
        "hook": {"type": "Repository", "id": 109948940, "events": ["push"], "active": True},
        "repository": {"full_name": repository},
        "sender": {"login": "ada"},
    }


def event(
    payload: object,
    *,
    secret: str,
    name: str = "push",
    delivery: str = "72d3162e-cc78-11e3-81ab-4c9367dc0958",
    path: str = "/gitpull",
    form: bool = False,
    base64_encoded: bool = False,
    source_ip: str = "140.82.112.7",
    request_id: str = "JKJaXmPLvHcESHA=",
    headers: dict[str, str] | None = None,
) -> dict[str, Any]:
    """The request as API Gateway hands it to the function. `payload`: an object, or a raw body."""
    text = payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False)
    body = urlencode({"payload": text}) if form else text
    raw = body.encode()
    return {
        "version": "2.0",
        "routeKey": f"POST {path}",
        "rawPath": path,
        "headers": {
            "content-type": "application/x-www-form-urlencoded" if form else "application/json",
            "user-agent": "GitHub-Hookshot/044aadd",
            "x-github-event": name,
            "x-github-delivery": delivery,
            "x-hub-signature-256": "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest(),
            **(headers or {}),
        },
        "requestContext": {
            "requestId": request_id,
            "http": {"method": "POST", "path": path, "sourceIp": source_ip},
        },
        "body": base64.b64encode(raw).decode() if base64_encoded else body,
        "isBase64Encoded": base64_encoded,
    }
