"""Records of the zip format, as bytes. APPNOTE.TXT 6.3: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

LOCAL, CENTRAL, DESCRIPTOR = b"PK\x03\x04", b"PK\x01\x02", b"PK\x07\x08"
END, END64, END64_LOCATOR = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
STORED, DEFLATED = 0, 8
FLAG_ENCRYPTED, FLAG_DESCRIPTOR, FLAG_UTF8 = 0x0001, 0x0008, 0x0800
MAX16, MAX32 = 0xFFFF, 0xFFFFFFFF
ZIP64_EXTRA = 0x0001
MADE_BY_UNIX = 3 << 8

LOCAL_HEADER = struct.Struct("<4s5H3L2H")
CENTRAL_HEADER = struct.Struct("<4s6H3L5H2L")
DESCRIPTOR_RECORD = struct.Struct("<4s3L")
END_RECORD = struct.Struct("<4s4H2LH")
END64_RECORD = struct.Struct("<4sQ2H2L4Q")
END64_LOCATOR_RECORD = struct.Struct("<4sLQL")


@dataclass(slots=True)
class CentralEntry:
    """One header of the central directory."""

    made_by: int
    needed: int
    flags: int
    method: int
    time: int
    date: int
    crc: int
    compressed: int
    size: int
    internal: int
    external: int
    offset: int
    name: bytes
    extra: bytes = b""
    comment: bytes = b""

    @classmethod
    def read(cls, take: Callable[[int], bytes]) -> "CentralEntry":
        """Read one from `take`, which returns as many bytes as it is asked for. Raises ValueError."""
        values = CENTRAL_HEADER.unpack(take(CENTRAL_HEADER.size))
        (signature, made_by, needed, flags, method, time, date, crc, packed, size, name_length, extra_length) = values[
            :12
        ]
        comment_length, _, internal, external, offset = values[12:]
        if signature != CENTRAL:
            raise ValueError("a header of the directory is missing")
        name = take(name_length)
        extra, wide = without_zip64(take(extra_length))
        comment = take(comment_length)
        # The zip64 extra holds, in this order, only the values that do not fit.
        numbers = iter(struct.unpack(f"<{len(wide) // 8}Q", wide[: len(wide) // 8 * 8]))
        size, packed, offset = (next(numbers, -1) if value == MAX32 else value for value in (size, packed, offset))
        return cls(
            made_by,
            needed,
            flags,
            method,
            time,
            date,
            crc,
            packed,
            size,
            internal,
            external,
            offset,
            name,
            extra,
            comment,
        )

    @property
    def unix_mode(self) -> int:
        """st_mode of the entry; 0 for archives that do not keep it."""
        return self.external >> 16 if self.made_by >> 8 == 3 else 0

    @property
    def is_directory(self) -> bool:
        """Whether it is a folder, which zip writes as a name that ends with a slash."""
        return self.name.endswith(b"/")

    def pack(self) -> bytes:
        """The header's bytes, with a zip64 extra for what does not fit 32 bits."""
        large = [value for value in (self.size, self.compressed, self.offset) if value >= MAX32]
        extra = self.extra
        needed = self.needed
        if large:
            extra = struct.pack(f"<HH{len(large)}Q", ZIP64_EXTRA, 8 * len(large), *large) + extra
            needed = max(needed, 45)
        return (
            CENTRAL_HEADER.pack(
                CENTRAL,
                self.made_by,
                needed,
                self.flags,
                self.method,
                self.time,
                self.date,
                self.crc,
                min(self.compressed, MAX32),
                min(self.size, MAX32),
                len(self.name),
                len(extra),
                len(self.comment),
                0,
                self.internal,
                self.external,
                min(self.offset, MAX32),
            )
            + self.name
            + extra
            + self.comment
        )


def end_records(entries: Sequence[CentralEntry], *, size: int, offset: int, comment: bytes) -> bytes:
    """What follows the central directory of `size` bytes at `offset`: its end, in zip64 too if needed."""
    records = b""
    count = len(entries)
    if count > MAX16 or size >= MAX32 or offset >= MAX32:
        made_by = max((entry.made_by for entry in entries), default=0)
        records = END64_RECORD.pack(END64, 44, made_by, 45, 0, 0, count, count, size, offset)
        records += END64_LOCATOR_RECORD.pack(END64_LOCATOR, 0, offset + size, 1)
    short = min(count, MAX16)
    return (
        records + END_RECORD.pack(END, 0, 0, short, short, min(size, MAX32), min(offset, MAX32), len(comment)) + comment
    )


def without_zip64(extra: bytes) -> tuple[bytes, bytes]:
    """An extra field without its zip64 part, and that part's data (empty if there is none). Raises ValueError."""
    kept, found = [], b""
    position = 0
    while position < len(extra):
        if position + 4 > len(extra):
            raise ValueError("an extra field is cut off")
        kind, length = struct.unpack_from("<HH", extra, position)
        end = position + 4 + length
        if end > len(extra):
            raise ValueError("an extra field is cut off")
        if kind == ZIP64_EXTRA:
            found = extra[position + 4 : end]
        else:
            kept.append(extra[position:end])
        position = end
    return b"".join(kept), found


def check_name(name: bytes) -> None:
    """Refuse an entry that would be unpacked outside its folder. Raises ValueError."""
    parts = name.removesuffix(b"/").replace(b"\\", b"/").split(b"/")
    if b"\0" in name or any(part in (b"", b".", b"..") for part in parts):
        raise ValueError(f"the entry {name[:100]!r} has a name that must not be unpacked")
