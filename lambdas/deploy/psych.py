"""Reading YAML as the CodeDeploy agent's Ruby does: libyaml's syntax, Psych's values.

The agent calls `YAML.load`, which since Psych 4 (Ruby 3.1; Amazon Linux 2023 has 3.2) takes no aliases and makes no
dates, times, symbols of other classes or objects. Facts, and where Psych differs from PyYAML:
https://github.com/aws/aws-codedeploy-agent (application_specification.rb)
https://github.com/ruby/psych (scalar_scanner.rb, visitors/to_ruby.rb)
"""

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

MAX_DEPTH = 100
"""Lists and mappings within each other; libyaml stops at 1,000."""

_TEXT = re.compile(r"[^\d.:-]?[^\W\d]|[^\d.:-]?[_\s!@#$%^&*(){}<>|/\\~;=]")
_WORDS = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
_TIME = re.compile(
    r"-?\d{4}-\d{1,2}-\d{1,2}(?:[Tt]|\s+)\d{1,2}:\d\d:\d\d(?:\.\d*)?(?:\s*(?:Z|[-+]\d{1,2}:?(?:\d\d)?))?\Z", re.ASCII
)
_DATE = re.compile(r"\d{4}-(?:1[012]|0\d|\d)-(?:[12]\d|3[01]|0\d|\d)\Z", re.ASCII)
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9]){1,2}(?P<rest>\.[0-9_]*)?\Z")
_FLOAT = re.compile(r"[-+]?(?:[0-9][0-9_,]*)?\.[0-9]*(?:[eE][+-][0-9]+)?\Z")
_INTEGER = re.compile(
    r"(?P<sign>[-+]?)(?:0b(?P<two>[0-1_,]+)|0(?P<eight>[0-7_,]+)|(?P<ten>0|[1-9](?:[0-9]|,[0-9]|_[0-9])*)"
    r"|0x(?P<sixteen>[0-9a-fA-F_,]+))\Z"
)
_BASES = {"two": 2, "eight": 8, "ten": 10, "sixteen": 16}
_PREFIX = "tag:yaml.org,2002:"
_REFUSED_TAGS = re.compile(r"!ruby/|tag:ruby\.yaml\.org|" + re.escape(_PREFIX) + r"(?:set|omap)\Z")


class Unreadable(Exception):
    """What Ruby would raise for the file, in words."""


class Written(int):
    """A whole number, and how it is written in the file."""

    written: str


@dataclass(frozen=True, slots=True)
class Symbol:
    """What Ruby makes of :word; equal to no text."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(slots=True)
class Loaded:
    """What a file says. `repeated` are keys of the outermost mapping that stand there twice; the last one counts."""

    value: Any
    repeated: list[str] = field(default_factory=list)
    marked: bool = False
    """It begins with a byte order mark, which to the agent is one column of the first line."""


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end was not seen yet."""

    value: list[Any] | dict[Any, Any]
    keys: list[Any] = field(default_factory=list)
    key_is_quoted: bool = False


def load(data: bytes) -> Loaded:
    """Read the first document. Raises Unreadable; an empty file is None."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise Unreadable(f"it is not in UTF-8 (byte {error.start + 1})") from error
    loaded = Loaded(None, marked=text.startswith("\ufeff"))
    if loaded.marked:
        text = " " + text[1:]
    try:
        _read(text, loaded)
    except yaml.YAMLError as error:
        raise Unreadable(_where(error)) from error
    return loaded


def to_text(value: Any) -> str:
    """A value as Ruby's to_s writes it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, int) else str(value)


def _read(text: str, loaded: Loaded) -> None:
    stack: list[_Open] = []
    outermost: _Open | None = None
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent):
            raise Unreadable(f"line {line}, it has an alias (*{event.anchor}), which the agent does not follow")
        if isinstance(event, yaml.DocumentEndEvent):
            return  # what follows is not read
        if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            _refuse_tag(event.tag, line)
            if len(stack) == MAX_DEPTH:
                raise Unreadable(f"line {line}, it is nested too deeply")
            stack.append(_Open({} if isinstance(event, yaml.MappingStartEvent) else []))
            outermost = outermost or stack[0]
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            done = stack.pop()
            _put(done.value, stack, loaded, outermost=bool(stack) and stack[-1] is outermost, quoted=False, line=line)
        elif isinstance(event, yaml.ScalarEvent):
            value = _scalar(event, line)
            at_top = bool(stack) and stack[-1] is outermost
            quoted = event.tag == f"{_PREFIX}str"
            _put(value, stack, loaded, outermost=at_top, quoted=quoted, line=line)


def _put(value: Any, stack: list[_Open], loaded: Loaded, *, outermost: bool, quoted: bool, line: int) -> None:
    """Put a finished value where it belongs: into the list or mapping around it, or as the document itself."""
    if not stack:
        loaded.value = value
        return
    around = stack[-1]
    if isinstance(around.value, list):
        around.value.append(value)
        return
    if not around.keys:
        if isinstance(value, dict | list):
            raise Unreadable(f"line {line}, a list or mapping is used as a key")
        around.keys.append(value)
        around.key_is_quoted = quoted
        return
    key = around.keys.pop()
    if key == "<<" and not around.key_is_quoted and isinstance(value, dict | list):
        merged = value if isinstance(value, dict) else _merged(value)
        if merged is not None:
            around.value.update(merged)
            return
    if outermost and key in around.value:
        loaded.repeated.append(to_text(key))
    around.value[key] = value


def _merged(values: list[Any]) -> dict[Any, Any] | None:
    """The first one wins. None if they are not all mappings."""
    if not all(isinstance(each, dict) for each in values):
        return None
    found: dict[Any, Any] = {}
    for each in reversed(values):
        found.update(each)
    return found


def _refuse_tag(tag: str | None, line: int) -> None:
    if tag and _REFUSED_TAGS.match(tag):
        raise Unreadable(f"line {line}, the agent makes no {tag.removeprefix(_PREFIX)}")


def _scalar(event: Any, line: int) -> Any:
    tag, text = event.tag, event.value
    _refuse_tag(tag, line)
    if tag in ("!str", f"{_PREFIX}str") or (event.style in ("'", '"', "|", ">") and (tag is None or tag == "!")):
        return str(text)
    value = _plain(text, line)
    if tag in ("!float", f"{_PREFIX}float"):
        return _fraction(None if isinstance(value, bool) else value, line)
    return value


def _plain(text: str, line: int) -> Any:
    """What Psych makes of a text without quotes."""
    if not text:
        return None
    if "\n" in text or _TEXT.match(text):
        if text == "~" or text.lower() == "null":
            return None
        return _WORDS.get(text.lower(), text)
    return _date_or_number(text, line)


def _date_or_number(text: str, line: int) -> Any:
    if _TIME.match(text) or _DATE.match(text):
        raise Unreadable(f"line {line}, {text} is a date to the agent, which it does not take; put it into quotes")
    if re.fullmatch(r"[-+]?\.inf|\.nan", text, re.IGNORECASE):
        return float(text.replace(".", "", 1))
    if re.match(r":.", text):
        quoted = re.match(r":([\"'])(.*)\1", text)
        return Symbol(quoted[2].removeprefix(":") if quoted else text[1:])
    if (sixty := _BASE_60.match(text)) is not None:
        parts = [each.replace("_", "") for each in text.split(":")]
        convert = float if sixty["rest"] is not None else int
        return sum(convert(part) * 60 ** abs(place - 2) for place, part in enumerate(parts))
    if _FLOAT.match(text):
        return text if text in (".", "+.", "-.") else _fraction(text, line)
    return _whole(text, line)


def _fraction(value: Any, line: int) -> float:
    try:
        return float(re.sub(r"[,_]", "", value) if isinstance(value, str) else value)
    except (TypeError, ValueError) as error:
        raise Unreadable(f"line {line}, {str(value)[:50]} is no number") from error


def _whole(text: str, line: int) -> Any:
    if (found := _INTEGER.match(text)) is None:
        return text
    base = next(name for name in _BASES if found[name] is not None)
    digits = re.sub(r"[,_]", "", found[base])
    try:
        number = Written(found["sign"] + ("0" if base == "eight" else "") + digits, _BASES[base])
    except ValueError as error:  # none, or more than Python converts
        raise Unreadable(f"line {line}, {text[:50]} is no number") from error
    number.written = text
    return number


def _where(error: yaml.YAMLError) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    what = problem or getattr(error, "reason", None) or "it cannot be read"
    return f"line {mark.line + 1}, {what}" if mark else str(what)
