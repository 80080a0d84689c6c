"""The submodules of a commit: which commit of which repository belongs where.

Only repositories on the host that the stack fetches from are taken, over SSH and with the stack's own key, whatever way
.gitmodules writes their address: https://git-scm.com/docs/gitmodules
"""

import posixpath
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pygit2
from pygit2.enums import FileMode

from lambdas.common.errors import InvalidName, PermanentFailure
from lambdas.common.keys import check_full_name
from lambdas.git_pull.repository import CommitNotThere

MAX_SUBMODULES, MAX_DEPTH = 100, 5
MAX_GITMODULES = 256 * 1024
"""Bytes."""
_INCLUDE = re.compile(rb"\[\s*include", re.IGNORECASE)
_SCP = re.compile(r"(?:[^@/:]+@)?([^/:]+):(?!//)(.+)")
"""git@host:path"""
_DATA_CENTER = re.compile(r"/scm/[^/]+/[^/]+")
"""How Bitbucket Data Center writes HTTPS addresses: /scm/KEY/slug.git."""


@dataclass(frozen=True, slots=True)
class Part:
    """A commit's tree, and where it lies in the artifact: `prefix` is empty, or ends with a slash."""

    prefix: bytes
    repository: pygit2.Repository
    commit: str
    name: str
    """Full name of the repository at the provider."""


@dataclass(frozen=True, slots=True)
class _Module:
    url: str = ""
    skipped: bool = False
    """`update = none`: git leaves it out unless told otherwise, and so do we."""


Fetch = Callable[[str, str], pygit2.Repository]
"""(full name, commit) -> a repository that has it. Raises FetchError, CommitNotThere if the server does not have it."""


def with_submodules(
    repository: pygit2.Repository, commit: str, *, name: str, hosts: Sequence[str], fetch: Fetch
) -> list[Part]:
    """The commit itself and all its submodules, those of submodules too. `hosts` are names of the one Git server.

    Raises PermanentFailure for one that is elsewhere or cannot be read, and whatever `fetch` raises.
    """
    parts = [Part(b"", repository, commit, name)]
    pending = [(parts[0], 0)]
    while pending:
        parent, depth = pending.pop()
        modules: dict[str, _Module] | None = None
        for path, wanted in _links(parent):
            modules = _modules(parent) if modules is None else modules
            module = modules.get(path.decode(errors="replace"), _Module())
            if module.skipped:
                continue
            shown = (parent.prefix + path).decode(errors="replace")[:100]
            if depth >= MAX_DEPTH or len(parts) > MAX_SUBMODULES:
                raise PermanentFailure(f"Submodule `{shown}`: there are more, or they lie deeper, than is allowed")
            child_name = _name(module.url, shown, hosts=hosts, parent=parent.name)
            try:
                found = fetch(child_name, wanted)
            except CommitNotThere as error:
                raise PermanentFailure(
                    f"Submodule `{shown}`: {child_name} does not have the commit {wanted[:12]}: push it there too"
                ) from error
            except PermanentFailure as error:
                raise PermanentFailure(f"Submodule `{shown}`: {error}") from error
            part = Part(parent.prefix + path + b"/", found, wanted, child_name)
            parts.append(part)
            pending.append((part, depth + 1))
    return parts


def _links(part: Part) -> Iterator[tuple[bytes, str]]:
    """Path and commit of each submodule in a tree."""
    pending = [(b"", part.repository[part.commit].peel(pygit2.Tree).id)]
    while pending:
        prefix, tree_id = pending.pop()
        for item in part.repository[tree_id].peel(pygit2.Tree):
            name = prefix + (item.raw_name or b"")
            if item.filemode == FileMode.TREE:
                pending.append((name + b"/", item.id))
            elif item.filemode == FileMode.COMMIT:
                yield name, str(item.id)


def _modules(part: Part) -> dict[str, _Module]:
    """What a tree's .gitmodules says, by path."""
    tree = part.repository[part.commit].peel(pygit2.Tree)
    if ".gitmodules" not in tree:
        return {}
    text = tree[".gitmodules"].peel(pygit2.Blob).data
    if len(text) > MAX_GITMODULES or _INCLUDE.search(text):  # libgit2 would read the files that it names
        raise PermanentFailure("The commit's .gitmodules is too large, or includes other files")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "gitmodules"
        file.write_bytes(text)
        try:
            entries = {entry.name: entry.value or "" for entry in pygit2.Config(str(file))}
        except pygit2.GitError:
            raise PermanentFailure("The commit's .gitmodules cannot be read") from None
    return {
        path.strip("/"): _Module(
            entries.get(name.removesuffix("path") + "url", ""),
            skipped=entries.get(name.removesuffix("path") + "update", "") == "none",
        )
        for name, path in entries.items()
        if name.startswith("submodule.") and name.endswith(".path")
    }


def _name(url: str, shown: str, *, hosts: Sequence[str], parent: str) -> str:
    """The full name of a submodule's repository on one of `hosts`. Raises PermanentFailure."""
    if url.startswith(("./", "../")):
        found, path = hosts[0], posixpath.normpath(posixpath.join(parent, url))
    elif match := _SCP.fullmatch(url):
        found, path = match[1], match[2]
    else:
        try:
            parts = urlsplit(url)
            found, path = parts.hostname or "", parts.path
        except ValueError:
            found, path = "", ""
        if _DATA_CENTER.fullmatch(path):
            path = path.removeprefix("/scm")
    if not found or found.lower() not in map(str.lower, hosts):
        where = f"is on {found[:100]}" if found else "has no address in .gitmodules"
        raise PermanentFailure(f"Submodule `{shown}` {where}; only those on {hosts[0]} are fetched")
    try:
        return check_full_name(path.strip("/").removesuffix(".git"))
    except InvalidName as error:
        raise PermanentFailure(f"Submodule `{shown}`: {error}") from None
