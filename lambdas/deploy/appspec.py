"""What of an AppSpec file would fail on the instances, found out before anything is deployed.

Rules are those for EC2 and on-premises deployments to Linux:
https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-structure.html
https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-structure-hooks.html
https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-structure-files.html
https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-structure-permissions.html
"""

import posixpath
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

NAME = "appspec.yml"
MAX_SIZE = 64 * 1024
"""Bytes; there are none of a tenth of it."""
MAX_ALIASES = 20
HOOKS = (
    "ApplicationStop",
    "BeforeInstall",
    "AfterInstall",
    "ApplicationStart",
    "ValidateService",
    "BeforeBlockTraffic",
    "AfterBlockTraffic",
    "BeforeAllowTraffic",
    "AfterAllowTraffic",
)
_NO_SCRIPTS = ("Start", "DownloadBundle", "Install", "BlockTraffic", "AllowTraffic", "End")
MAX_TIMEOUT = 3600
"""Seconds for all scripts of one lifecycle event."""
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Files:
    """The names in an archive, without slashes at their ends."""

    files: Collection[str]
    executable: Collection[str]
    directories: Collection[str]


@dataclass(slots=True)
class Findings:
    """`problems` make a deployment fail; `advice` does not."""

    problems: list[str] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)

    def reason(self) -> str:
        """The problems as one text."""
        left = len(self.problems) - _SHOWN
        return " ".join([*self.problems[:_SHOWN], *([f"There are {left} more."] if left > 0 else [])])


class Scalar(str):
    """A value as it is written in the file."""

    __slots__ = ("quoted",)
    quoted: bool


class _Loader(yaml.BaseLoader):
    """Makes texts, lists and mappings of whatever it reads, and nothing else."""

    aliases = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            self.aliases += 1
            if self.aliases > MAX_ALIASES:
                raise yaml.composer.ComposerError(problem=f"there are more than {MAX_ALIASES} aliases")
        return super().compose_node(parent, index)

    def construct_scalar(self, node: Any) -> Scalar:
        scalar = Scalar(super().construct_scalar(node))
        scalar.quoted = node.style in ("'", '"')
        return scalar


def check(text: bytes, files: Files) -> Findings:
    """Look for what would fail. `text` is the file's content."""
    findings = Findings()
    try:
        document = yaml.load(text, _Loader)  # noqa: S506 - makes nothing but texts, lists and mappings
    except yaml.YAMLError as error:
        findings.problems.append(f"{NAME} is no valid YAML: {_where(error)}.")
        return findings
    except RecursionError:
        findings.problems.append(f"{NAME} is nested too deeply.")
        return findings
    if not isinstance(document, dict):
        findings.problems.append(f"{NAME} has to be a mapping that begins with version: 0.0 and os: linux.")
        return findings
    findings.problems += _header(document)
    findings.problems += _files(document.get("files"), files)
    findings.problems += _permissions(document.get("permissions"))
    findings.problems += _hooks(document.get("hooks"), files, findings.advice)
    return findings


def _where(error: yaml.YAMLError) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    what = problem or getattr(error, "reason", None) or "it cannot be read"
    return f"line {mark.line + 1}, {what}" if mark else str(what)


def _header(document: Mapping[Any, Any]) -> Iterator[str]:
    if "Resources" in document or "resources" in document:
        yield f"{NAME} is one for ECS or Lambda (it has Resources); instances need version, os, files and hooks."
        return
    version, system = document.get("version"), document.get("os")
    if version != "0.0":
        yield f"{NAME} has {_written('version', version)}; write version: 0.0, the only one there is."
    if system != "linux":
        yield f"{NAME} has {_written('os', system)}; these instances run Linux, so write os: linux."
    behaviour = document.get("file_exists_behavior", "OVERWRITE")
    if behaviour not in ("DISALLOW", "OVERWRITE", "RETAIN"):
        yield f"{_written('file_exists_behavior', behaviour)} has to be DISALLOW, OVERWRITE or RETAIN."


def _files(section: Any, files: Files) -> Iterator[str]:
    for number, entry in _entries("files", section):
        if isinstance(entry, str):
            yield entry
            continue
        source, destination = _text(entry.get("source")), _text(entry.get("destination"))
        if not source or not destination:
            yield f"files, entry {number}, needs a source and a destination."
            continue
        path = _inside(source)
        if path is None:
            yield f"files, entry {number}, has a source outside of the artifact: {_short(source)}."
        elif path and path not in files.files and path not in files.directories:
            yield f"{NAME} names {_short(source)} as a source, which is not in the artifact."


def _permissions(section: Any) -> Iterator[str]:
    for number, entry in _entries("permissions", section):
        if isinstance(entry, str):
            yield entry
            continue
        if not _text(entry.get("object")):
            yield f"permissions, entry {number}, needs an object: the path that they are for."
        mode = entry.get("mode")
        if mode is not None and not (isinstance(mode, Scalar) and re.fullmatch(r"[0-7]{1,4}", mode)):
            yield f"permissions, entry {number}, has {_written('mode', mode)}; write octal digits, like 755."
        elif isinstance(mode, Scalar) and mode.startswith("0") and mode != "0" and not mode.quoted:
            plain = mode.lstrip("0") or "0"
            yield f"permissions, entry {number}: write mode: {plain}, as YAML makes another number of {mode}."
        for name, allowed in (("type", {"file", "directory"}), ("except", None), ("acls", None)):
            values = entry.get(name)
            if values is None:
                continue
            if not isinstance(values, list):
                yield f"permissions, entry {number}: {name} has to be a list."
            elif allowed is not None and not all(isinstance(each, str) and each in allowed for each in values):
                yield f"permissions, entry {number}: {name} can be {' or '.join(sorted(allowed))}."


def _hooks(section: Any, files: Files, advice: list[str]) -> Iterator[str]:
    if section in (None, ""):
        return
    if not isinstance(section, dict):
        yield f"hooks in {NAME} has to be a mapping from lifecycle events to lists of scripts."
        return
    for event, scripts in section.items():
        if event in _NO_SCRIPTS:
            yield f"{event} is run by the agent and takes no scripts; use {_neighbour(event)}."
        elif not isinstance(event, str) or event not in HOOKS:
            yield f"{_short(event)} is no lifecycle event of instances; there are {', '.join(HOOKS)}."
        elif not isinstance(scripts, list) or not scripts:
            yield f"{event} in {NAME} needs a list of scripts, each with a location; remove it if there are none."
        else:
            yield from _scripts(event, scripts, files, advice)


def _neighbour(event: str) -> str:
    around = {"BlockTraffic": "AfterBlockTraffic", "AllowTraffic": "BeforeAllowTraffic", "End": "ValidateService"}
    return around.get(event, "BeforeInstall" if event != "Install" else "AfterInstall")


def _scripts(event: str, scripts: list[Any], files: Files, advice: list[str]) -> Iterator[str]:
    seconds = 0
    for number, script in enumerate(scripts, start=1):
        location = _text(script.get("location")) if isinstance(script, dict) else ""
        if not isinstance(script, dict) or not location:
            yield f"{event}, script {number}, needs a location: the script's path in the artifact."
            continue
        path = _inside(location)
        if path is None:
            yield f"{event} names a script outside of the artifact: {_short(location)}."
        elif path in files.directories or not path:
            yield f"{event} names {_short(location)}, which is a directory and no script."
        elif path not in files.files:
            yield f"{NAME} names {_short(location)}, which is not in the artifact{_near(path, files)}."
        elif path not in files.executable:
            advice.append(
                f"{path} is not executable in the repository; git update-index --chmod=+x {path} makes it so."
            )
        timeout = script.get("timeout")
        if timeout is None:
            continue
        if not isinstance(timeout, str) or not re.fullmatch(r"[1-9][0-9]{0,5}", timeout):
            yield f"{event}, {_short(location)}: {_written('timeout', timeout)} has to be a number of seconds."
        else:
            seconds += int(timeout)
    if seconds > MAX_TIMEOUT:
        yield f"The scripts of {event} may take {seconds} s in all; CodeDeploy allows an event {MAX_TIMEOUT} s."


def _near(path: str, files: Files) -> str:
    """What was probably meant: paths are told apart by case, and are relative to the root."""
    name = posixpath.basename(path).lower()
    found = sorted(each for each in files.files if posixpath.basename(each).lower() == name)
    return f" (there is {_short(found[0])})" if found else ""


def _entries(name: str, section: Any) -> Iterator[tuple[int, Mapping[Any, Any] | str]]:
    """The entries of a list of mappings with their numbers; a text where something else stands, saying so."""
    if section in (None, ""):
        return
    if not isinstance(section, list):
        yield 0, f"{name} in {NAME} has to be a list."
        return
    for number, entry in enumerate(section, start=1):
        yield number, entry if isinstance(entry, dict) else f"{name}, entry {number}, has to be a mapping."


def _inside(path: str) -> str | None:
    """The path relative to the artifact's root, empty for the root itself; None if it leads out of it."""
    normal = posixpath.normpath(path.lstrip("/") or ".")
    return None if normal.split("/")[0] == ".." else normal.removeprefix(".") if normal == "." else normal


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _written(name: str, value: Any) -> str:
    if value is None:
        return f"no {name}"
    return f"{name}: {_short(value)}" if isinstance(value, str) else f"a {name} that is no single value"


def _short(value: Any) -> str:
    if not isinstance(value, str):
        return "something that is no text"
    return value if len(value) <= 100 else value[:97] + "..."
