"""The bodies of push and ping events.

https://docs.github.com/en/webhooks/webhook-events-and-payloads#push
"""

import time
from datetime import datetime

from sandbox.git_host.git import ZEROS, GitRepository, RefUpdate
from sandbox.git_host.records import Hook, Json, Repository, User
from sandbox.git_host.shapes import Shapes

_MAX_COMMITS = 2048
_MAX_TAGS_IN_A_PUSH = 3
_ZEN = "Keep it logically awesome."


def ping(shapes: Shapes, repository: Repository, owner: User | None, hook: Hook, sender: User) -> Json:
    """What a webhook gets when it is made, or pinged."""
    return {
        "zen": _ZEN,
        "hook_id": hook.id,
        "hook": shapes.hook(repository, hook),
        "repository": shapes.repository(repository, owner),
        "sender": shapes.user(sender),
    }


def events_of(updates: list[RefUpdate]) -> list[RefUpdate]:
    """The updates of a push that make events: branches and tags, but no tag of a push of more than three."""
    tags = [update for update in updates if update.ref.startswith("refs/tags/")]
    branches = [update for update in updates if update.ref.startswith("refs/heads/")]
    return branches + (tags if len(tags) <= _MAX_TAGS_IN_A_PUSH else [])


async def push(
    shapes: Shapes, repository: Repository, git: GitRepository, update: RefUpdate, *, owner: User | None, pusher: User
) -> Json:
    """What a webhook gets for one ref of a push."""
    created, deleted = update.before == ZEROS, update.after == ZEROS
    commits: list[Json] = []
    head: Json | None = None
    forced = False
    if not deleted:
        sha = (await git.run("rev-parse", "--verify", f"{update.after}^{{commit}}")).strip()
        new = await git.missing_from_others(sha, update.ref) if update.ref.startswith("refs/heads/") else set()
        forced = not created and not await git.is_ancestor(update.before, sha)
        listed = []
        if not created:
            listed = await git.commits(f"--max-count={_MAX_COMMITS}", "--reverse", f"{update.before}..{sha}")
        elif new:
            listed = [one for one in await git.commits("--reverse", sha) if one.sha in new][-_MAX_COMMITS:]
        tip = await git.commit(sha)
        changes = await git.changes(list({sha, *(one.sha for one in listed)}))
        commits = [shapes.pushed_commit(repository, one, changes[one.sha], distinct=one.sha in new) for one in listed]
        head = shapes.pushed_commit(repository, tip, changes[sha], distinct=created or sha in new)
    base = f"{shapes.url}/{repository.full_name}"
    body = shapes.repository(repository, owner)
    body["owner"] |= {"name": repository.owner, "email": owner.email if owner else None}
    # In push events these two are numbers: seconds since 1970.
    body |= {
        "created_at": int(datetime.fromisoformat(repository.created_at).timestamp()),
        "pushed_at": int(time.time()),
    }
    body |= {"master_branch": repository.default_branch, "url": base}
    return {
        "ref": update.ref,
        "before": update.before,
        "after": update.after,
        "repository": body,
        "pusher": {"name": pusher.login, "email": pusher.email},
        "sender": shapes.user(pusher),
        "created": created,
        "deleted": deleted,
        "forced": forced,
        "base_ref": None,
        "compare": f"{base}/compare/{update.before[:12]}...{update.after[:12]}",
        "commits": commits,
        "head_commit": head,
    }
