"""A commit's tree as a zip, without a checkout: same tree, same bytes.

Order, dates and compression are fixed. Exec bits and symlinks are kept. Submodules that were not fetched are left out;
so are paths with the attribute `export-ignore`, as with `git archive`. The pointer of a file that Git LFS keeps
(attribute `filter=lfs`) is kept as it is, or replaced by the file, which streams.
"""

import contextlib
import importlib
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import ModuleType

import pygit2
from pygit2.enums import FileMode

from lambdas.common.artifacts import ContentEntry, content_digest
from lambdas.common.errors import PermanentFailure
from lambdas.common.zip_format import (
    DEFLATED,
    DESCRIPTOR,
    DESCRIPTOR_RECORD,
    FLAG_DESCRIPTOR,
    FLAG_UTF8,
    LOCAL,
    LOCAL_HEADER,
    MADE_BY_UNIX,
    MAX32,
    STORED,
    CentralEntry,
    check_name,
    end_records,
)
from lambdas.git_pull.attributes import Attributes, Value
from lambdas.git_pull.pointers import LargeFile, UnreadablePointer, parse
from lambdas.git_pull.submodules import Part

deflate_module: ModuleType = zlib
with contextlib.suppress(ImportError):  # the package carries isal; a process of the panel or a test may not
    deflate_module = importlib.import_module("isal.isal_zlib")

LEVEL = 3
"""isal's levels 1 and 2 are not deterministic between processes; 3 is, at five times the speed of zlib's 6."""
DOS_DATE = (1 << 5) | 1
"""1980-01-01, the first day that zip knows."""
_MODES = {FileMode.BLOB: 0o100644, FileMode.BLOB_EXECUTABLE: 0o100755, FileMode.LINK: 0o120777}
_INTERESTING = re.compile(rb"export-ignore|filter|export-subst|ident|eol|working-tree-encoding")
"""Of a .gitattributes file, what says anything of an artifact; macros spell it out, too."""

Write = Callable[[bytes | memoryview], None]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a tree may be at most."""

    entries: int = 500_000
    file_bytes: int = 1024**3
    unpacked_bytes: int = 20 * 1024**3
    large_files: int = 2_000
    large_bytes: int = 10 * 1024**3
    """Those of Git LFS together."""


@dataclass(frozen=True, slots=True)
class Written:
    """What went into the zip."""

    entries: list[ContentEntry]
    submodules: list[str]
    """Paths of those that were left out."""
    content_digest: str
    unchanged: dict[str, list[str]]
    """Files that are as they were committed, by the attribute that has `git archive` change them."""


@dataclass(slots=True)
class _Told:
    """What is found on the way, and is to be told."""

    submodules: list[str] = field(default_factory=list)
    unchanged: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _File:
    name: bytes
    mode: int
    id: pygit2.Oid
    repository: pygit2.Repository
    large: LargeFile | None = None
    """What Git LFS keeps for it, if that is wanted."""


LargeFiles = Callable[[Sequence[LargeFile]], Iterator[Iterator[bytes]]]
"""For each file in turn, its content in blocks. Raises FetchError, blocks too."""


def write_zip(
    parts: Sequence[Part],
    write: Write,
    *,
    check_time: Callable[[], None],
    limits: Limits = Limits(),
    large_files: LargeFiles | None = None,
) -> Written:
    """Write the trees of the parts as one; with `large_files`, what Git LFS keeps in place of its pointers.

    Raises PermanentFailure if they break a limit or have names that must not be unpacked, and what `large_files` does.
    """
    told = _Told()
    present = {part.prefix for part in parts}
    directory: list[CentralEntry] = []
    position = unpacked = 0
    files = [file for part in parts for file in _files(part, told, limits, lfs=large_files is not None)]
    if len(files) > limits.entries:
        raise PermanentFailure(f"The commit and its submodules have more than {limits.entries} files")
    files.sort(key=lambda file: file.name)
    large = _large(files, limits)
    contents = large_files(large) if large_files else iter(())
    for file in files:
        check_time()
        if file.large:
            entry, written = _stream(file, next(contents), position, write)
        else:
            entry, written = _write(file, _blob(file.repository, file.id), position, write, limits)
        unpacked += entry.size
        if unpacked > limits.unpacked_bytes:
            raise _too_large(file.name)
        position += written
        directory.append(entry)
    start = position
    for entry in directory:
        record = entry.pack()
        write(record)
        position += len(record)
    write(end_records(directory, size=position - start, offset=start, comment=b""))
    left_out = [path for path in told.submodules if path.encode(errors="replace") + b"/" not in present]
    digest = content_digest((file.name, file.mode, _digest(file)) for file in files)
    return Written(
        [ContentEntry(e.name, e.unix_mode, e.crc, e.size) for e in directory], left_out, digest, told.unchanged
    )


def _digest(file: _File) -> bytes:
    """What no other content has: the id of the blob, or of what Git LFS keeps for it."""
    return file.id.raw if file.large is None else b"lfs:" + file.large.pointer.oid.encode()


def _large(files: Sequence[_File], limits: Limits) -> list[LargeFile]:
    """Those that Git LFS keeps. Raises PermanentFailure, before any is asked for, if they break a limit."""
    large = [file.large for file in files if file.large]
    for each in large:
        if each.pointer.extended:
            raise PermanentFailure(f"The Git LFS file `{each.path[:100]}` needs an extension of Git LFS to be read")
        if each.pointer.size > limits.file_bytes:
            raise _too_large(each.path.encode())
    if len(large) > limits.large_files or sum(each.pointer.size for each in large) > limits.large_bytes:
        raise PermanentFailure(
            f"The commit has too much in Git LFS: at most {limits.large_files} files "
            f"of {limits.large_bytes >> 20} MiB together are fetched"
        )
    return large


def _too_large(name: bytes) -> PermanentFailure:
    return PermanentFailure(f"The commit is too large: {name.decode(errors='replace')[:100]} is past the limit")


def _write(file: _File, data: memoryview, offset: int, write: Write, limits: Limits) -> tuple[CentralEntry, int]:
    """Returns what the directory says of the file, and how many bytes were written."""
    if len(data) > limits.file_bytes:
        raise _too_large(file.name)
    packed: bytes | memoryview = data
    method = STORED
    if file.mode != _MODES[FileMode.LINK] and data:
        deflated = deflate_module.compress(data, LEVEL, wbits=-zlib.MAX_WBITS)
        if len(deflated) < len(data):
            packed, method = deflated, DEFLATED
    entry = _entry(file, offset, method)
    entry.crc, entry.compressed, entry.size = deflate_module.crc32(data), len(packed), len(data)
    header = _local_header(entry)
    write(header)
    write(packed)
    return entry, len(header) + len(packed)


def _stream(file: _File, blocks: Iterator[bytes], offset: int, write: Write) -> tuple[CentralEntry, int]:
    """As `_write`, of what does not fit in memory: its sizes and checksum follow it."""
    entry = _entry(file, offset, DEFLATED, FLAG_DESCRIPTOR)
    header = _local_header(entry)
    write(header)
    deflate = deflate_module.compressobj(LEVEL, wbits=-zlib.MAX_WBITS)
    for block in blocks:
        entry.crc = deflate_module.crc32(block, entry.crc)
        entry.size += len(block)
        packed = deflate.compress(block)
        entry.compressed += len(packed)
        write(packed)
    packed = deflate.flush()
    entry.compressed += len(packed)
    write(packed)
    descriptor = DESCRIPTOR_RECORD.pack(DESCRIPTOR, entry.crc, entry.compressed, entry.size)
    write(descriptor)
    return entry, len(header) + entry.compressed + len(descriptor)


def _entry(file: _File, offset: int, method: int, flags: int = 0) -> CentralEntry:
    return CentralEntry(
        made_by=MADE_BY_UNIX,
        needed=20,
        flags=flags if file.name.isascii() or not _is_utf8(file.name) else flags | FLAG_UTF8,
        method=method,
        time=0,
        date=DOS_DATE,
        crc=0,
        compressed=0,
        size=0,
        internal=0,
        external=file.mode << 16,
        offset=offset,
        name=file.name,
    )


def _blob(repository: pygit2.Repository, blob_id: pygit2.Oid) -> memoryview:
    """A blob's content, without copying it out of libgit2's hands."""
    return memoryview(repository[blob_id].peel(pygit2.Blob))


def _local_header(entry: CentralEntry) -> bytes:
    if entry.size >= MAX32:
        raise PermanentFailure("A file of 4 GB or more cannot be stored")
    return (
        LOCAL_HEADER.pack(
            LOCAL,
            entry.needed,
            entry.flags,
            entry.method,
            entry.time,
            entry.date,
            entry.crc,
            entry.compressed,
            entry.size,
            len(entry.name),
            0,
        )
        + entry.name
    )


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _files(part: Part, told: _Told, limits: Limits, *, lfs: bool) -> Iterator[_File]:
    repository = part.repository
    found: list[_File] = []
    attributes: dict[bytes, bytes] = {}
    pending: list[tuple[bytes, pygit2.Oid]] = [(b"", repository[part.commit].peel(pygit2.Tree).id)]
    links: list[bytes] = []
    while pending:
        prefix, tree_id = pending.pop()
        for item in repository[tree_id].peel(pygit2.Tree):
            name = prefix + (item.raw_name or b"")
            if item.filemode == FileMode.TREE:
                pending.append((name + b"/", item.id))
            elif item.filemode == FileMode.COMMIT:
                links.append(name)
            else:
                mode = _MODES.get(item.filemode, 0o100644)
                found.append(_File(_checked(part.prefix + name), mode, item.id, repository))
                if item.raw_name == b".gitattributes":
                    attributes[prefix] = bytes(_blob(repository, item.id))
        if len(found) > limits.entries:
            raise PermanentFailure(f"The commit has more than {limits.entries} files")
    told.submodules += [(part.prefix + name).decode(errors="replace") for name in links]
    if any(_INTERESTING.search(text) for text in attributes.values()):
        found = list(_as_told(part, found, Attributes(attributes), told, lfs=lfs))
    yield from found


def _as_told(part: Part, files: Sequence[_File], attributes: Attributes, told: _Told, *, lfs: bool) -> Iterator[_File]:
    """Without what is not to be exported, with what Git LFS keeps; notes what `git archive` would change."""
    left_out: dict[bytes, bool] = {b"": False}

    def is_left_out(folder: bytes) -> bool:
        if folder not in left_out:
            parent = folder.rpartition(b"/")[0]
            left_out[folder] = is_left_out(parent) or attributes.of(folder + b"/").get(b"export-ignore") is True
        return left_out[folder]

    for file in files:
        path = file.name.removeprefix(part.prefix)
        if is_left_out(path.rpartition(b"/")[0]):
            continue
        said = attributes.of(path)
        if said.get(b"export-ignore") is True:
            continue
        is_link = file.mode == _MODES[FileMode.LINK]
        if not is_link and (asked := _changes(said)):
            told.unchanged.setdefault(asked, []).append(file.name.decode(errors="replace"))
        yield _with_large(part, file) if lfs and said.get(b"filter") == b"lfs" and not is_link else file


def _changes(said: Mapping[bytes, Value]) -> str:
    """What `git archive` would do to a file's content; empty if it leaves it as it is."""
    encoding = said.get(b"working-tree-encoding")
    if isinstance(encoding, bytes) and encoding.upper() not in (b"", b"UTF-8", b"UTF8"):
        return "working-tree-encoding"
    if said.get(b"export-subst") is True:
        return "export-subst"
    if said.get(b"ident") is True:
        return "ident"
    return "eol=crlf" if said.get(b"eol") == b"crlf" and said.get(b"text") is not False else ""


def _with_large(part: Part, file: _File) -> _File:
    """The file with what Git LFS keeps for it, if it is a pointer."""
    shown = file.name.decode(errors="replace")
    try:
        pointer = parse(_blob(part.repository, file.id))
    except UnreadablePointer:
        raise PermanentFailure(f"The Git LFS pointer `{shown[:100]}` cannot be read: commit the file anew") from None
    return replace(file, large=LargeFile(shown, part.name, pointer)) if pointer else file


def _checked(name: bytes) -> bytes:
    try:
        check_name(name)
    except ValueError as error:
        raise PermanentFailure(f"The commit cannot be stored: {error}") from None
    return name
