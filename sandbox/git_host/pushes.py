"""What a push did, as far as any provider tells of it."""

from dataclasses import dataclass, field
from functools import cached_property

from sandbox.git_host.git import ZEROS, Changes, Commit, GitRepository, RefUpdate
from sandbox.git_host.records import Repository, User

_MAX_COMMITS = 2048


@dataclass(frozen=True)
class RefChange:
    """One ref that a push made, moved or deleted.

    Attributes:
        ref: its full name.
        before: the object that it pointed to; `ZEROS` for none.
        after: the object that it points to, maybe a tag; `ZEROS` for none.
        old_tip: the commit that it stood for; None where it is new.
        tip: the commit that it stands for now; None where it is gone.
        commits: what it has got to reach, oldest first.
        new: ids of the commits that no other branch reaches.
        files: paths that each of the commits, and the tip, touched.
        forced: it left commits behind.
        tag_message: what an annotated tag says.
    """

    ref: str
    before: str
    after: str
    old_tip: Commit | None = None
    tip: Commit | None = None
    commits: list[Commit] = field(default_factory=list)
    new: set[str] = field(default_factory=set)
    files: dict[str, Changes] = field(default_factory=dict)
    forced: bool = False
    tag_message: str | None = None

    @property
    def created(self) -> bool:
        """Whether there was no such ref."""
        return self.before == ZEROS

    @property
    def deleted(self) -> bool:
        """Whether there is no such ref any more."""
        return self.after == ZEROS

    @property
    def is_tag(self) -> bool:
        """Whether it is a tag, and so no branch."""
        return self.ref.startswith("refs/tags/")

    @cached_property
    def name(self) -> str:
        """Its short name: `main`."""
        return self.ref.removeprefix("refs/heads/").removeprefix("refs/tags/")


@dataclass(frozen=True, slots=True)
class Push:
    """All that one push did to a repository's branches and tags."""

    repository: Repository
    owner: User | None
    pusher: User
    changes: tuple[RefChange, ...]


async def read_change(git: GitRepository, update: RefUpdate) -> RefChange:
    """Look up what providers tell of an updated ref. Raises GitFailed."""
    old_tip = None if update.before == ZEROS else await git.commit(await git.peel(update.before))
    if update.after == ZEROS:
        return RefChange(update.ref, update.before, update.after, old_tip)
    sha = await git.peel(update.after)
    is_branch = update.ref.startswith("refs/heads/")
    created = update.before == ZEROS
    new = await git.missing_from_others(sha, update.ref) if is_branch else set()
    commits: list[Commit] = []
    if not created:
        commits = await git.commits(f"--max-count={_MAX_COMMITS}", "--reverse", f"{update.before}..{sha}")
    elif new:
        commits = [one for one in await git.commits("--reverse", sha) if one.sha in new][-_MAX_COMMITS:]
    return RefChange(
        ref=update.ref,
        before=update.before,
        after=update.after,
        old_tip=old_tip,
        tip=await git.commit(sha),
        commits=commits,
        new=new,
        files=await git.changes(list({sha, *(one.sha for one in commits)})),
        forced=not created and not await git.is_ancestor(update.before, sha),
        tag_message=await git.tag_message(update.after) if update.after != sha else None,
    )
