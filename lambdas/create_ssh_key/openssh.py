"""Ed25519 keys from the DER that AWS KMS returns to the formats that OpenSSH and git providers read.

Only formats change here; the key pair itself is made by KMS.
RFC 8410 (DER of Ed25519), RFC 4253 section 6.6 (public key blobs),
https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.key (private key files).
"""

import base64
import hashlib
import struct
from dataclasses import dataclass, field

_SPKI = bytes.fromhex("302a300506032b6570032100")
_ALGORITHM = bytes.fromhex("300506032b6570")
_TYPE = b"ssh-ed25519"
_COMMENT = b"sluice"


@dataclass(frozen=True, slots=True)
class OpenSshKey:
    """One key pair, as text."""

    private_key: str = field(repr=False)
    public_key: str
    """`ssh-ed25519 AAAA... sluice`"""
    fingerprint: str
    """`SHA256:...`, as `ssh-keygen -l` shows it."""


def from_der(private_pkcs8: bytes, public_spki: bytes) -> OpenSshKey:
    """Write a key pair in OpenSSH's formats. Raises ValueError if it is not Ed25519 in DER."""
    seed, public = _seed(private_pkcs8), _public(public_spki)
    blob = _text(_TYPE) + _text(public)
    # The two check numbers only have to be equal: they tell a wrong passphrase, and there is none.
    section = b"\0\0\0\0" * 2 + blob + _text(seed + public) + _text(_COMMENT)
    section += bytes(range(1, 1 + -len(section) % 8))
    container = (
        b"openssh-key-v1\0" + _text(b"none") + _text(b"none") + _text(b"") + struct.pack(">I", 1) + _text(blob)
    ) + _text(section)
    encoded = base64.b64encode(container).decode()
    lines = "\n".join(encoded[i : i + 70] for i in range(0, len(encoded), 70))
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return OpenSshKey(
        private_key=f"-----BEGIN OPENSSH PRIVATE KEY-----\n{lines}\n-----END OPENSSH PRIVATE KEY-----\n",
        public_key=f"{_TYPE.decode()} {base64.b64encode(blob).decode()} {_COMMENT.decode()}",
        fingerprint=f"SHA256:{digest}",
    )


def _text(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def _public(spki: bytes) -> bytes:
    if len(spki) != 44 or not spki.startswith(_SPKI):
        raise ValueError("The public key is not Ed25519 in DER")
    return spki[12:]


def _seed(pkcs8: bytes) -> bytes:
    """The 32 private bytes of OneAsymmetricKey, version 1 or 2 (2 appends attributes or the public key)."""
    if len(pkcs8) < 48 or pkcs8[0] != 0x30 or pkcs8[2:4] != b"\x02\x01" or pkcs8[5:12] != _ALGORITHM:
        raise ValueError("The private key is not Ed25519 in DER")
    if pkcs8[12:16] != b"\x04\x22\x04\x20":
        raise ValueError("The private key is not Ed25519 in DER")
    return pkcs8[16:48]
