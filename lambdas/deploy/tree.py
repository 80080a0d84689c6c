"""The files of an artifact as they lie on an instance once unpacked, with symbolic links followed."""

import posixpath
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

MAX_LINKS = 40
"""Links that Linux follows for one path: https://man7.org/linux/man-pages/man7/path_resolution.7.html"""


class Kind(Enum):
    FILE = auto()
    DIRECTORY = auto()
    MISSING = auto()
    OUTSIDE = auto()
    """It leads out of the artifact: only the instance knows what is there."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a path leads, and by what name the artifact has it; the root is empty."""

    kind: Kind
    name: str = ""
    through_link: bool = False


@dataclass(slots=True)
class Tree:
    """Names have no slashes at their ends. `links` are not among `files`; a target of None could not be read."""

    files: Collection[str]
    executable: Collection[str] = ()
    directories: Collection[str] = ()
    links: Mapping[str, str | None] = field(default_factory=dict)
    _children: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.files, self.directories = set(self.files), {"", *self.directories}
        for name in [*self.files, *self.links, *self.directories]:
            while name:
                around, _, last = name.rpartition("/")
                known = around in self._children
                self._children.setdefault(around, []).append(last)
                if known and around in self.directories:
                    break
                self.directories.add(around)
                name = around  # noqa: PLW2901 - walks up
        self._children = {name: sorted(set(each)) for name, each in self._children.items()}

    def children(self, directory: str) -> list[str]:
        """The full names of what lies in a directory."""
        return [posixpath.join(directory, each) for each in self._children.get(directory, ())]

    def is_link(self, path: str) -> bool:
        """Whether the path's last part is itself a link, wherever that leads."""
        before, _, last = path.rstrip("/").rpartition("/")
        place = self.find(before)
        return place.kind is Kind.DIRECTORY and posixpath.join(place.name, last) in self.links

    def find(self, path: str) -> Place:
        """Follow a path from the artifact's root as the kernel does; a leading slash means the root."""
        left = [each for each in reversed(path.split("/")) if each not in ("", ".")]
        as_directory = path.endswith(("/", "/."))
        here, followed = "", 0
        while left:
            part = left.pop()
            if part == "..":
                if not here:
                    return Place(Kind.OUTSIDE, through_link=followed > 0)
                here = here.rpartition("/")[0]
                continue
            name = posixpath.join(here, part)
            if name in self.links:
                target, followed = self.links[name], followed + 1
                if target is None or target.startswith("/"):
                    return Place(Kind.OUTSIDE, through_link=True)
                if followed > MAX_LINKS or not target:
                    return Place(Kind.MISSING, name, through_link=True)
                left += [each for each in reversed(target.split("/")) if each not in ("", ".")]
            elif name in self.directories:
                here = name
            elif name in self.files and not left and not as_directory:
                return Place(Kind.FILE, name, through_link=followed > 0)
            else:
                return Place(Kind.MISSING, name, through_link=followed > 0)
        return Place(Kind.DIRECTORY, here, through_link=followed > 0)
