"""Checks of webhook signatures, in constant time and on bytes."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

from lambdas.common.errors import BadSignature


def check_hub_signature(name: str, value: str, secrets: Sequence[str], body: bytes) -> None:
    """Check a header `sha256=<hex HMAC of the body>`, as WebSub writes it. `name` is the header's, for people.

    Raises BadSignature; so it does for SHA-1, which some providers still send beside it.
    """
    if not value:
        raise BadSignature(f"The request is not signed (no {name}): set the webhook's secret")
    scheme, _, digest = value.partition("=")
    if scheme.lower() != "sha256":
        raise BadSignature(f"The signature does not match: {name} is not an HMAC-SHA256 (sha256=...)")
    check_hmac_sha256(secrets, body, digest)


def check_hmac_sha256(secrets: Sequence[str], message: bytes, hex_digest: str) -> None:
    """Check the HMAC-SHA256 of `message` under any of the secrets. Raises BadSignature.

    Two secrets are valid while one replaces the other. No secret at all means that nothing matches.
    """
    given = hex_digest.encode("utf-8", "replace")
    matched = False
    for secret in secrets:
        expected = hmac.new(secret.encode(), message, hashlib.sha256).hexdigest().encode()
        matched |= hmac.compare_digest(expected, given)
    if not matched:
        raise BadSignature("The signature does not match: the webhook's secret is another one, or the body was changed")


def secret_id(secret: str) -> str:
    """Eight digits that tell two secrets apart and nothing about either, as they are long and random."""
    return hmac.new(secret.encode(), b"sluice: which webhook secret", hashlib.sha256).hexdigest()[:8]


def any_equal(secrets: Sequence[str], value: str) -> bool:
    """Whether `value` is one of the secrets."""
    given = value.encode("utf-8", "replace")
    matched = False
    for secret in secrets:
        matched |= hmac.compare_digest(secret.encode(), given)
    return matched


def standard_webhook_matches(key: str, message: bytes, signatures: str) -> bool:
    """Whether one of the space-separated signatures `v1,<base64>` is made of `message` with the base64 `key`.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """
    try:
        secret = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        return False
    expected = base64.b64encode(hmac.digest(secret, message, "sha256"))
    matched = False
    for signature in signatures.split(" "):
        version, _, digest = signature.partition(",")
        matched |= version == "v1" and hmac.compare_digest(expected, digest.encode("utf-8", "replace"))
    return matched
