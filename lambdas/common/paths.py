"""The files of a repository that count: a push that changes none of them is ignored.

Globs are matched against the whole path, as `lambdas.common.globs` says; one that names a folder takes all that lies in
it. So `app` and `app/**` take `app/main.py`, `**/*.md` takes `README.md` and `docs/a.md`, and `*.md` the former alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lambdas.common.globs import compile_glob, quoted


@dataclass(frozen=True, slots=True)
class PathFilter:
    """Make one with `parse`. It is false if every file counts."""

    globs: tuple[str, ...] = ()
    """What counts; none: everything."""
    ignored: tuple[str, ...] = ()
    """What does not, though it may match one of `globs`."""

    @classmethod
    def parse(cls, globs: str, ignored: str) -> "PathFilter":
        """Read comma-separated globs."""
        return cls(_split(globs), _split(ignored))

    def __bool__(self) -> bool:
        return bool(self.globs or self.ignored)

    def why_not(self, changed: Sequence[str]) -> str:
        """Why a push that changes these files is ignored, in words for people; empty if one of them counts."""
        considered = [name for name in changed if not _matches(self.ignored, name)]
        if any(not self.globs or _matches(self.globs, name) for name in considered):
            return ""
        what = "the one changed file" if len(changed) == 1 else f"each of the {len(changed)} changed files"
        if not considered:
            return f"{what} matches the ignored paths {quoted(self.ignored)}"
        but = f" without {quoted(self.ignored)}" if self.ignored else ""
        return f"{what} matches none of the paths {quoted(self.globs)}{but}"


def _split(text: str) -> tuple[str, ...]:
    return tuple(glob for part in text.split(",") if (glob := part.strip().strip("/")))


def _matches(globs: Iterable[str], name: str) -> bool:
    return any(compile_glob(glob).takes(name) for glob in globs)
