"""Git LFS pointers: the small text that a tree holds in place of a file.

https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md#the-pointer
"""

import re
from dataclasses import dataclass

MAX_POINTER = 1024
"""Bytes; a pointer is smaller."""
_VERSIONS = frozenset(
    {b"https://git-lfs.github.com/spec/v1", b"https://hawser.github.com/spec/v1", b"http://git-media.io/v/2"}
)
"""What git-lfs has written in the course of time, and still reads."""
_OID = re.compile(rb"sha256:([0-9a-f]{64})")
_SIZE = re.compile(rb"[1-9][0-9]{0,17}")


@dataclass(frozen=True, slots=True)
class Pointer:
    """Which object stands for the file."""

    oid: str
    """SHA-256 of the object, in hex."""
    size: int
    """Bytes."""
    extended: bool = False
    """Whether programs of the repository's own change the object on its way into the file."""


@dataclass(frozen=True, slots=True)
class LargeFile:
    """A file of the artifact whose content is an object of a repository's."""

    path: str
    repository: str
    """Full name."""
    pointer: Pointer


class UnreadablePointer(ValueError):
    """A blob that is a pointer by its first line, and does not say which object it stands for."""


def parse(data: bytes | memoryview) -> Pointer | None:
    """The pointer in a blob; None if it is none. (An empty file is an empty blob, never a pointer with size 0.)

    Lines may end as Windows ends them. Raises UnreadablePointer.
    """
    if len(data) >= MAX_POINTER:
        return None
    lines = [line.removesuffix(b"\r").partition(b" ") for line in bytes(data).split(b"\n")]
    key, _, version = lines[0]
    if key != b"version" or not version.startswith((b"https://git-lfs.github.com/", *_VERSIONS)):
        return None
    values = {key: value for key, _, value in lines}
    oid, size = _OID.fullmatch(values.get(b"oid", b"")), _SIZE.fullmatch(values.get(b"size", b""))
    if version not in _VERSIONS or not oid or not size:
        raise UnreadablePointer("It is no pointer that can be read")
    return Pointer(oid[1].decode(), int(size[0]), extended=any(key.startswith(b"ext-") for key in values))
