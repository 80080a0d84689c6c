"""What the lines of a known_hosts file say of one server, as OpenSSH reads them.

sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT": https://man.openbsd.org/sshd.8#SSH_KNOWN_HOSTS_FILE_FORMAT
libssh2, which libgit2 uses, knows neither markers nor wildcards nor negation, so it is given plain lines only.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass

USUAL_PORT = 22
VERIFIABLE = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
)
"""Types of host keys that git pull can verify: libssh2's, without DSA. https://libssh2.org/docs/ (hostkey.c)"""
EXCHANGES = (
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group-exchange-sha256",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512",
    "diffie-hellman-group14-sha256",
)
"""What git pull can agree on keys with: libssh2 knows no post-quantum exchange. (kex.c)"""
AUTHORITY, REVOKED = "@cert-authority", "@revoked"


@dataclass(frozen=True, slots=True)
class Line:
    """One line that can be read."""

    patterns: str
    type: str
    blob: str
    """The key in base64."""
    marker: str = ""

    @property
    def key(self) -> str:
        """`<type> <base64>`."""
        return f"{self.type} {self.blob}"

    def names(self, host: str) -> bool:
        """Whether the line is about a host, written `host` or `[host]:port`. A matching negation rules it out."""
        host = host.lower()
        if self.patterns.startswith("|"):
            return _is_hash_of(self.patterns, host)
        found = False
        for pattern in self.patterns.lower().split(","):
            if _matches(pattern.removeprefix("!"), host):
                if pattern.startswith("!"):
                    return False
                found = True
        return found


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one server."""

    keys: tuple[str, ...]
    """Host keys that are trusted, each `<type> <base64>`; those that are revoked are not among them."""
    revoked: tuple[str, ...] = ()
    authorities: tuple[str, ...] = ()
    """Keys that may sign a certificate of the host."""


def name_of(host: str, port: int) -> str:
    """How a line names a server: the host, or `[host]:port` where the port is not the usual one."""
    return host if port == USUAL_PORT else f"[{host}]:{port}"


def lines(text: str) -> Iterator[Line]:
    """The lines that can be read; comments and others are passed over, as OpenSSH does."""
    for line in text.splitlines():
        fields = line.split()
        if not fields or fields[0].startswith("#"):
            continue
        marker = fields.pop(0) if fields[0].startswith("@") else ""
        if len(fields) < 3 or marker not in {"", AUTHORITY, REVOKED}:
            continue
        patterns, kind, blob = fields[:3]
        if _is_key(kind, blob):
            yield Line(patterns, kind, blob, marker)


def known(text: str, host: str, port: int) -> Known:
    """What the lines of a known_hosts file say of a server.

    Where no line names the port, those that name the host alone count (sshconnect.c of OpenSSH looks twice). A key that
    is revoked for either name is refused.
    """
    every = list(lines(text))
    names = dict.fromkeys((name_of(host, port), host))
    revoked = [each.key for each in every if each.marker == REVOKED and any(map(each.names, names))]
    for name in names:
        here = [each for each in every if each.names(name)]
        keys = [each.key for each in here if not each.marker and each.key not in revoked]
        authorities = [each.key for each in here if each.marker == AUTHORITY and each.key not in revoked]
        if keys or authorities:
            return Known(_once(keys), _once(revoked), _once(authorities))
    return Known((), _once(revoked))


def _once(keys: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(keys))


def _matches(pattern: str, text: str) -> bool:
    """`*` and `?` alone are special (match_pattern of OpenSSH); brackets are not."""
    expression = "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)
    return re.fullmatch(expression, text, re.DOTALL) is not None


def _is_hash_of(pattern: str, host: str) -> bool:
    """`|1|salt|hash`: HMAC-SHA1 of the name, both in base64."""
    parts = pattern.split("|")
    if len(parts) != 4 or parts[1] != "1":
        return False
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in parts[2:])
    except binascii.Error:
        return False
    return hmac.compare_digest(hmac.new(salt, host.encode(), hashlib.sha1).digest(), digest)


def _is_key(kind: str, blob: str) -> bool:
    """Whether the key is of the type that the line says (RFC 4253, 6.6)."""
    try:
        data = base64.b64decode(blob, validate=True)
    except binascii.Error:
        return False
    name = kind.encode()
    return data[: 4 + len(name)] == len(name).to_bytes(4, "big") + name
