"""Repositories of a known size with years of history, made the same on every machine from a seed.

Nothing is taken from a real project: text is lines of made-up code that deflate about as well as real code does, and
some files are binary and do not deflate at all.
"""

import hashlib
import os
import random
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO

_START = 1_500_000_000
"""Time of the first commit, in seconds since 1970; one commit follows every hour."""
_TEXT_EXTENSIONS = (b".py", b".js", b".ts", b".html", b".css", b".md", b".json", b".yaml", b".txt", b".go")
_BINARY_EXTENSIONS = (b".png", b".woff2", b".jpg")
_BINARY_SHARE, _EXECUTABLE_SHARE, _LINK_SHARE = 0.06, 0.03, 0.005
_REWRITTEN_SHARE = 0.1
"""Changes that replace a whole text instead of some of its lines."""


@dataclass(frozen=True, slots=True)
class Size:
    """How large a repository is."""

    name: str
    files: int
    tree_bytes: int
    commits: int
    changes: int
    """Files changed by each commit after the first."""


SMALL = Size("small", 120, 1_100_000, 60, 3)
MEDIUM = Size("medium", 2_674, 37_600_000, 3_000, 6)
LARGE = Size("large", 23_568, 396_000_000, 3_000, 6)


@dataclass(frozen=True, slots=True)
class Tree:
    """A repository as the servers serve it, and what its archive must look like."""

    size: Size
    repository: str
    """Full name."""
    path: Path
    commit: str
    archive: Path
    """What a provider serves: `git archive` with one leading folder."""
    expected: Path
    """`git archive` without it."""
    pack_bytes: int

    @property
    def description(self) -> str:
        """One line for people."""
        megabytes, archive = self.size.tree_bytes / 1e6, self.archive.stat().st_size / 1e6
        return (
            f"{megabytes:.1f} MB in {self.size.files:,} files, zipped {archive:.1f} MB; "
            f"{self.size.commits:,} commits, {self.pack_bytes / 1e6:.0f} MB packed"
        )


def make_tree(size: Size, root: Path) -> Tree:
    """Make the repository and its archives under `root`. Raises CalledProcessError if git fails."""
    full_name = f"bench/{size.name}"
    path = root / f"{full_name}.git"
    path.mkdir(parents=True)
    run_git(path, "init", "--quiet", "--bare", "--initial-branch=main")
    run_git(path, "config", "uploadpack.allowAnySHA1InWant", "true")
    _import(size, path)
    # As a host keeps it: one pack with a bitmap, deltas as they are.
    run_git(path, "repack", "-a", "-d", "-b", "-q", "--window=0")
    commit = run_git(path, "rev-parse", "main").strip()
    archive, expected = path.with_suffix(".served.zip"), path.with_suffix(".expected.zip")
    run_git(path, "archive", "--format=zip", f"--prefix=bench-{size.name}-{commit[:7]}/", f"--output={archive}", commit)
    run_git(path, "archive", "--format=zip", f"--output={expected}", commit)
    pack_bytes = sum(pack.stat().st_size for pack in path.glob("objects/pack/*.pack"))
    return Tree(size, full_name, path, commit, archive, expected, pack_bytes)


def run_git(path: Path, *arguments: str) -> str:
    """Run git in a bare repository; returns its output. Raises CalledProcessError."""
    command = ["git", f"--git-dir={path}", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, env=git_environment(), text=True).stdout


def git_environment() -> dict[str, str]:
    """This process's environment without the machine's git configuration."""
    return os.environ | {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_TERMINAL_PROMPT": "0"}


def _import(size: Size, path: Path) -> None:
    """Two packs: the newest files whole, so that a fetch of the tip can take them as they lie, as after `git gc`."""
    history = _History(size)
    for depth, write in ((0, history.write_tip), (50, history.write_commits)):
        command = ["git", f"--git-dir={path}", "fast-import", "--quiet", f"--depth={depth}"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, env=git_environment()) as importer:
            assert importer.stdin
            write(importer.stdin)
            importer.stdin.close()
        if importer.returncode:
            raise subprocess.CalledProcessError(importer.returncode, command)


@dataclass(slots=True)
class _File:
    path: bytes
    size: int
    changes: int
    mode: bytes = b"100644"
    versions: list[bytes] = field(default_factory=list)
    """Its blobs, newest first; a commit that changes it moves on to the one before."""

    @property
    def is_binary(self) -> bool:
        return self.path.endswith(_BINARY_EXTENSIONS)


class _History:
    """Writes a history for `git fast-import`."""

    def __init__(self, size: Size) -> None:
        self._size = size
        self._random = source = random.Random(f"sluice {size.name}")
        self._words = _words(source)
        self._lines = list(_lines(source, self._words))
        popularity = [source.lognormvariate(0, 1) for _ in range(size.files)]
        self._changed = source.choices(range(size.files), popularity, k=size.changes * (size.commits - 1))
        counts = Counter(self._changed)
        paths = zip(self._paths(), self._sizes(), strict=True)
        self._files = [_File(path, length, counts[index]) for index, (path, length) in enumerate(paths)]

    def write_tip(self, out: IO[bytes]) -> None:
        """The newest version of each file."""
        for file in self._files:
            content = next(self._versions(file))
            file.versions.append(hashlib.sha1(b"blob %d\0%b" % (len(content), content)).hexdigest().encode())
            out.write(b"blob\ndata %d\n%b\n" % (len(content), content))

    def write_commits(self, out: IO[bytes]) -> None:
        """The older versions, and the commits. Versions of one file follow each other, so that they become deltas."""
        mark = 0
        for file in self._files:
            for content in islice(self._versions(file), 1, file.changes + 1):
                mark += 1
                file.versions.append(b":%d" % mark)
                out.write(b"blob\nmark :%d\ndata %d\n%b\n" % (mark, len(content), content))
        self._commit(out, 0, self._files)
        each = self._size.changes
        for number in range(1, self._size.commits):
            batch = self._changed[(number - 1) * each : number * each]
            self._commit(out, number, [self._files[index] for index in batch])

    def _commit(self, out: IO[bytes], number: int, files: list[_File]) -> None:
        message = b"Change %d" % number
        out.write(
            b"commit refs/heads/main\ncommitter Bench <bench@example.com> %d +0000\ndata %d\n%b\n"
            % (_START + number * 3600, len(message), message)
        )
        for file in files:
            out.write(b"M %b %b %b\n" % (file.mode, file.versions.pop(), file.path))

    def _paths(self) -> list[bytes]:
        folders, paths = [""], dict[str, None]()
        for _ in range(self._size.files // 12):
            parent = self._random.choice(folders)
            if parent.count("/") < 6:
                folders.append(f"{parent}{self._random.choice(self._words)}/")
        while len(paths) < self._size.files:
            number = len(paths)
            name = f"{self._random.choice(self._words)}_{number}" + ("_é" if number % 500 == 7 else "")
            binary = self._random.random() < _BINARY_SHARE
            extension = self._random.choice(_BINARY_EXTENSIONS if binary else _TEXT_EXTENSIONS).decode()
            paths[self._random.choice(folders) + name + extension] = None
        return [path.encode() for path in paths]

    def _sizes(self) -> list[int]:
        """Sizes that sum up to the size of the tree; a few files hold most of the bytes, as in real trees."""
        shares = [self._random.lognormvariate(0, 1.3) for _ in range(self._size.files)]
        scale = self._size.tree_bytes / sum(shares)
        sizes = [int(share * scale) for share in shares]
        sizes[0] += self._size.tree_bytes - sum(sizes)
        return sizes

    def _versions(self, file: _File) -> Iterator[bytes]:
        """The file's content, newest first, without end."""
        source = random.Random(f"sluice {file.path!r}")
        if file.is_binary:
            while True:  # a changed image is another image
                yield source.randbytes(file.size)
        if source.random() < _LINK_SHARE and not file.changes:
            file.mode = b"120000"
            yield b"../" + source.choice(self._words).encode()
        if source.random() < _EXECUTABLE_SHARE:
            file.mode = b"100755"
        lines = self._text(source, file.size)
        yield b"".join(lines)[: file.size]
        while True:
            if source.random() < _REWRITTEN_SHARE:
                lines = self._text(source, file.size)
            for _ in range(source.randint(1, 6)):
                at = source.randrange(len(lines))
                lines[at : at + source.randint(0, 2)] = source.choices(self._lines, k=source.randint(1, 2))
            yield b"".join(lines)

    def _text(self, source: random.Random, size: int) -> list[bytes]:
        lines: list[bytes] = []
        length = 0
        while length <= size:
            more = source.choices(self._lines, k=(size - length) // 30 + 1)
            lines += more
            length += sum(map(len, more))
        return lines


def _words(source: random.Random) -> list[str]:
    syllables = (
        "ac",
        "ber",
        "con",
        "der",
        "el",
        "for",
        "gra",
        "hin",
        "is",
        "ket",
        "lo",
        "mu",
        "nor",
        "pre",
        "ta",
        "ver",
    )
    return sorted({"".join(source.choices(syllables, k=source.randint(1, 4))) for _ in range(3000)})


def _lines(source: random.Random, words: list[str]) -> Iterator[bytes]:
    """20,000 different lines: far more than deflate's window holds, so that a file is not repetition alone."""
    usual = [1 / (rank + 5) for rank in range(len(words))]
    shapes = (
        "{indent}def {0}_{1}(self, {2}: {3}) -> {4}:",
        "{indent}return self.{0}.{1}({2}, {3}={4})",
        "{indent}if {0}.{1} is not None and {2} != {3}[{number}]:",
        "{indent}{0}_{1} = {2}({3}, timeout={number})",
        "{indent}# {0} {1} {2} {3} {4} {0}",
        '{indent}raise ValueError(f"{0} {1}: {{{2}}} is not {3}")',
        '{indent}"{0}-{1}": ["{2}", "{3}", {number}],',
        "",
    )
    source.shuffle(words)
    for _ in range(20_000):
        chosen = source.choices(words, usual, k=5)
        indent = "    " * source.randint(0, 3)
        line = source.choice(shapes).format(*chosen, indent=indent, number=source.randrange(10_000))
        yield line.encode() + b"\n"
