"""Globs for the names of refs and files, matched in time linear in the name.

`*` matches any characters but `/`, `**` any characters, `**/` any folders or none, `?` one character but `/`;
everything else stands for itself.

A glob is a small automaton. Its states are the bits of a whole number, so that one character of the name moves all of
them at once: a match takes at most (length of the name) steps of (length of the glob / word size) operations, whatever
either of them says. A regular expression would try the ways in which its wildcards can share the name one by one.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

_WILD = re.compile(r"\*\*+(/?)|\*|\?")
_KEPT_STEPS = 4096
"""How many steps a glob remembers; most names of a repository begin alike."""


class _State:
    """Where the parts of a glob stand after the beginning of a name."""

    __slots__ = ("after", "inside", "matches", "parts")

    def __init__(self, parts: int, inside: int, *, matches: bool) -> None:
        self.parts: Final = parts
        """Bit n: all before the n-th part has matched."""
        self.inside: Final = inside
        """Bit n: the n-th part, which is `**/`, has begun and waits for a slash."""
        self.matches: Final = matches
        """Whether the name matches if it ends here."""
        self.after: dict[str, _State] = {}


class Glob:
    """One glob, ready to be matched. Made by `compile_glob`."""

    def __init__(self, glob: str) -> None:
        self._equal: dict[str, int] = {}
        self._one = self._stars = self._globstars = self._folders = 0
        parts = place = 0
        for wild in _WILD.finditer(glob):
            parts = self._literally(glob[place : wild.start()], parts)
            place, bit = wild.end(), 1 << parts
            if wild[0] == "?":
                self._one |= bit
            elif wild[0] == "*":
                self._stars |= bit
            elif not wild[1]:
                self._globstars |= bit
            elif wild.start() and glob[wild.start() - 1] != "/":
                self._globstars |= bit
                parts = self._literally("/", parts + 1) - 1
            elif self._folders & bit >> 1:
                continue  # `**/**/` means no more than `**/`
            else:
                self._folders |= bit
            parts += 1
        self._last = 1 << self._literally(glob[place:], parts)
        self._optional = self._stars | self._globstars | self._folders
        self._kept = 0
        self._states: dict[tuple[int, int], _State] = {}
        self._start = self._state(1, 0)

    def matches(self, name: str) -> bool:
        """Whether the whole name matches."""
        state = self._start
        for character in name:
            state = state.after.get(character) or self._step(state, character)
        return state.matches

    def takes(self, path: str) -> bool:
        """Whether the path, or a folder that it lies in, matches."""
        state = self._start
        for character in path:
            if state.matches and character == "/":
                return True
            state = state.after.get(character) or self._step(state, character)
        return state.matches

    def _literally(self, text: str, parts: int) -> int:
        """Parts that stand for themselves; returns how many there are now."""
        for character in text:
            self._equal[character] = self._equal.get(character, 0) | 1 << parts
            parts += 1
        return parts

    def _step(self, state: _State, character: str) -> _State:
        """The state after one more character."""
        inside = state.inside | state.parts & self._folders
        moving, staying = self._equal.get(character, 0), self._globstars
        if character == "/":
            parts = inside << 1
        else:
            parts, moving, staying = 0, moving | self._one, staying | self._stars
        parts |= (state.parts & moving) << 1 | state.parts & staying
        if self._kept >= _KEPT_STEPS:
            self._kept, self._states = 0, {}
            self._start = self._state(1, 0)
        self._kept += 1
        following = state.after[character] = self._state(parts, inside)
        return following

    def _state(self, parts: int, inside: int) -> _State:
        # Twice, as at most two parts beside each other may match nothing: `**/` and a star after it.
        for _ in range(2):
            parts |= (parts & self._optional) << 1
        known = self._states.get((parts, inside))
        if known is None:
            known = self._states[parts, inside] = _State(parts, inside, matches=bool(parts & self._last))
        return known


@lru_cache(maxsize=1024)
def compile_glob(glob: str) -> Glob:
    """The glob, to be matched as often as needed."""
    return Glob(glob)


def quoted(globs: Iterable[str]) -> str:
    """For people: `main`, `release/*`."""
    return ", ".join(f"`{glob}`" for glob in globs)
