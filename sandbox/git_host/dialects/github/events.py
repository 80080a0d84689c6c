"""The bodies of push and ping events.

https://docs.github.com/en/webhooks/webhook-events-and-payloads#push
"""

import time
from datetime import datetime

from sandbox.git_host.dialects.github.shapes import Shapes
from sandbox.git_host.pushes import Push, RefChange
from sandbox.git_host.records import Hook, Json, Repository, User

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


def pushes(shapes: Shapes, push: Push) -> list[Json]:
    """What webhooks get for a push, one a ref: branches and tags, but no tag of a push of more than three."""
    tags = [change for change in push.changes if change.is_tag]
    branches = [change for change in push.changes if not change.is_tag]
    told = branches + (tags if len(tags) <= _MAX_TAGS_IN_A_PUSH else [])
    return [_push(shapes, push, change) for change in told]


def _push(shapes: Shapes, push: Push, change: RefChange) -> Json:
    repository, owner, pusher = push.repository, push.owner, push.pusher
    commits = [
        shapes.pushed_commit(repository, one, change.files[one.sha], distinct=one.sha in change.new)
        for one in change.commits
    ]
    head: Json | None = None
    if change.tip:
        distinct = change.created or change.tip.sha in change.new
        head = shapes.pushed_commit(repository, change.tip, change.files[change.tip.sha], distinct=distinct)
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
        "ref": change.ref,
        "before": change.before,
        "after": change.after,
        "repository": body,
        "pusher": {"name": pusher.login, "email": pusher.email},
        "sender": shapes.user(pusher),
        "created": change.created,
        "deleted": change.deleted,
        "forced": change.forced,
        "base_ref": None,
        "compare": f"{base}/compare/{change.before[:12]}...{change.after[:12]}",
        "commits": commits,
        "head_commit": head,
    }
