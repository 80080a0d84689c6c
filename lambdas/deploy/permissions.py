"""Permissions of an AppSpec file: what the agent takes as one, and what it applies them to.

https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-structure-permissions.html, and the
agent's own linux_permission_info.rb, mode_info.rb, ace_info.rb and range_info.rb.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lambdas.deploy.psych import Written, to_text
from lambdas.deploy.words import is_list, short, written

_TYPES = ("file", "directory")
_NAMES = {"d": "default", "m": "mask", "o": "other", "g": "group", "u": "user"}
_RANGE = re.compile(r"s(?P<low>\d+)(?:-s(?P<high>\d+))?(?::(?P<categories>[^:].*))?\Z", re.ASCII | re.DOTALL)
_MOST_CATEGORIES = 1024


@dataclass(frozen=True, slots=True)
class Permission:
    """One sound entry. `to_default` is an ACL for what is made later, which only directories have."""

    number: int
    object: str
    pattern: Any
    excepted: list[Any]
    types: list[str]
    to_default: bool
    refused: str
    """Why the agent fails where it is applied to something; empty if it does not."""

    def covers(self, name: str) -> bool:
        """Whether it is for a name right below its object, or, without a pattern, anywhere below."""
        if self.pattern != "**" and not _matches(name, self.pattern):
            return False
        return not any(_matches(name, each) for each in self.excepted)


def read(number: int, entry: Mapping[Any, Any], advice: list[str]) -> Iterator[str | Permission]:
    """The problems of an entry; if it has none, the permission."""
    where, problems = f"permissions, entry {number}", list[str]()
    name = to_text(entry.get("object")).strip()
    if not name:
        problems.append(f"{where}, needs an object: the path that they are for.")
    problems += _mode(where, entry.get("mode"), advice)
    lists = {each: _listed(where, each, entry.get(each), problems) for each in ("type", "except", "acls")}
    types = lists["type"]
    if types is not None and not all(each in _TYPES for each in types):
        problems.append(f"{where}: type can be directory or file.")
    aces = [_ace(where, each, problems) for each in lists["acls"] or []]
    problems += _context(where, entry.get("context"))
    pattern = entry.get("pattern")
    pattern = "**" if pattern is None else pattern
    if not all(isinstance(each, str) for each in [pattern, *(lists["except"] or [])]):
        problems.append(f"{where}: pattern and except have to be texts.")
    if problems:
        yield from problems
        return
    yield Permission(
        number,
        name,
        pattern,
        lists["except"] or [],
        list(_TYPES) if types is None else types,
        any(aces),
        _where_applied(where, entry),
    )


def _matches(name: str, pattern: str) -> bool:
    """A star stands for any characters; nothing that lies deeper is matched."""
    if "/" in name:
        return False
    first, *rest = pattern.split("*")
    if not rest:
        return name == pattern
    *middle, last = rest
    if not name.startswith(first) or not name.endswith(last) or len(name) < len(first) + len(last):
        return False
    at, end = len(first), len(name) - len(last)
    for each in middle:
        at = name.find(each, at, end)
        if at < 0:
            return False
        at += len(each)
    return True


def _listed(where: str, name: str, value: Any, problems: list[str]) -> list[Any] | None:
    if value is None or (value is False and name != "acls"):
        return None
    if not is_list(value):
        problems.append(f"{where}: {name} has to be a list.")
        return None
    return list(value)


def _mode(where: str, mode: Any, advice: list[str]) -> Iterator[str]:
    if mode is None:
        return
    text = to_text(mode)
    digits = re.sub("[_,]", "", mode.written).lstrip("0") or "0" if isinstance(mode, Written) else text
    if digits != text and re.fullmatch("[0-7]+", digits):
        # The agent would take some of these, and set another mode than anybody meant: 0644 is 420 to it.
        yield f"{where}: write mode: {digits}, as YAML makes another number of {short(getattr(mode, 'written', mode))}."
    elif isinstance(mode, list | dict) or not re.fullmatch(r"[0-7]{0,4}", text):
        yield f"{where}, has {written('mode', mode)}; write octal digits, like 755."
    elif not text:
        advice.append(f"{where}, has a blank mode, which is 000: nobody may read it.")


def _ace(where: str, ace: Any, problems: list[str]) -> bool:
    """Whether an entry of an access control list is one for `default`."""
    said = f"{where}: {short(ace)} in acls is no entry like u:name:rwx."
    if not isinstance(ace, str):
        problems.append(said)
        return False
    *before, bits = ace.split(":")
    default, kind, name = False, "", ""
    sound = 1 <= len(before) <= 3
    if len(before) == 3:
        sound, default, before = sound and before[0] in ("d", "default"), True, before[1:]
    if sound and len(before) == 2:
        word = _NAMES.get(before[0], before[0])
        if word == "default":
            sound, default = not default, True
        elif word in _NAMES.values():
            kind = word
        else:
            sound = False
    if sound:
        word = _NAMES.get(before[-1], before[-1]) if before[-1] in ("m", "mask", "o", "other") else ""
        if word:
            kind, name = (kind, word) if kind else (word, "")
        else:
            kind, name = kind or "user", before[-1]
        sound = not (kind in ("mask", "other") and name) and bool(default or kind == "mask" or name)
    if not sound or not (re.fullmatch(r"[rwx-]*|[0-7]", bits)):
        problems.append(said)
    return default


def _context(where: str, context: Any) -> Iterator[str]:
    if context is None:
        return
    if not isinstance(context, dict) or context.get("type") is None:
        yield f"{where}: context has to be a mapping with a type."
    elif (value := context.get("range")) is not None and not (isinstance(value, str) and _is_range(value)):
        yield f"{where}: {short(value)} is no SELinux range like s0 or s0-s15:c0.c1023."


def _is_range(text: str) -> bool:
    if (found := _RANGE.match(text)) is None or len(text) > 1000:
        return False
    if found["high"] and int(found["high"]) < int(found["low"]):
        return False
    seen: set[int] = set()
    for part in (found["categories"] or "").rstrip(",").split(",") if found["categories"] else ():
        ends = re.fullmatch(r"c(\d+)(?:\.c(\d+))?", part, re.ASCII)
        if ends is None:
            return False
        low, high = int(ends[1]), int(ends[2] or ends[1])
        numbers = set(range(low, min(high, _MOST_CATEGORIES) + 1))
        if high < low or high >= _MOST_CATEGORIES or seen & numbers:
            return False
        seen |= numbers
    return True


def _where_applied(where: str, entry: Mapping[Any, Any]) -> str:
    """What the agent only stumbles over once it has something to set."""
    for each in ("owner", "group"):
        if (value := entry.get(each)) is not None and value is not False and not isinstance(value, str):
            return (
                f"{where}: {each} has to be a name; the agent takes no number like {short(value)} (quotes do not help)."
            )
    context = entry.get("context")
    if context is not None and context.get("range") is None:
        return f"{where}: context needs a range, like s0; the agent fails without."
    return ""
