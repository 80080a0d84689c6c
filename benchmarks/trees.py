"""Repositories of a known size with years of history, made the same on every machine from a seed.

Nothing is taken from a real project: text is lines of made-up code that deflate about as well as real code does, and
some files are binary and do not deflate at all.
"""

import os
import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_START = 1_500_000_000
"""Time of the first commit, in seconds since 1970; one commit follows every hour."""
_EXTENSIONS = (".py", ".js", ".ts", ".html", ".css", ".md", ".json", ".yaml", ".txt", ".go")
_BINARY_EXTENSIONS = (".png", ".woff2", ".jpg")
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
MEDIUM = Size("medium", 2_674, 37_600_000, 5_000, 6)
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
    command = ["git", f"--git-dir={path}", "fast-import", "--quiet"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=git_environment()) as importer:
        assert importer.stdin
        _History(size, importer.stdin).write()
        importer.stdin.close()
    if importer.returncode:
        raise subprocess.CalledProcessError(importer.returncode, command)


@dataclass(slots=True)
class _File:
    path: bytes
    mode: bytes
    versions: list[int]
    """Marks of its blobs, newest first; a commit that changes it moves on to the one before."""


class _History:
    """Writes a history for `git fast-import`."""

    def __init__(self, size: Size, out: IO[bytes]) -> None:
        self._size, self._out = size, out
        self._random = random.Random(f"sluice {size.name}")
        self._words = _words(self._random)
        self._lines = list(_lines(self._random, self._words))
        self._mark = 0

    def write(self) -> None:
        """All blobs, then all commits."""
        changes = self._size.changes * (self._size.commits - 1)
        popularity = [self._random.lognormvariate(0, 1) for _ in range(self._size.files)]
        changed = self._random.choices(range(self._size.files), popularity, k=changes)
        counts = [0] * self._size.files
        for index in changed:
            counts[index] += 1
        files = [
            self._file(path, size, count)
            for path, size, count in zip(self._paths(), self._sizes(), counts, strict=True)
        ]
        self._commit(0, files)
        for number in range(1, self._size.commits):
            batch = changed[(number - 1) * self._size.changes : number * self._size.changes]
            self._commit(number, [files[index] for index in batch])

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
            extension = self._random.choice(_BINARY_EXTENSIONS if binary else _EXTENSIONS)
            paths[self._random.choice(folders) + name + extension] = None
        return [path.encode() for path in paths]

    def _sizes(self) -> list[int]:
        """Sizes that sum up to the size of the tree; a few files hold most of the bytes, as in real trees."""
        shares = [self._random.lognormvariate(0, 1.3) for _ in range(self._size.files)]
        scale = self._size.tree_bytes / sum(shares)
        sizes = [int(share * scale) for share in shares]
        sizes[0] += self._size.tree_bytes - sum(sizes)
        return sizes

    def _file(self, path: bytes, size: int, changes: int) -> _File:
        if path.endswith(tuple(each.encode() for each in _BINARY_EXTENSIONS)):
            # A changed image is another image.
            blobs = [self._blob(self._random.randbytes(size)) for _ in range(changes + 1)]
            return _File(path, b"100644", blobs)
        if self._random.random() < _LINK_SHARE and not changes:
            return _File(path, b"120000", [self._blob(b"../" + self._random.choice(self._words).encode())])
        mode = b"100755" if self._random.random() < _EXECUTABLE_SHARE else b"100644"
        lines = self._text(size)
        # The newest comes first, so that it is whole in the pack and the older ones are deltas, as after `git gc`.
        blobs = [self._blob(b"".join(lines)[:size])]
        for _ in range(changes):
            self._change(lines, size)
            blobs.append(self._blob(b"".join(lines)))
        return _File(path, mode, blobs)

    def _text(self, size: int) -> list[bytes]:
        lines: list[bytes] = []
        length = 0
        while length <= size:
            more = self._random.choices(self._lines, k=(size - length) // 30 + 1)
            lines += more
            length += sum(map(len, more))
        return lines

    def _change(self, lines: list[bytes], size: int) -> None:
        if self._random.random() < _REWRITTEN_SHARE:
            lines[:] = self._text(size)
            return
        for _ in range(self._random.randint(1, 6)):
            at = self._random.randrange(len(lines))
            lines[at : at + self._random.randint(0, 2)] = self._random.choices(
                self._lines, k=self._random.randint(1, 2)
            )

    def _blob(self, data: bytes) -> int:
        self._mark += 1
        self._out.write(b"blob\nmark :%d\ndata %d\n%b\n" % (self._mark, len(data), data))
        return self._mark

    def _commit(self, number: int, files: list[_File]) -> None:
        message = b"Change %d" % number
        self._out.write(
            b"commit refs/heads/main\ncommitter Bench <bench@example.com> %d +0000\ndata %d\n%b\n"
            % (_START + number * 3600, len(message), message)
        )
        for file in files:
            self._out.write(b"M %b :%d %b\n" % (file.mode, file.versions.pop(), file.path))


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
