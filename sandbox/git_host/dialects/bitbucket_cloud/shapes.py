"""Records as Bitbucket Cloud's REST API (2.0) and its webhooks write them; only the fields that a client could want.

https://developer.atlassian.com/cloud/bitbucket/rest/, https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/
"""

import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from sandbox.git_host.address import Address
from sandbox.git_host.git import Commit
from sandbox.git_host.pushes import Push, RefChange
from sandbox.git_host.records import DeployKey, Hook, Json, Repository, Status, User

_SPACE = uuid.UUID("7c1f6e0a-55a4-4a5c-8a35-0b3f1f9f6b02")
_MAX_COMMITS = 5  # that a change of a push event lists


def uid(what: str, number: int) -> str:
    """A thing's UUID, in braces as Bitbucket writes them."""
    return f"{{{uuid.uuid5(_SPACE, f'{what} {number}')}}}"


@dataclass(frozen=True, slots=True)
class Shapes:
    """Makes JSON with this host's own addresses."""

    address: Address

    def user(self, user: User) -> Json:
        """A person; there are no user names any more."""
        return {
            "type": "user",
            "display_name": user.name,
            "nickname": user.login,
            "uuid": uid("user", user.id),
            "account_id": f"557058:{uuid.uuid5(_SPACE, user.login)}",
            "links": {"self": {"href": f"{self.address.url}/2.0/users/{quote(uid('user', user.id))}"}},
        }

    def workspace(self, owner: str) -> Json:
        """A workspace."""
        return {
            "type": "workspace",
            "slug": owner,
            "name": owner,
            "uuid": f"{{{uuid.uuid5(_SPACE, owner)}}}",
            "links": {"html": {"href": f"{self.address.url}/{owner}/"}},
        }

    def repository(self, repository: Repository) -> Json:
        """A repository."""
        full_name = repository.full_name
        api = f"{self.address.url}/2.0/repositories/{full_name}"
        main = {"type": "branch", "name": repository.default_branch}
        return {
            "type": "repository",
            "uuid": uid("repository", repository.id),
            "full_name": full_name,
            "name": repository.name,
            "slug": repository.name,
            "description": repository.description,
            "is_private": repository.private,
            "scm": "git",
            # Null until something is pushed.
            "mainbranch": main if repository.pushed_at else None,
            "workspace": self.workspace(repository.owner),
            "owner": {"type": "team", "display_name": repository.owner},
            "project": {"type": "project", "key": "PROJ", "name": "Project"},
            "created_on": repository.created_at,
            "updated_on": repository.updated_at,
            "links": {
                "self": {"href": api},
                "html": {"href": f"{self.address.url}/{full_name}"},
                "clone": [
                    {"name": "https", "href": self.address.clone_url(full_name)},
                    {"name": "ssh", "href": self.address.ssh_url(full_name)},
                ],
            },
        }

    def commit(self, repository: Repository, commit: Commit) -> Json:
        """A commit."""
        html = f"{self.address.url}/{repository.full_name}/commits/{commit.sha}"
        return {
            "type": "commit",
            "hash": commit.sha,
            "date": commit.committed_at,
            "message": f"{commit.message}\n",
            "author": {"type": "author", "raw": f"{commit.author} <{commit.author_email}>"},
            "parents": [{"type": "commit", "hash": sha} for sha in commit.parents],
            "links": {"html": {"href": html}},
        }

    def branch(self, repository: Repository, name: str, commit: Commit) -> Json:
        """A branch."""
        return {
            "type": "branch",
            "name": name,
            "target": self.commit(repository, commit),
            "links": {"html": {"href": f"{self.address.url}/{repository.full_name}/branch/{name}"}},
            "default_merge_strategy": "merge_commit",
        }

    def tag(self, repository: Repository, name: str, commit: Commit, message: str | None = None) -> Json:
        """A tag; `message` is that of an annotated one."""
        return {
            "type": "tag",
            "name": name,
            "target": self.commit(repository, commit),
            "message": message,
            "links": {"html": {"href": f"{self.address.url}/{repository.full_name}/commits/tag/{name}"}},
        }

    def hook(self, repository: Repository, hook: Hook) -> Json:
        """A webhook; of its secret it only says that it is there."""
        api = f"{self.address.url}/2.0/repositories/{repository.full_name}/hooks/{quote(hook_uid(hook))}"
        return {
            "type": "webhook_subscription",
            "uuid": hook_uid(hook),
            "url": hook.url,
            "description": hook.options.get("description", ""),
            "subject_type": "repository",
            "subject": {"type": "repository", "full_name": repository.full_name},
            "active": hook.active,
            "events": hook.events,
            "secret_set": bool(hook.secret),
            "skip_cert_verification": hook.insecure_ssl,
            "created_at": hook.created_at,
            "links": {"self": {"href": api}},
        }

    def deploy_key(self, repository: Repository, key: DeployKey) -> Json:
        """An access key."""
        return {
            "type": "deploy_key",
            "id": key.id,
            "key": key.key,
            "label": key.title,
            "comment": "",
            "added_on": key.created_at,
            "last_used": key.last_used,
            "repository": {"type": "repository", "full_name": repository.full_name},
        }

    def status(self, status: Status, name: str) -> Json:
        """A build status of a commit."""
        return {
            "type": "build",
            "key": status.context,
            "name": name,
            "state": status.state,
            "url": status.target_url,
            "description": status.description,
            "created_on": status.created_at,
            "updated_on": status.created_at,
        }

    def file(self, path: str | None) -> Json | None:
        """One side of a changed file."""
        return None if path is None else {"type": "commit_file", "path": path, "escaped_path": quote(path)}

    def push(self, push: Push) -> Json:
        """What a webhook gets for a push."""
        return {
            "push": {"changes": [self._change(push.repository, change) for change in push.changes]},
            "repository": self.repository(push.repository),
            "actor": self.user(push.pusher),
        }

    def _change(self, repository: Repository, change: RefChange) -> Json:
        listed = list(reversed(change.commits))  # newest first
        links = {"html": {"href": f"{self.address.url}/{repository.full_name}/branch/{change.name}"}}
        return {
            "created": change.created,
            "closed": change.deleted,
            "forced": change.forced,
            "old": self._state(repository, change, change.old_tip, None),
            "new": self._state(repository, change, change.tip, change.tag_message),
            "commits": [self.commit(repository, one) for one in listed[:_MAX_COMMITS]],
            "truncated": len(listed) > _MAX_COMMITS,
            "links": links,
        }

    def _state(
        self, repository: Repository, change: RefChange, commit: Commit | None, message: str | None
    ) -> dict[str, Any] | None:
        if commit is None:
            return None
        if change.is_tag:
            return self.tag(repository, change.name, commit, message)
        return self.branch(repository, change.name, commit)


def hook_uid(hook: Hook) -> str:
    """A webhook's UUID, in braces."""
    return uid("hook", hook.id)
