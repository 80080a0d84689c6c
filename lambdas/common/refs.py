"""Git refs, and the globs that say which of them are mirrored.

A glob (see `lambdas.common.globs`) matches the short names of branches, or, with the prefix `tags:`, of tags. So
`release/*` takes `release/1` and not `release/1/hotfix`, `**` takes every branch and `tags:v*` the tags that start with
a v.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from lambdas.common.errors import InvalidName
from lambdas.common.globs import compile_glob, quoted

BRANCH_PREFIX, TAG_PREFIX = "refs/heads/", "refs/tags/"
MAX_REF_BYTES = 512
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//")
_TAGS = "tags:"


class RefKind(StrEnum):
    """What a full ref names."""

    BRANCH = "branch"
    TAG = "tag"
    OTHER = "ref"


@dataclass(frozen=True, slots=True)
class Ref:
    """A valid git ref: `full` is refs/heads/main, `name` is main."""

    full: str
    kind: RefKind
    name: str

    @classmethod
    def parse(cls, full: str) -> "Ref":
        """Read a full ref name by the rules of git-check-ref-format(1). Raises InvalidName."""
        for kind, prefix in ((RefKind.BRANCH, BRANCH_PREFIX), (RefKind.TAG, TAG_PREFIX), (RefKind.OTHER, "refs/")):
            if full.startswith(prefix):
                name = full[len(prefix) :]
                _check(full, name)
                return cls(full, kind, name)
        raise InvalidName(f"{full[:100]!r} is not a full ref name such as refs/heads/main")

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def _check(full: str, name: str) -> None:
    parts = name.split("/")
    try:
        size = len(full.encode())
    except UnicodeEncodeError:
        raise InvalidName("The ref name is not valid Unicode") from None
    if (
        size > MAX_REF_BYTES
        or name == "@"
        or _FORBIDDEN.search(name)
        or name.endswith(".")
        or any(not part or part.startswith(".") or part.endswith(".lock") for part in parts)
    ):
        raise InvalidName(f"{full[:100]!r} is not a valid ref name")


@dataclass(frozen=True)
class RefPatterns:
    """The refs that an integration mirrors. Make one with `parse`."""

    globs: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "RefPatterns":
        """Read comma-separated globs. Raises InvalidName for one that no ref can match."""
        globs = tuple(glob for part in text.split(",") if (glob := part.strip()))
        for glob in globs:
            bare = glob.removeprefix(_TAGS)
            if not bare or len(bare) > 255 or re.search(r"[\x00-\x20\x7f~^:\[\\]|@\{", bare):
                raise InvalidName(f"{glob[:100]!r} is not a pattern for branches or tags")
        return cls(globs)

    def matches(self, ref: Ref) -> bool:
        """Whether the ref is to be mirrored. Refs that are neither branches nor tags never are."""
        if ref.kind is RefKind.OTHER:
            return False
        tags = ref.kind is RefKind.TAG
        return any(
            compile_glob(glob.removeprefix(_TAGS)).matches(ref.name)
            for glob in self.globs
            if glob.startswith(_TAGS) == tags
        )

    def __str__(self) -> str:
        return quoted(self.globs)
