"""Records as Gitea's REST API (v1) and its webhooks write them; only the fields that a client could want.

https://docs.gitea.com/api/, https://docs.gitea.com/usage/webhooks
"""

from dataclasses import dataclass

from sandbox.git_host.address import Address
from sandbox.git_host.git import ZEROS, Changes, Commit
from sandbox.git_host.messages import Message
from sandbox.git_host.pushes import Push, RefChange
from sandbox.git_host.records import DeployKey, Hook, Json, Repository, Status, User

_MAX_COMMITS = 5  # that a push event lists: [ui] FEED_MAX_COMMIT_NUM of app.ini


@dataclass(frozen=True, slots=True)
class Shapes:
    """Makes JSON with this host's own addresses."""

    address: Address

    def user(self, user: User) -> Json:
        """A user or organization."""
        return {
            "id": user.id,
            "login": user.login,
            "username": user.login,
            "full_name": user.name,
            "email": user.email,
            "avatar_url": f"{self.address.url}/avatars/{user.id}",
            "html_url": f"{self.address.url}/{user.login}",
        }

    def repository(self, repository: Repository, owner: User | None, permission: str = "") -> Json:
        """A repository; `permission` is the caller's: admin, push, pull or nothing."""
        full_name = repository.full_name
        return {
            "id": repository.id,
            "owner": self.user(owner or User(0, repository.owner, repository.owner, "", "User")),
            "name": repository.name,
            "full_name": full_name,
            "description": repository.description,
            "empty": repository.pushed_at is None,
            "private": repository.private,
            "fork": False,
            "mirror": False,
            "archived": False,
            "html_url": f"{self.address.url}/{full_name}",
            "url": f"{self.address.url}/api/v1/repos/{full_name}",
            "ssh_url": self.address.ssh_url(full_name),
            "clone_url": self.address.clone_url(full_name),
            "default_branch": repository.default_branch,
            "created_at": repository.created_at,
            "updated_at": repository.updated_at,
            "permissions": {
                "admin": permission == "admin",
                "push": permission in {"admin", "push"},
                "pull": bool(permission),
            },
        }

    def payload_commit(self, repository: Repository, commit: Commit, changes: Changes | None = None) -> Json:
        """A commit in a push event or a branch; the changes are null where they were not looked up."""
        return {
            "id": commit.sha,
            "message": f"{commit.message}\n",
            "url": f"{self.address.url}/{repository.full_name}/commit/{commit.sha}",
            "author": {"name": commit.author, "email": commit.author_email, "username": ""},
            "committer": {"name": commit.committer, "email": commit.committer_email, "username": ""},
            "verification": None,
            "timestamp": commit.committed_at,
            "added": changes.added if changes else None,
            "removed": changes.removed if changes else None,
            "modified": changes.modified if changes else None,
        }

    def commit(self, repository: Repository, commit: Commit, changes: Changes) -> Json:
        """A commit of the REST API."""
        api = f"{self.address.url}/api/v1/repos/{repository.full_name}/git/commits/{commit.sha}"
        files = [
            {"filename": path, "status": status}
            for status, paths in (
                ("added", changes.added),
                ("removed", changes.removed),
                ("modified", changes.modified),
            )
            for path in paths
        ]
        return {
            "sha": commit.sha,
            "url": api,
            "html_url": f"{self.address.url}/{repository.full_name}/commit/{commit.sha}",
            "commit": {
                "message": f"{commit.message}\n",
                "author": {"name": commit.author, "email": commit.author_email, "date": commit.authored_at},
                "committer": {"name": commit.committer, "email": commit.committer_email, "date": commit.committed_at},
                "tree": {"sha": commit.tree},
            },
            "parents": [{"sha": sha} for sha in commit.parents],
            "files": files,
        }

    def branch(self, repository: Repository, name: str, commit: Commit) -> Json:
        """A branch."""
        return {"name": name, "commit": self.payload_commit(repository, commit), "protected": False}

    def tag(self, repository: Repository, name: str, sha: str, target: str) -> Json:
        """A tag; `id` is what it points to, a tag object if it is annotated."""
        api = f"{self.address.url}/api/v1/repos/{repository.full_name}"
        return {
            "name": name,
            "id": target,
            "message": "",
            "commit": {"sha": sha, "url": f"{api}/git/commits/{sha}"},
            "zipball_url": f"{self.address.url}/{repository.full_name}/archive/{name}.zip",
        }

    def hook(self, hook: Hook) -> Json:
        """A webhook; its secret is never shown."""
        return {
            "id": hook.id,
            "type": hook.options.get("type", "gitea"),
            "branch_filter": hook.options.get("branch_filter", "*"),
            "config": {"content_type": hook.content_type, "url": hook.url},
            "events": hook.events,
            "authorization_header": "",
            "active": hook.active,
            "updated_at": hook.updated_at,
            "created_at": hook.created_at,
        }

    def deploy_key(self, repository: Repository, key: DeployKey) -> Json:
        """A deploy key."""
        return {
            "id": key.id,
            "key_id": key.id,
            "key": key.key,
            "url": f"{self.address.url}/api/v1/repos/{repository.full_name}/keys/{key.id}",
            "title": key.title,
            "fingerprint": key.fingerprint,
            "created_at": key.created_at,
            "read_only": key.read_only,
        }

    def status(self, status: Status) -> Json:
        """A commit status."""
        return {
            "id": status.id,
            "status": status.state,
            "context": status.context,
            "target_url": status.target_url or "",
            "description": status.description or "",
            "created_at": status.created_at,
            "updated_at": status.created_at,
        }

    def told(self, push: Push) -> list[Message]:
        """What a push sets off: a push for each ref but a branch that is gone, and its making or its end."""
        found = []
        for change in push.changes:
            if not change.deleted or change.is_tag:
                found.append(Message("push", self.push(push, change)))
            if change.created or change.deleted:
                found.append(Message("delete" if change.deleted else "create", self._birth_or_end(push, change)))
        return found

    def push(self, push: Push, change: RefChange) -> Json:
        """A push event of one ref."""
        repository = push.repository
        listed = [] if change.is_tag else list(reversed(change.commits))
        base = f"{self.address.url}/{repository.full_name}/compare/"
        head = self.payload_commit(repository, change.tip, change.files[change.tip.sha]) if change.tip else None
        return {
            "ref": change.ref,
            "before": change.before,
            "after": change.after,
            "compare_url": "" if change.deleted else f"{base}{change.before}...{change.after}",
            "commits": [self.payload_commit(repository, one, change.files[one.sha]) for one in listed[:_MAX_COMMITS]],
            "total_commits": len(listed),
            "head_commit": head,
            "repository": self.repository(repository, push.owner),
            "pusher": self.user(push.pusher),
            "sender": self.user(push.pusher),
        }

    def test(self, push: Push, commit: Commit) -> Json:
        """What a test delivery says: the default branch went from its head to its head."""
        change = RefChange(f"refs/heads/{push.repository.default_branch}", commit.sha, commit.sha)
        told = self.payload_commit(push.repository, commit)
        return self.push(push, change) | {"commits": [told], "total_commits": 1, "head_commit": told}

    def _birth_or_end(self, push: Push, change: RefChange) -> Json:
        body: Json = {
            "ref": change.name,
            "ref_type": "tag" if change.is_tag else "branch",
            "repository": self.repository(push.repository, push.owner),
            "sender": self.user(push.pusher),
        }
        return body | ({"pusher_type": "user"} if change.after == ZEROS else {"sha": change.after})
