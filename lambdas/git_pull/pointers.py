"""Git LFS pointers: the small text that a tree holds in place of a file.

https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md#the-pointer
"""

import re
from dataclasses import dataclass

MAX_POINTER = 1024
"""Bytes; a pointer is smaller."""
_VERSION = b"version https://git-lfs.github.com/spec/v1\n"
_OID = re.compile(rb"^oid sha256:([0-9a-f]{64})$", re.MULTILINE)
_SIZE = re.compile(rb"^size ([1-9][0-9]{0,17})$", re.MULTILINE)
_EXTENSION = re.compile(rb"^ext-", re.MULTILINE)


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


def parse(data: bytes | memoryview) -> Pointer | None:
    """The pointer in a blob; None if it is none. (An empty file is an empty blob, never a pointer with size 0.)"""
    if len(data) >= MAX_POINTER:
        return None
    text = bytes(data)
    oid, size = _OID.search(text), _SIZE.search(text)
    if not text.startswith(_VERSION) or not oid or not size:
        return None
    return Pointer(oid[1].decode(), int(size[1]), extended=_EXTENSION.search(text) is not None)
