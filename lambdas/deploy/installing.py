"""What the agent's Install would do on a fresh instance, played through without one.

The agent lists what to copy, make and set before it does anything, and fails where two of them meet; see its own
installer.rb and install_instruction.rb: https://github.com/aws/aws-codedeploy-agent
"""

import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from lambdas.deploy.permissions import Permission
from lambdas.deploy.tree import Kind, Tree
from lambdas.deploy.words import short

MOST = 200_000
"""Files that are played through; there are hardly artifacts of a tenth of it."""
_HOME = "/root"
_EXISTING = {
    "/": "bin boot dev etc home lib media mnt opt root run sbin srv tmp usr var",
    "/etc": "cron.d init.d logrotate.d nginx profile.d systemd systemd/system",
    "/home": "ec2-user",
    "/usr": "bin lib local local/bin local/etc local/lib local/sbin sbin share",
    "/var": "cache lib log run spool tmp www www/html",
}
"""Directories that an instance has, or may well have, before anything is deployed."""
_THERE = {"/"} | {posixpath.join(around, each) for around, names in _EXISTING.items() for each in names.split()}


@dataclass(frozen=True, slots=True)
class File:
    """An entry of `files`."""

    number: int
    source: str
    destination: str


@dataclass(slots=True)
class _Plan:
    """What is to be made, by path; `made` says whether a directory is sure to be new."""

    copies: dict[str, str] = field(default_factory=dict)
    made: dict[str, bool] = field(default_factory=dict)
    left: int = MOST

    def copy(self, source: str, destination: str) -> Iterator[str]:
        path = absolute(destination)
        if path in self.copies:
            yield (
                f"files has two sources for {short(path)}: {short(source)} and {short(self.copies[path])}. "
                "The agent fails on that; remove one."
            )
        elif path in self.made:
            yield f"files copies {short(source)} to {short(path)}, which it makes a directory as well."
        self.copies[path] = source
        self.left -= 1

    def make(self, destination: str, *, sure: bool) -> Iterator[str]:
        path = absolute(destination)
        if path in self.copies:
            yield f"files makes {short(path)} a directory, and copies {short(self.copies[path])} there as well."
        self.made[path] = self.made.get(path, False) or sure
        self.left -= 1


def absolute(path: str) -> str:
    """A path as the agent expands it; a relative one is taken from where the agent runs, which nobody knows."""
    if path == "~" or path.startswith("~/"):
        path = _HOME + path[1:]
    return "/" + posixpath.normpath("/" + path).lstrip("/")


def play(files: Iterable[File], permissions: Iterable[Permission], tree: Tree, advice: list[str]) -> Iterator[str]:
    """The problems of installing, in the order in which the agent would meet them; `advice` is added to."""
    plan = _Plan()
    for each in files:
        yield from _copy(each, plan, tree, advice)
    if plan.left <= 0:
        advice.append(f"More than {MOST:,} files are to be copied; not all of them were checked.")
        return
    set_before: dict[str, int] = {}
    for permission in permissions:
        yield from _set(permission, plan, set_before, advice)


def _copy(entry: File, plan: _Plan, tree: Tree, advice: list[str]) -> Iterator[str]:
    where = f"files, entry {entry.number}"
    place = tree.find(entry.source)
    if place.kind is Kind.OUTSIDE and not place.through_link:
        yield f"{where}, has a source outside of the artifact: {short(entry.source)}."
        return
    if place.kind is Kind.MISSING and not tree.is_link(entry.source):
        yield f"appspec.yml names {short(entry.source)} as a source, which is not in the artifact."
        return
    if not entry.destination.startswith(("/", "~")):
        if place.kind is Kind.DIRECTORY and not entry.destination:
            yield f"{where}, has a blank destination, which cannot be one for a directory."
            return
        advice.append(f"{where}: {short(entry.destination)} is no absolute path; name one, like /srv/app.")
    if place.kind is Kind.DIRECTORY:
        yield from _make_around(entry.destination, plan)
        yield from _copy_directory(place.name, entry.destination, plan, tree)
        return
    if place.kind is not Kind.FILE:
        advice.append(f"{short(entry.source)} is a link that leads to nothing in the artifact; it is copied as a link.")
    to = posixpath.join(entry.destination or "/", posixpath.basename(entry.source.rstrip("/")))
    yield from _make_around(to, plan)
    yield from plan.copy(entry.source, to)


def _make_around(destination: str, plan: _Plan) -> Iterator[str]:
    path = posixpath.dirname(absolute(destination))
    while path not in _THERE:
        yield from plan.make(path, sure=False)
        path = posixpath.dirname(path)


def _copy_directory(directory: str, destination: str, plan: _Plan, tree: Tree) -> Iterator[str]:
    if absolute(destination) not in _THERE:
        yield from plan.make(destination, sure=False)
    waiting: list[tuple[str, str, tuple[str, ...]]] = [(directory, destination, ())]
    while waiting and plan.left > 0:
        here, there, came_by = waiting.pop()
        for name in tree.children(here):
            to = posixpath.join(there, posixpath.basename(name))
            if plan.left <= 0:
                return
            place = tree.find(name)
            if place.kind is not Kind.DIRECTORY:
                yield from plan.copy(name, to)
                continue
            around = came_by
            if place.through_link:
                if any(_contains(place.name, each) for each in (*came_by, here)):
                    yield f"{short(name)} is a link to a directory around it; the agent would copy that into itself."
                    continue
                around = (*came_by, here)
            yield from plan.make(to, sure=absolute(to) not in _THERE)
            waiting.append((place.name, to, around))


def _contains(directory: str, name: str) -> bool:
    return not directory or name == directory or name.startswith(directory + "/")


def _set(permission: Permission, plan: _Plan, before: dict[str, int], advice: list[str]) -> Iterator[str]:
    where, path = f"permissions, entry {permission.number}", absolute(permission.object)
    for_files = "file" in permission.types
    if path in plan.copies:
        if not for_files:
            return
        if permission.pattern != "**" or permission.excepted:
            yield f"{where}: {short(path)} is a file, and takes neither pattern nor except."
            return
        found = [path]
    else:
        found = list(_covered(permission, path, plan))
        plan.left -= len(plan.copies)
        if not found:
            advice.append(f"{where}: {short(path)} covers nothing that is installed, and is not applied.")
            return
    if permission.to_default and (file := next((each for each in found if each in plan.copies), None)):
        yield f"{where}: an entry for default in acls is for directories only, and it covers {short(file)}."
    if permission.refused:
        yield permission.refused
    for name in found:
        if name not in before:
            before[name] = permission.number
            continue
        said = f"permissions, entries {before[name]} and {permission.number}, both cover {short(name)}; the agent fails"
        if name in plan.copies or plan.made[name]:
            yield f"{said} on that."
        else:
            advice.append(f"{said} where it makes that directory.")
        return


def _covered(permission: Permission, path: str, plan: _Plan) -> Iterator[str]:
    around = path.rstrip("/") + "/"
    if plan.left <= 0:
        return
    for kind, names in (("file", plan.copies), ("directory", plan.made)):
        if kind in permission.types:
            for name in names:
                if name.startswith(around) and permission.covers(name.removeprefix(around)):
                    yield name
