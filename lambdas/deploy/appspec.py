"""What of an AppSpec file would fail on the instances, found out before anything is deployed.

The truth is what the agent does with the file, for deployments to Linux:
https://github.com/aws/aws-codedeploy-agent (application_specification.rb, installer.rb, hook_executor.rb)
https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file.html
Where this reading is stricter, docs/howto/deploy-with-codedeploy.md says so.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from lambdas.deploy import installing, permissions, psych
from lambdas.deploy.installing import File
from lambdas.deploy.permissions import Permission
from lambdas.deploy.tree import Kind, Tree
from lambdas.deploy.words import is_list, short, written

NAME = "appspec.yml"
MAX_SIZE = 64 * 1024
"""Bytes; there are none of a tenth of it."""
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
_NEVER_RUN = ("DownloadBundle", "Install")
"""Events that the agent knows and has work of its own for: it reads their scripts and runs none."""
_NO_SCRIPTS = ("Start", "BlockTraffic", "AllowTraffic", "End")
MAX_TIMEOUT = 3600
"""Seconds that an event may take as a rule, and what a script without a timeout gets."""
_KEYS = ("version", "os", "files", "hooks", "permissions", "file_exists_behavior")
_SHOWN = 5
_SHELL = re.compile(r"[\s<>()&|\\$;'\"`]")
"""The agent gives a script's path to a shell as it is."""
_Entry = TypeVar("_Entry", File, Permission)


@dataclass(slots=True)
class Findings:
    """`problems` make a deployment fail; `advice` does not."""

    problems: list[str] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)

    def reason(self) -> str:
        """The problems as one text."""
        left = len(self.problems) - _SHOWN
        return " ".join([*self.problems[:_SHOWN], *([f"There are {left} more."] if left > 0 else [])])


@dataclass(frozen=True, slots=True)
class Script:
    """A hook's script."""

    location: str
    timeout: int


@dataclass(slots=True)
class AppSpec:
    """A file that the agent would take as one."""

    files: list[File] = field(default_factory=list)
    permissions: list[Permission] = field(default_factory=list)
    hooks: dict[str, list[Script]] = field(default_factory=dict)
    file_exists_behavior: str | None = None


def check(text: bytes, tree: Tree) -> Findings:
    """Look for what would fail. `text` is the file's content."""
    findings = Findings()
    appspec = read(text, findings)
    findings.problems += installing.play(appspec.files, appspec.permissions, tree, findings.advice)
    for event, scripts in appspec.hooks.items():
        if event in HOOKS:
            findings.problems += missing_scripts(event, scripts, tree, findings.advice)
    findings.problems = list(dict.fromkeys(findings.problems))
    findings.advice = list(dict.fromkeys(findings.advice))
    return findings


def read(text: bytes, findings: Findings) -> AppSpec:
    """What a file says; problems and advice are added to the findings."""
    appspec = AppSpec()
    try:
        loaded = psych.load(text)
    except psych.Unreadable as error:
        findings.problems.append(f"{NAME} is no YAML that the agent reads: {error}.")
        return appspec
    document = loaded.value
    if not isinstance(document, dict):
        findings.problems.append(f"{NAME} has to be a mapping that begins with version: 0.0 and os: linux.")
        return appspec
    problems = list(_header(document))
    if problems and loaded.marked:
        problems = [f"{NAME} begins with a byte order mark, and the agent then reads it wrongly; save it without."]
    findings.problems += problems
    findings.advice += [f"{each} stands twice in {NAME}; the last one counts." for each in loaded.repeated]
    findings.advice += [
        f"The agent knows nothing called {short(each)}; it does nothing." for each in document if each not in _KEYS
    ]
    appspec.file_exists_behavior = document.get("file_exists_behavior")
    for file in _files(document.get("files"), findings.advice):
        _sort(file, findings, appspec.files)
    for number, entry in _entries("permissions", document.get("permissions")):
        found = [entry] if isinstance(entry, str) else permissions.read(number, entry, findings.advice)
        for permission in found:
            _sort(permission, findings, appspec.permissions)
    findings.problems += _hooks(document.get("hooks"), appspec.hooks, findings.advice)
    return appspec


def _sort(found: str | _Entry, findings: Findings, entries: list[_Entry]) -> None:
    if isinstance(found, str):
        findings.problems.append(found)
    else:
        entries.append(found)


def _header(document: Mapping[Any, Any]) -> Iterator[str]:
    if "Resources" in document or "resources" in document:
        yield f"{NAME} is one for ECS or Lambda (it has Resources); instances need version, os, files and hooks."
        return
    version, system = document.get("version"), document.get("os")
    if isinstance(version, str):
        yield f"{NAME} has a version in quotes, which is a text to the agent; write version: 0.0."
    elif isinstance(version, bool) or version != 0:
        yield f"{NAME} has {written('version', version)}; write version: 0.0, the only one there is."
    if system != "linux":
        yield f"{NAME} has {written('os', system)}; these instances run Linux, so write os: linux."
    behaviour = document.get("file_exists_behavior")
    if behaviour is not None and behaviour not in ("DISALLOW", "OVERWRITE", "RETAIN"):
        yield f"{written('file_exists_behavior', behaviour)} has to be DISALLOW, OVERWRITE or RETAIN."


def _files(section: Any, advice: list[str]) -> Iterator[str | File]:
    for number, entry in _entries("files", section):
        if isinstance(entry, str):
            yield entry
            continue
        source, destination = entry.get("source"), entry.get("destination")
        if source is None or destination is None:
            yield f"files, entry {number}, needs a source and a destination."
        elif not isinstance(source, str) or not isinstance(destination, str):
            yield f"files, entry {number}: source and destination have to be texts; put {short(source)} into quotes."
        elif "\0" in source + destination:
            yield f"files, entry {number}, has a character that no path can have."
        else:
            if not source.strip():
                advice.append(f"files, entry {number}, has a blank source, which is everything in the artifact.")
            yield File(number, source, destination)


def _hooks(section: Any, hooks: dict[str, list[Script]], advice: list[str]) -> Iterator[str]:
    if section is None or section is False:
        return
    if not isinstance(section, dict):
        yield f"hooks in {NAME} has to be a mapping from lifecycle events to lists of scripts."
        return
    for event, scripts in section.items():
        if scripts is None or scripts is False:
            advice.append(f"{short(event)} has no scripts; it can be left out.")
            continue
        if event in _NO_SCRIPTS:
            yield f"{event} takes no scripts; use {_neighbour(event)}."
            continue
        if not isinstance(event, str) or event not in HOOKS + _NEVER_RUN:
            yield f"{short(event)} is no lifecycle event of instances; there are {', '.join(HOOKS)}."
            continue
        if not is_list(scripts):
            yield f"{event} in {NAME} needs a list of scripts, each with a location; remove it if there are none."
            continue
        if event in _NEVER_RUN:
            advice.append(f"The agent never runs scripts of {event}; use {_neighbour(event)}.")
        elif not scripts:
            advice.append(f"{event} has no scripts; it can be left out.")
        hooks[event] = []
        yield from _scripts(event, list(scripts), hooks[event], advice)


def _neighbour(event: str) -> str:
    around = {"BlockTraffic": "AfterBlockTraffic", "AllowTraffic": "BeforeAllowTraffic", "End": "ValidateService"}
    return around.get(event, "BeforeInstall" if event != "Install" else "AfterInstall")


def _scripts(event: str, scripts: list[Any], found: list[Script], advice: list[str]) -> Iterator[str]:
    for number, script in enumerate(scripts, start=1):
        location = psych.to_text(script.get("location")).strip() if isinstance(script, dict) else ""
        if not location:
            yield f"{event}, script {number}, needs a location: the script's path in the artifact."
            continue
        seconds = _seconds(script.get("timeout"))
        if seconds is None:
            yield f"{event}, {short(location)}: {written('timeout', script['timeout'])} has to be a number of seconds."
            continue
        if isinstance(script.get("timeout"), str) and not script["timeout"].strip().isdigit():
            advice.append(
                f"{event}, {short(location)}: the agent reads timeout: {short(script['timeout'])} as {seconds} s."
            )
        found.append(Script(location, seconds))
    asked = sum(each.timeout for each in found)
    given = [each for each in scripts if isinstance(each, dict) and each.get("timeout")]
    if asked > MAX_TIMEOUT and given:
        advice.append(f"The scripts of {event} may take {asked} s in all; CodeDeploy gives an event {MAX_TIMEOUT} s.")


def _seconds(timeout: Any) -> int | None:
    """As Ruby's to_i makes it. None where the agent fails: it is no number above 0."""
    if timeout is None or timeout is False:
        return MAX_TIMEOUT
    if isinstance(timeout, str):
        leading = re.match(r"\s*\+?(\d+(?:_\d+)*)", timeout, re.ASCII)
        timeout = float(leading[1].replace("_", "")[:15]) if leading else 0
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 1 <= timeout < 1e15:
        return None
    return int(timeout)


def missing_scripts(event: str, scripts: list[Script], tree: Tree, advice: list[str]) -> Iterator[str]:
    """The scripts that the agent would not find or could not run."""
    for script in scripts:
        location = script.location
        place = tree.find("/" + location) if "\0" not in location else None
        if place is None or _SHELL.search(location):
            yield f"{event}: a shell would not take {short(location)} as one path; rename it, without spaces."
        elif place.kind is Kind.OUTSIDE and not place.through_link:
            yield f"{event} names a script outside of the artifact: {short(location)}."
        elif place.kind is Kind.OUTSIDE:
            advice.append(f"{event}: {short(location)} is a link out of the artifact, where it was not looked for.")
        elif place.kind is Kind.DIRECTORY:
            yield f"{event} names {short(location)}, which is a directory and no script."
        elif place.kind is Kind.MISSING and place.through_link:
            yield f"{event}: {short(location)} is a link to nothing; the artifact has no {short(place.name)}."
        elif place.kind is Kind.MISSING:
            yield f"{NAME} names {short(location)}, which is not in the artifact{_near(location, tree)}."
        elif place.name not in tree.executable:
            name = place.name
            advice.append(
                f"{name} is not executable in the repository; git update-index --chmod=+x {name} makes it so."
            )


def _near(path: str, tree: Tree) -> str:
    """What was probably meant: paths are told apart by case, and are relative to the root."""
    name = posixpath.basename(path).lower()
    found = sorted(each for each in tree.files if posixpath.basename(each).lower() == name)
    return f" (there is {short(found[0])})" if name and found else ""


def _entries(name: str, section: Any) -> Iterator[tuple[int, Mapping[Any, Any] | str]]:
    """The entries of a list of mappings with their numbers; a text where something else stands, saying so."""
    if section is None or section is False:
        return
    if not is_list(section):
        yield 0, f"{name} in {NAME} has to be a list."
        return
    for number, entry in enumerate(section, start=1):
        yield number, entry if isinstance(entry, dict) else f"{name}, entry {number}, has to be a mapping."
