"""What .gitattributes files say of a path, as git itself reads them: gitattributes(5), attr.c and wildmatch.c of git.

libgit2 takes no path for a folder where there is no working tree, so it cannot be asked. Only the commit's own files
count: nothing that is set up on the machine does.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

MAX_LINE = 2048
"""Bytes from which git passes a line over (ATTR_MAX_LINE_LENGTH)."""
Value = bool | bytes | None
"""Set, unset, a text, or unspecified."""

_BLANK = b" \t\r\n"
_NAME = re.compile(rb"(?!-)[-A-Za-z0-9_.]+")
_MACRO = b"[attr]"
_ESCAPES = {b"a": 7, b"b": 8, b"f": 12, b"n": 10, b"r": 13, b"t": 9, b"v": 11, b"\\": 92, b'"': 34}
_CLASSES = {
    b"alnum": rb"0-9A-Za-z",
    b"alpha": rb"A-Za-z",
    b"blank": rb" \t",
    b"cntrl": rb"\x00-\x1f\x7f",
    b"digit": rb"0-9",
    b"graph": rb"!-~",
    b"lower": rb"a-z",
    b"print": rb" -~",
    b"punct": rb"!-/:-@\[-`{-~",
    b"space": rb" \t\n\v\f\r",
    b"upper": rb"A-Z",
    b"xdigit": rb"0-9A-Fa-f",
}


@dataclass(frozen=True, slots=True)
class _Rule:
    """One line: a pattern and what it says, the last word first."""

    pattern: bytes
    states: tuple[tuple[bytes, Value], ...]
    folders_only: bool
    names_only: bool
    """Whether the pattern has no slash, and so is matched against the last part of a path."""


@dataclass(slots=True)
class Attributes:
    """Those of one tree: `files` are the .gitattributes of each folder, by its path with a slash last, or empty."""

    files: Mapping[bytes, bytes]
    _rules: dict[bytes, list[_Rule]] = field(init=False, default_factory=dict)
    _macros: dict[bytes, tuple[tuple[bytes, Value], ...]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        # The one that git brings along.
        self._macros[b"binary"] = ((b"text", False), (b"merge", False), (b"diff", False))
        for folder, text in self.files.items():
            self._rules[folder] = list(_rules(text, self._macros if not folder else None))[::-1]

    def of(self, path: bytes) -> dict[bytes, Value]:
        """What is said of a path; a folder's ends with a slash. The deepest file has the first word, the last line."""
        said: dict[bytes, Value] = {}
        parts = path.rstrip(b"/").split(b"/")
        for depth in range(len(parts) - 1, -1, -1):
            base = b"".join(part + b"/" for part in parts[:depth])
            for rule in self._rules.get(base, ()):
                if _is_about(rule, path, base):
                    self._say(said, rule.states)
        return said

    def _say(self, said: dict[bytes, Value], states: Sequence[tuple[bytes, Value]]) -> None:
        for name, value in states:
            if name not in said:
                said[name] = value
                if value is True and name in self._macros:
                    self._say(said, self._macros[name])


def _is_about(rule: _Rule, path: bytes, base: bytes) -> bool:
    is_folder = path.endswith(b"/")
    if rule.folders_only and not is_folder:
        return False
    bare = path.rstrip(b"/")
    if rule.names_only:
        return _expression(rule.pattern, across=True).fullmatch(bare.rpartition(b"/")[2]) is not None
    return _expression(rule.pattern, across=False).fullmatch(bare[len(base) :]) is not None


def _rules(text: bytes, macros: dict[bytes, tuple[tuple[bytes, Value], ...]] | None) -> Iterator[_Rule]:
    """The lines of a file that git takes. Macros are put into `macros`, which only the topmost file may fill."""
    for line in text.split(b"\n"):
        stripped = line.lstrip(_BLANK)
        if len(line) >= MAX_LINE or not stripped or stripped.startswith(b"#"):
            continue
        pattern, rest = _pattern(stripped)
        states = _states(rest)
        if states is None:
            continue
        # `[attr]` alone is a pattern: one of three letters.
        if pattern.startswith(_MACRO) and pattern != _MACRO:
            name, _, more = _split(pattern.removeprefix(_MACRO).lstrip(_BLANK))
            if macros is not None and not more and _NAME.fullmatch(name):
                macros[name] = states
            continue
        if pattern.startswith(b"!"):  # git warns that it has no such patterns
            continue
        folders_only = pattern.endswith(b"/")
        bare = pattern[:-1] if folders_only else pattern
        names_only = b"/" not in bare
        yield _Rule(bare.removeprefix(b"/"), states, folders_only, names_only)


def _split(text: bytes) -> tuple[bytes, bytes, bytes]:
    """The first word, the blanks after it, and the rest."""
    end = next((at for at in range(len(text)) if text[at : at + 1] in _BLANK), len(text))
    rest = text[end:].lstrip(_BLANK)
    return text[:end], text[end : len(text) - len(rest)], rest


def _pattern(line: bytes) -> tuple[bytes, bytes]:
    """A line's pattern, and what comes after it. One in quotes is written as C does."""
    if line.startswith(b'"') and (quoted := _unquoted(line)) is not None:
        return quoted
    word, _, rest = _split(line)
    return word, rest


def _unquoted(line: bytes) -> tuple[bytes, bytes] | None:
    """None for quotes that do not end, or that hold what C does not know: they are a part of the pattern then."""
    found, at = bytearray(), 1
    while at < len(line):
        character = line[at : at + 1]
        at += 1
        if character == b'"':
            return bytes(found), line[at:]
        if character != b"\\":
            found += character
            continue
        escape = line[at : at + 1]
        if escape in _ESCAPES:
            found.append(_ESCAPES[escape])
            at += 1
        elif octal := re.compile(rb"[0-3][0-7]{2}").match(line, at):
            found.append(int(octal[0], 8))
            at += 3
        else:
            return None
    return None


def _states(text: bytes) -> tuple[tuple[bytes, Value], ...] | None:
    """What a line says, the last word first; None for a line with a name that is none, which git passes over."""
    found: list[tuple[bytes, Value]] = []
    for word in text.split():
        bare, equals, value = word.partition(b"=")
        state: Value = value if equals else True
        if bare.startswith((b"-", b"!")):
            state = False if bare.startswith(b"-") else None
            bare = bare[1:]
        if not _NAME.fullmatch(bare) or bare.startswith(b"builtin_"):
            return None
        found.append((bare, state))
    return tuple(reversed(found))


@lru_cache(maxsize=4096)
def _expression(pattern: bytes, *, across: bool) -> re.Pattern[bytes]:
    """A pattern of wildmatch's; `across`: a star takes slashes too (no WM_PATHNAME)."""
    out, at = [], 0
    one = rb"." if across else rb"[^/]"
    while at < len(pattern):
        character = pattern[at : at + 1]
        if character == b"*":
            stars = len(pattern[at:]) - len(pattern[at:].lstrip(b"*"))
            before, after = pattern[at - 1 : at] if at else b"/", pattern[at + stars :]
            at += stars
            bounded = stars > 1 and before == b"/" and (not after or after.startswith((b"/", b"\\/")))
            if across or not bounded:
                out.append(one + rb"*")
            elif after.startswith(b"/"):
                out.append(rb"(?:.*/)?")
                at += 1
            else:
                out.append(rb".*")
        elif character == b"?":
            out.append(one)
            at += 1
        elif character == b"[":
            expression, at = _bracket(pattern, at + 1, across=across)
            out.append(expression)
        elif character == b"\\":
            escaped = pattern[at + 1 : at + 2]
            out.append(re.escape(escaped) if escaped else _NEVER)
            at += 2
        else:
            out.append(re.escape(character))
            at += 1
    return re.compile(b"".join(out), re.DOTALL)


_NEVER = rb"(?!)"
_CLASS = re.compile(rb"\[:([^\]]*):\]")


class _NoBracket(Exception):
    """A bracket that does not end, or that names no class: such a pattern matches nothing."""


def _bracket(pattern: bytes, at: int, *, across: bool) -> tuple[bytes, int]:
    """The expression for a bracket that was opened before `at`, and where the pattern goes on."""
    negated = pattern.startswith((b"!", b"^"), at)
    try:
        inside, at = _inside(pattern, at + negated)
    except _NoBracket:
        return _NEVER, len(pattern)
    negation = b"^" if negated else b""
    chosen = b"[" + negation + inside + b"]" if inside else (rb"." if negated else _NEVER)
    return (chosen if across else rb"(?!/)" + chosen), at


def _inside(pattern: bytes, at: int) -> tuple[bytes, int]:
    """What is between the brackets, for an expression. Raises _NoBracket."""
    parts: list[bytes] = []
    start, previous = at, b""
    while at == start or not pattern.startswith(b"]", at):
        if found := _CLASS.match(pattern, at):
            if found[1] not in _CLASSES:
                raise _NoBracket
            parts.append(_CLASSES[found[1]])
            at, previous = found.end(), b""
        elif previous and pattern.startswith(b"-", at) and pattern[at + 1 : at + 2] not in (b"", b"]"):
            last, at = _character(pattern, at + 1)
            if previous <= last:
                parts.append(_in_set(previous) + b"-" + _in_set(last))
            previous = b""
        else:
            previous, at = _character(pattern, at)
            parts.append(_in_set(previous))
    return b"".join(parts), at + 1


def _character(pattern: bytes, at: int) -> tuple[bytes, int]:
    """One character of a bracket, which a backslash may stand before. Raises _NoBracket at the pattern's end."""
    at += pattern.startswith(b"\\", at)
    if at >= len(pattern):
        raise _NoBracket
    return pattern[at : at + 1], at + 1


def _in_set(character: bytes) -> bytes:
    return b"\\" + character if character in b"\\]^-[&~|" else character
