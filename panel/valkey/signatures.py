"""Tells what the panel wrote into Valkey from what somebody else did."""

import hmac

from django.utils.crypto import salted_hmac


def sign(purpose: str, text: str) -> str:
    """The signature of a text for one purpose, such as the name of a cache entry; 64 hexadecimal digits."""
    return salted_hmac(f"panel.valkey:{purpose}", text, algorithm="sha256").hexdigest()


def signed(purpose: str, text: str, signature: object) -> bool:
    """Whether `sign` made the signature for exactly this purpose and text."""
    return isinstance(signature, str) and hmac.compare_digest(
        sign(purpose, text).encode(), signature.encode("utf-8", "surrogatepass")
    )
