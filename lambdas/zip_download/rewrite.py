"""Strip the leading folder off a zip while it streams through: compressed bytes are copied, never inflated.

Providers serve `git archive --prefix=<folder>/`. Local headers are read as they arrive and written again under their
new names; the central directory is the provider's own with new names and offsets, so modes, symlinks, dates and extras
stay. The result is byte for byte what `git archive` makes without a prefix.
"""

import hashlib
import struct
import zlib
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lambdas.common.artifacts import ContentEntry, content_digest
from lambdas.common.changes import REGULAR, content_of
from lambdas.common.errors import PermanentFailure, TemporaryFailure
from lambdas.common.zip_format import (
    CENTRAL,
    DEFLATED,
    DESCRIPTOR,
    END,
    END64,
    END64_LOCATOR,
    END64_LOCATOR_RECORD,
    END64_RECORD,
    END_RECORD,
    FLAG_DESCRIPTOR,
    FLAG_ENCRYPTED,
    LOCAL,
    LOCAL_HEADER,
    MAX32,
    STORED,
    CentralEntry,
    check_name,
    end_records,
    without_zip64,
)

CHUNK = 256 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may be at most; a provider is trusted with content, not with our resources."""

    entries: int = 500_000
    archive_bytes: int = 5 * 1024**3
    unpacked_bytes: int = 20 * 1024**3
    ratio: int = 100
    """Unpacked to packed, for archives that unpack to more than a gigabyte."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What was copied."""

    comment: str
    """The archive's comment: the commit, when git made it."""
    entries: list[ContentEntry]
    content_digest: str
    """Over the SHA-256 of each entry's packed bytes, as they pass."""


class _Source:
    """Exact reads from a stream that gives what it has."""

    def __init__(self, read: Callable[[int], bytes], limit: int) -> None:
        self._read, self._limit = read, limit
        self._buffer = b""
        self._at = 0
        self._total = 0

    def _fill(self, size: int) -> None:
        """Have at least `size` bytes in the buffer, or all there are."""
        pieces = [self._buffer[self._at :]]
        have = len(pieces[0])
        while have < size and (data := self._read(max(CHUNK, size - have))):
            self._total += len(data)
            if self._total > self._limit:
                raise PermanentFailure(f"The archive is larger than {self._limit // 1024**2} MB")
            pieces.append(data)
            have += len(data)
        self._buffer, self._at = b"".join(pieces), 0

    def peek(self, size: int) -> bytes:
        """Up to `size` bytes without taking them: fewer only at the end."""
        if len(self._buffer) - self._at < size:
            self._fill(size)
        return self._buffer[self._at : self._at + size]

    def take(self, size: int) -> bytes:
        """Exactly `size` bytes. Raises TemporaryFailure if the stream ends before."""
        data = self.peek(size)
        if len(data) < size:
            raise TemporaryFailure("The download ended in the middle of the archive")
        self._at += size
        return data

    def blocks(self, size: int) -> Iterator[memoryview]:
        """Exactly `size` bytes, in blocks as they come."""
        while size:
            if self._at == len(self._buffer):
                self._fill(1)
                if not self._buffer:
                    raise TemporaryFailure("The download ended in the middle of the archive")
            block = memoryview(self._buffer)[self._at : self._at + size]
            self._at += len(block)
            size -= len(block)
            yield block

    def block(self) -> bytes:
        """Whatever there is, at least one byte."""
        self.peek(1)
        data = self._buffer[self._at :]
        if not data:
            raise TemporaryFailure("The download ended in the middle of the archive")
        self._at = len(self._buffer)
        return data

    def give_back(self, data: bytes) -> None:
        """Put bytes back that were taken too many."""
        self._buffer, self._at = data + self._buffer[self._at :], 0


@dataclass(slots=True)
class _Local:
    name: bytes
    offset: int
    """Where its header was written; -1 for the folder that is left out."""
    digest_at: int


class _Rewriter:
    def __init__(
        self,
        read: Callable[[int], bytes],
        write: Callable[[bytes | memoryview], None],
        limits: Limits,
        folder: str | None,
    ) -> None:
        self._source, self._out, self._limits = _Source(read, limits.archive_bytes), write, limits
        self._position = 0
        self._consumed = 0
        self._directory_start = 0
        self._folder = None if folder is None else folder.lower().encode()
        self._prefix: bytes | None = None
        """The leading folder with its slash; empty if there is none to be stripped, None before the first entry."""
        self._digests = bytearray()
        """SHA-256 of the packed bytes of the entries, one after the other: there may be half a million."""
        self._places = array("L")
        """Where that of each entry of the directory begins."""
        self._locals: dict[int, _Local] = {}
        self._names: set[bytes] = set()

    def run(self) -> Rewritten:
        while (signature := self._source.peek(4)) == LOCAL:
            self._entry()
        if self._prefix is None or signature not in (CENTRAL, END, END64):
            raise PermanentFailure("The provider did not send a zip archive")
        entries = self._directory()
        return Rewritten(self._end(entries), self._content(entries), self._digest(entries))

    def _take(self, size: int) -> bytes:
        self._consumed += size
        return self._source.take(size)

    def _write(self, data: bytes | memoryview) -> None:
        self._position += len(data)
        self._out(data)

    def _strip(self, name: bytes) -> bytes:
        if self._prefix is None:
            self._prefix = self._leading(name)
        if not name.startswith(self._prefix):
            raise PermanentFailure("The archive's entries do not lie in one folder")
        stripped = name[len(self._prefix) :]
        if stripped:
            check_name(stripped)
        return stripped

    def _leading(self, name: bytes) -> bytes:
        """What is to be stripped, as the first entry tells: the folder that the provider sends, and no other."""
        leading = name[: name.find(b"/") + 1]
        if self._folder is None:
            if not leading:
                raise PermanentFailure("The archive's entries do not lie in one folder")
            return leading
        return leading if leading[:-1].lower() == self._folder else b""

    def _entry(self) -> None:
        start = self._consumed
        fixed = self._take(LOCAL_HEADER.size)
        (_, needed, flags, method, time, date, crc, packed, size, name_length, extra_length) = LOCAL_HEADER.unpack(
            fixed
        )
        old_name, extra = self._take(name_length), self._take(extra_length)
        if len(self._locals) >= self._limits.entries:
            raise PermanentFailure(f"The archive has more than {self._limits.entries} entries")
        if flags & FLAG_ENCRYPTED or method not in (STORED, DEFLATED):
            raise PermanentFailure("The archive is encrypted, or packed by a method that is not in use")
        name = self._strip(old_name)
        if name in self._names:
            raise PermanentFailure(f"The archive has two entries called {name[:100]!r}")
        self._names.add(name)
        self._locals[start] = _Local(old_name, self._position if name else -1, len(self._digests))
        if name:
            header = (LOCAL, needed, flags, method, time, date, crc, packed, size, len(name), extra_length)
            self._write(LOCAL_HEADER.pack(*header) + name + extra)
        if flags & FLAG_DESCRIPTOR:
            if method == STORED:
                raise PermanentFailure("The archive streams a file without saying where it ends; use git pull")
            self._copy_deflated(old_name)
            return
        _, wide = without_zip64(extra)
        if packed == MAX32:
            # In a local header the zip64 extra holds both sizes, the unpacked one first.
            if len(wide) < 16:
                raise PermanentFailure("The archive is damaged: a zip64 size is missing")
            packed = struct.unpack_from("<Q", wide, 8)[0]
        if not name:
            if packed:
                raise PermanentFailure("The archive is damaged: its folder has content")
            return
        self._copy(packed, old_name, crc if method == STORED else None)

    def _copy(self, packed: int, name: bytes, crc: int | None) -> None:
        """Copy an entry of known length. `crc`: its checksum, if these bytes are its content."""
        digest, checksum = hashlib.sha256(), 0
        for block in self._source.blocks(packed):
            digest.update(block)
            if crc is not None:
                checksum = zlib.crc32(block, checksum)
            self._write(block)
        self._consumed += packed
        self._digests += digest.digest()
        if crc not in (None, checksum):
            raise _damaged(name)

    def _copy_deflated(self, name: bytes) -> None:
        """Copy an entry of unknown length: only inflating it tells its end."""
        inflate, digest = zlib.decompressobj(-zlib.MAX_WBITS), hashlib.sha256()
        packed = size = checksum = 0
        while not inflate.eof:
            block = self._source.block()
            pending = block
            while pending and not inflate.eof:
                content = inflate.decompress(pending, 4 * CHUNK)
                size += len(content)
                checksum = zlib.crc32(content, checksum)
                pending = inflate.unconsumed_tail
            used = len(block) - len(inflate.unused_data)
            if inflate.unused_data:
                self._source.give_back(inflate.unused_data)
            packed += used
            digest.update(memoryview(block)[:used])
            self._write(memoryview(block)[:used])
            if size > self._limits.unpacked_bytes:
                raise PermanentFailure("The archive unpacks to more than is allowed")
        self._consumed += packed
        if self._source.peek(4) != DESCRIPTOR:
            raise PermanentFailure("The archive is damaged: a data descriptor is missing")
        if struct.unpack_from("<L", self._source.peek(8).ljust(8, b"\0"), 4) != (checksum,):
            raise _damaged(name)
        self._digests += digest.digest()
        narrow = struct.unpack_from("<2L", self._source.peek(16).ljust(16, b"\0"), 8)
        self._write(self._take(16 if narrow == (packed, size) else 24))

    def _directory(self) -> list[CentralEntry]:
        entries: list[CentralEntry] = []
        self._directory_start = self._position
        while self._source.peek(4) == CENTRAL:
            entry = CentralEntry.read(self._take)
            local = self._locals.pop(entry.offset, None)
            if local is None or local.name != entry.name:
                raise PermanentFailure("The archive is damaged: its directory does not match its entries")
            if local.offset < 0:
                continue
            entry.name, entry.offset = self._strip(entry.name), local.offset
            self._write(entry.pack())
            entries.append(entry)
            self._places.append(local.digest_at)
        if self._locals:
            raise PermanentFailure("The archive is damaged: entries are missing from its directory")
        return entries

    def _end(self, entries: list[CentralEntry]) -> str:
        if self._source.peek(4) == END64:
            self._take(END64_RECORD.size)
        if self._source.peek(4) == END64_LOCATOR:
            self._take(END64_LOCATOR_RECORD.size)
        record = self._take(END_RECORD.size)
        if not record.startswith(END):
            raise PermanentFailure("The archive is damaged: its end record is missing")
        comment = self._take(END_RECORD.unpack(record)[-1])
        if self._source.peek(1):
            raise PermanentFailure("The archive is damaged: something follows its end")
        size = self._position - self._directory_start
        self._write(end_records(entries, size=size, offset=self._directory_start, comment=comment))
        return comment.decode("utf-8", "replace")

    def _content(self, entries: list[CentralEntry]) -> list[ContentEntry]:
        unpacked = sum(entry.size for entry in entries)
        packed = max(1, sum(entry.compressed for entry in entries))
        if unpacked > self._limits.unpacked_bytes or (unpacked > 1024**3 and unpacked / packed > self._limits.ratio):
            raise PermanentFailure(f"The archive unpacks to {unpacked // 1024**2} MB, which is more than is allowed")
        return content_of(entries)

    def _digest(self, entries: list[CentralEntry]) -> str:
        def content() -> Iterator[tuple[bytes, int, bytes]]:
            for number in sorted(range(len(entries)), key=lambda each: entries[each].name):
                entry, at = entries[number], self._places[number]
                if not entry.is_directory:
                    yield entry.name, entry.unix_mode or REGULAR, bytes(self._digests[at : at + 32])

        return content_digest(content())


def _damaged(name: bytes) -> TemporaryFailure:
    shown = name.decode(errors="replace")[:100]
    return TemporaryFailure(f"The archive is damaged: the checksum of {shown} does not match")


def strip_leading_folder(
    read: Callable[[int], bytes],
    write: Callable[[bytes | memoryview], None],
    limits: Limits = Limits(),
    *,
    folder: str | None = None,
) -> Rewritten:
    """Copy a zip from `read` to `write` without its one leading folder.

    With `folder`, only if it is called so; else the archive has none, and is copied as it is. Checksums are verified of
    what passes unpacked anyway: of entries that are stored, or that must be inflated to find their end.

    Raises TemporaryFailure if the stream ends early or a checksum does not match, PermanentFailure if it is no zip,
    breaks a limit or has unsafe names.
    """
    try:
        return _Rewriter(read, write, limits, folder).run()
    except (ValueError, zlib.error) as error:
        raise PermanentFailure(f"The archive is damaged: {error}") from error
