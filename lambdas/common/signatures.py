"""Checks of HMAC signatures, in constant time and on bytes."""

import hashlib
import hmac
from collections.abc import Sequence


def hmac_sha256_matches(secrets: Sequence[str], message: bytes, hex_digest: str) -> bool:
    """Whether `hex_digest` is the HMAC-SHA256 of `message` under any of the secrets.

    Two secrets are valid while one replaces the other. No secret at all means that nothing matches.
    """
    given = hex_digest.encode("utf-8", "replace")
    matched = False
    for secret in secrets:
        expected = hmac.new(secret.encode(), message, hashlib.sha256).hexdigest().encode()
        matched |= hmac.compare_digest(expected, given)
    return matched
