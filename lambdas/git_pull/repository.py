"""A bare, shallow repository in /tmp that stays warm between invocations, so that a fetch brings only what changed."""

import hashlib
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pygit2

from lambdas.common import log
from lambdas.common.errors import FetchError, PermanentFailure, TemporaryFailure
from lambdas.git_pull.refusals import no_common_algorithms
from lambdas.git_pull.ssh import KeyRefused, key_refused

Callbacks = Callable[[], pygit2.RemoteCallbacks]
Failure = Callable[[], FetchError | None]
"""Why there was no answer, where that is known better than from what libgit2 says."""

MAX_PACKS = 30
"""Each fetch into a warm repository adds a pack; past this many it starts over."""
MIN_FREE = 256 * 1024 * 1024
FALLBACK_DEPTH = 50
"""Commits that are looked through when the server does not hand out commits by their id."""
_BUILD = "refs/heads/build"
_NETWORK = re.compile(r"connect|resolve|timed? ?out|socket|ssh|authenticat|network", re.IGNORECASE)
"""Words of libgit2's when the fault is not the repository's."""

pygit2.settings.mwindow_size = 4 * 1024 * 1024
pygit2.settings.mwindow_mapped_limit = 16 * 1024 * 1024
# The indexer hashes every object while it fetches; hashing them again when they are read only costs time.
pygit2.settings.enable_strict_hash_verification(False)
pygit2.settings.enable_caching(False)


class CommitNotThere(PermanentFailure):
    """The server does not have the commit, or not under the ref that it was looked for."""


def directory_for(root: Path, url: str) -> Path:
    """Where the repository fetched from `url` lies under `root`."""
    return root / hashlib.sha256(url.encode()).hexdigest()[:32]


def packs_of(path: Path) -> list[int]:
    """Sizes in bytes of a repository's packs."""
    return [pack.stat().st_size for pack in (path / "objects" / "pack").glob("*.pack")]


def prepare(path: Path) -> None:
    """Throw away what would be in the way: too many packs, locks of a process that died, others' space."""
    if len(packs_of(path)) > MAX_PACKS or any(path.rglob("*.lock")):
        discard(path)
    if path.parent.exists() and shutil.disk_usage(path.parent).free < MIN_FREE:
        for other in path.parent.iterdir():
            if other != path:
                discard(other)


def discard(path: Path) -> None:
    """Delete a repository, or what is left of it."""
    shutil.rmtree(path, ignore_errors=True)


def fetch_commit(
    path: Path,
    url: str,
    ref: str,
    commit: str,
    callbacks: Callbacks,
    *,
    restore: Callable[[Path], bool],
    failure: Failure = lambda: None,
) -> pygit2.Repository:
    """Have the commit's tree in the repository at `path`, fetching what is missing. Raises FetchError.

    `restore` may bring an older copy to a path where there is nothing. A warm or restored repository that does not work
    is thrown away, and the fetch tried once more from nothing.
    """
    if path.exists():
        prepare(path)
    else:
        restore(path)
    try:
        if path.exists():
            try:
                return _fetch(path, url, ref, commit, callbacks)
            except (pygit2.GitError, KeyError, ValueError, OSError) as error:
                if failure() or _NETWORK.search(str(error)):
                    raise
                log.exception("warm_repository_discarded", error)
                discard(path)
        return _fetch(path, url, ref, commit, callbacks)
    except (pygit2.GitError, KeyError, ValueError, OSError) as error:
        raise failure() or _failure(error) from error


def list_refs(url: str, callbacks: Callbacks, failure: Failure = lambda: None) -> dict[str, str]:
    """The refs that the server shows us, as `git ls-remote` asks, each with what it points at; nothing is fetched.

    `<tag>^{}` is the commit of an annotated tag. Raises FetchError.
    """
    with tempfile.TemporaryDirectory() as empty:
        remote = pygit2.init_repository(empty, bare=True).remotes.create_anonymous(url)
        try:
            return {str(head.name): str(head.oid) for head in remote.list_heads(callbacks=callbacks())}
        except (pygit2.GitError, KeyError, ValueError, OSError) as error:
            raise failure() or _failure(error) from error


def ref_commit(url: str, ref: str, commit: str, callbacks: Callbacks, failure: Failure = lambda: None) -> str:
    """The commit that a ref points at now; empty: there is no such ref. Raises FetchError.

    `commit` itself, if it is the object of an annotated tag that is still that.
    """
    refs = list_refs(url, callbacks, failure)
    itself = refs.get(ref, "")
    return itself if itself == commit else refs.get(f"{ref}^{{}}", itself)


def _fetch(path: Path, url: str, ref: str, commit: str, callbacks: Callbacks) -> pygit2.Repository:
    repository = pygit2.init_repository(str(path), bare=True)
    if _has(repository, commit):
        return repository
    remote = repository.remotes.create_anonymous(url)
    try:
        remote.fetch([f"+{commit}:{_BUILD}"], callbacks=callbacks(), depth=1)
    except pygit2.GitError as error:
        if not _refuses_ids(error):
            raise
        _fetch_ref(repository, remote, ref, commit, callbacks)
    if not _has(repository, commit):
        raise CommitNotThere(f"The server did not send commit {commit[:12]}")
    return repository


def _fetch_ref(
    repository: pygit2.Repository, remote: pygit2.Remote, ref: str, commit: str, callbacks: Callbacks
) -> None:
    """Fetch the ref itself, deeper if it has moved on, and see whether the commit is part of it."""
    for depth in (1, FALLBACK_DEPTH):
        try:
            remote.fetch([f"+{ref}:{_BUILD}"], callbacks=callbacks(), depth=depth)
        except pygit2.GitError as error:
            if "not found" in str(error).lower() and "ref" in str(error).lower():
                raise CommitNotThere(f"{ref} is not there any more, and its commit cannot be fetched") from None
            raise
        if _BUILD not in repository.references:
            raise CommitNotThere(f"{ref} is not there any more, and its commit cannot be fetched")
        wanted, tip = _commit_of(repository, commit), repository.references[_BUILD].peel(pygit2.Commit)
        if wanted is not None and (wanted.id == tip.id or repository.descendant_of(tip.id, wanted.id)):
            return
    raise CommitNotThere(
        f"Commit {commit[:12]} is not among the last {FALLBACK_DEPTH} of {ref}: it was replaced by a later push"
    )


def _has(repository: pygit2.Repository, commit: str) -> bool:
    """Whether the commit is there with its tree; a shallow history has no others."""
    found = _commit_of(repository, commit)
    return found is not None and found.tree_id in repository


def _commit_of(repository: pygit2.Repository, commit: str) -> pygit2.Commit | None:
    """The commit, or the one that an annotated tag of this id points at; None if it is not there."""
    found = repository.get(commit)
    if isinstance(found, pygit2.Tag):
        return found.peel(pygit2.Commit)
    return found if isinstance(found, pygit2.Commit) else None


def _refuses_ids(error: pygit2.GitError) -> bool:
    """Whether the server (or libgit2 for it) says that it hands out refs only, not commits by their id."""
    text = str(error).lower()
    # "unexpected packet" is how libgit2 reads the server's error line in the middle of the negotiation.
    return any(words in text for words in ("not our ref", "unadvertised", "specific object", "unexpected packet"))


def _failure(error: Exception) -> FetchError:
    text = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
    lower = text.lower()
    if "authentication" in lower or "permission denied" in lower or "publickey" in lower:
        return key_refused()
    if "not found" in lower or "does not exist" in lower or "does not appear to be" in lower:
        return KeyRefused(f"The Git server has no such repository, or the SSH key may not read it: {text}")
    if "exchange encryption keys" in lower:
        return no_common_algorithms("The Git server")
    return TemporaryFailure(f"The fetch failed: {text}")
