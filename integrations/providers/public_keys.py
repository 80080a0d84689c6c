"""SSH public keys as people and providers write them: `<type> <base64> [comment]`."""

import base64
import binascii
import hashlib


def key_blob(public_key: str) -> bytes:
    """The binary part of `<type> <base64> [comment]`. Raises ValueError for anything else."""
    parts = public_key.split()
    if len(parts) < 2:
        raise ValueError("That is not an SSH public key.")
    try:
        blob = base64.b64decode(parts[1], validate=True)
    except binascii.Error:
        raise ValueError("That is not an SSH public key.") from None
    # RFC 4253, 6.6: the blob begins with the length of the type's name, and the name.
    name = parts[0].encode()
    if blob[: 4 + len(name)] != len(name).to_bytes(4, "big") + name:
        raise ValueError("That SSH public key is not of the type that it names.")
    return blob


def fingerprint(public_key: str) -> str:
    """SHA256:<base64 without padding>, as `ssh-keygen -l` writes it. Raises ValueError."""
    digest = hashlib.sha256(key_blob(public_key)).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")
