"""A commit's tree as a zip, without a checkout: same tree, same bytes.

Order, dates and compression are fixed. Exec bits and symlinks are kept. Submodules that were not fetched are left out;
so are paths with the attribute `export-ignore`, as with `git archive`. The pointer of a file that Git LFS keeps
(attribute `filter=lfs`) is kept as it is, or replaced by the file, which streams.
"""

import contextlib
import importlib
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import pygit2
from pygit2.enums import AttrCheck, FileMode

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
_ATTRIBUTES = AttrCheck.INDEX_ONLY | AttrCheck.NO_SYSTEM | AttrCheck.INCLUDE_COMMIT
"""Where to look for them: in the commit alone."""

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
    submodules: list[str] = []
    present = {part.prefix for part in parts}
    directory: list[CentralEntry] = []
    position = unpacked = 0
    files = [file for part in parts for file in _files(part, submodules, limits, lfs=large_files is not None)]
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
    left_out = [path for path in submodules if path.encode(errors="replace") + b"/" not in present]
    digest = content_digest((file.name, file.mode, _digest(file)) for file in files)
    return Written([ContentEntry(e.name, e.unix_mode, e.crc, e.size) for e in directory], left_out, digest)


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


def _files(part: Part, submodules: list[str], limits: Limits, *, lfs: bool) -> Iterator[_File]:
    repository, commit = part.repository, part.commit
    tree = repository[commit].peel(pygit2.Tree)
    found: list[_File] = []
    attributes: list[tuple[bytes, bytes]] = []
    pending: list[tuple[bytes, pygit2.Oid]] = [(b"", tree.id)]
    trees: list[tuple[bytes, pygit2.Oid]] = []
    while pending:
        prefix, tree_id = pending.pop()
        trees.append((prefix, tree_id))
        for item in repository[tree_id].peel(pygit2.Tree):
            name = prefix + (item.raw_name or b"")
            if item.filemode == FileMode.TREE:
                pending.append((name + b"/", item.id))
            elif item.filemode == FileMode.COMMIT:
                submodules.append((part.prefix + name).decode(errors="replace"))
            else:
                mode = _MODES.get(item.filemode, 0o100644)
                found.append(_File(_checked(part.prefix + name), mode, item.id, repository))
                if item.raw_name == b".gitattributes":
                    attributes.append((prefix, bytes(_blob(repository, item.id))))
        if len(found) > limits.entries:
            raise PermanentFailure(f"The commit has more than {limits.entries} files")
    ignoring = [(prefix, text) for prefix, text in attributes if b"export-ignore" in text]
    if ignoring:
        ignored = _Ignored(repository, commit, ignoring)
        found = [file for file in found if not ignored(file.name.removeprefix(part.prefix))]
    if lfs and any(b"filter=lfs" in text for _, text in attributes):
        found = [_with_large(part, file) for file in found]
    yield from found


def _with_large(part: Part, file: _File) -> _File:
    """The file with what Git LFS keeps for it, if that is so."""
    path = file.name.removeprefix(part.prefix)
    wanted = part.repository.get_attr(path, "filter", _ATTRIBUTES, part.commit) == "lfs"
    try:
        pointer = parse(_blob(part.repository, file.id)) if wanted and file.mode != _MODES[FileMode.LINK] else None
    except UnreadablePointer:
        shown = file.name.decode(errors="replace")[:100]
        raise PermanentFailure(f"The Git LFS pointer `{shown}` cannot be read: commit the file anew") from None
    return replace(file, large=LargeFile(file.name.decode(errors="replace"), part.name, pointer)) if pointer else file


def _checked(name: bytes) -> bytes:
    try:
        check_name(name)
    except ValueError as error:
        raise PermanentFailure(f"The commit cannot be stored: {error}") from None
    return name


class _Ignored:
    """Tells paths with the attribute export-ignore, or inside a folder that has it.

    Without a working tree libgit2 takes no path for a folder, so patterns that end in a slash match nothing. Their
    lines are given to it again without the slash, through the repository's own info/attributes.
    """

    def __init__(self, repository: pygit2.Repository, commit: str, attributes: Sequence[tuple[bytes, bytes]]) -> None:
        self._repository, self._commit = repository, commit
        lines = [line for prefix, text in attributes for line in _folder_lines(prefix, text)]
        info = Path(repository.path) / "info" / "attributes"
        info.parent.mkdir(exist_ok=True)
        info.write_bytes(b"".join(lines))
        self._folders: dict[bytes, bool] = {b"": False}

    def __call__(self, name: bytes) -> bool:
        return self._folder(name.rpartition(b"/")[0]) or self._has(name)

    def _folder(self, name: bytes) -> bool:
        if name not in self._folders:
            parent = name.rpartition(b"/")[0]
            self._folders[name] = self._folder(parent) or self._has(name)
        return self._folders[name]

    def _has(self, name: bytes) -> bool:
        value = self._repository.get_attr(name, "export-ignore", _ATTRIBUTES, self._commit)
        return value is True


def _folder_lines(prefix: bytes, text: bytes) -> Iterator[bytes]:
    """The lines of a .gitattributes under `prefix` that are for folders, written for files and for the root."""
    for line in text.splitlines():
        pattern, _, rest = line.strip().partition(b" ")
        if not pattern.endswith(b"/") or pattern.startswith((b"#", b'"')) or b"export-ignore" not in rest.split():
            continue
        bare = pattern[:-1]
        if prefix:
            bare = b"/" + prefix + (bare.removeprefix(b"/") if b"/" in bare else b"**/" + bare)
        yield bare + b" export-ignore\n"
