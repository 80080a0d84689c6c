"""Records as GitHub's REST API (2022-11-28) and its webhooks write them; only the fields that a client could want."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from sandbox.git_host.address import Address
from sandbox.git_host.git import Changes, Commit
from sandbox.git_host.records import DeployKey, Hook, HookDelivery, Json, Repository, Status, User, UserKey

VERSION = "3.18.0"  # the GitHub Enterprise Server that this host passes for
HIDDEN = "********"


@dataclass(frozen=True, slots=True)
class Shapes:
    """Makes JSON with this host's own addresses."""

    address: Address

    @property
    def url(self) -> str:
        """The host's address."""
        return self.address.url

    @property
    def api(self) -> str:
        """The address of the REST API."""
        return f"{self.url}/api/v3"

    def repository_url(self, repository: Repository) -> str:
        """The API's address of a repository."""
        return f"{self.api}/repos/{repository.full_name}"

    def user(self, user: User) -> Json:
        """A user, as part of something else."""
        return {
            "login": user.login,
            "id": user.id,
            "url": f"{self.api}/users/{user.login}",
            "html_url": f"{self.url}/{user.login}",
            "avatar_url": f"{self.url}/avatars/u/{user.id}",
            "type": user.type,
            "site_admin": False,
        }

    def private_user(self, user: User) -> Json:
        """The user who asks."""
        return self.user(user) | {"name": user.name, "email": user.email}

    def repository(self, repository: Repository, owner: User | None, permission: str = "") -> Json:
        """A repository; `permission` is the caller's: admin, push, pull or nothing."""
        html = f"{self.url}/{repository.full_name}"
        api = self.repository_url(repository)
        body: Json = {
            "id": repository.id,
            "name": repository.name,
            "full_name": repository.full_name,
            "private": repository.private,
            "visibility": "private" if repository.private else "public",
            "owner": self.user(owner or User(0, repository.owner, repository.owner, "", "User")),
            "html_url": html,
            "description": repository.description or None,
            "fork": False,
            "url": api,
            "hooks_url": f"{api}/hooks",
            "keys_url": f"{api}/keys{{/key_id}}",
            "statuses_url": f"{api}/statuses/{{sha}}",
            "archive_url": f"{api}/{{archive_format}}{{/ref}}",
            "clone_url": f"{html}.git",
            "ssh_url": self.address.ssh_url(repository.full_name),
            "default_branch": repository.default_branch,
            "archived": False,
            "disabled": False,
            "created_at": repository.created_at,
            "updated_at": repository.updated_at,
            "pushed_at": repository.pushed_at,
        }
        if permission:
            body["permissions"] = {
                "admin": permission == "admin",
                "push": permission in {"admin", "push"},
                "pull": True,
            }
        return body

    def ref(self, repository: Repository, ref: str, sha: str, kind: str) -> Json:
        """A git reference."""
        api = self.repository_url(repository)
        plural = {"commit": "commits", "tag": "tags"}.get(kind, f"{kind}s")
        return {
            "ref": ref,
            "url": f"{api}/git/{quote(ref)}",
            "object": {"type": kind, "sha": sha, "url": f"{api}/git/{plural}/{sha}"},
        }

    def branch(self, repository: Repository, name: str, sha: str) -> Json:
        """A branch in a list."""
        return {
            "name": name,
            "commit": {"sha": sha, "url": f"{self.repository_url(repository)}/commits/{sha}"},
            "protected": False,
        }

    def tag(self, repository: Repository, name: str, sha: str) -> Json:
        """A tag in a list."""
        api = self.repository_url(repository)
        return {
            "name": name,
            "commit": {"sha": sha, "url": f"{api}/commits/{sha}"},
            "zipball_url": f"{api}/zipball/refs/tags/{quote(name)}",
            "tarball_url": f"{api}/tarball/refs/tags/{quote(name)}",
        }

    def commit(self, repository: Repository, commit: Commit) -> Json:
        """A commit of the REST API."""
        api = self.repository_url(repository)
        return {
            "sha": commit.sha,
            "url": f"{api}/commits/{commit.sha}",
            "html_url": f"{self.url}/{repository.full_name}/commit/{commit.sha}",
            "commit": {
                "author": {"name": commit.author, "email": commit.author_email, "date": commit.authored_at},
                "committer": {
                    "name": commit.committer,
                    "email": commit.committer_email,
                    "date": commit.committed_at,
                },
                "message": commit.message,
                "tree": {"sha": commit.tree, "url": f"{api}/git/trees/{commit.tree}"},
            },
            "author": None,
            "committer": None,
            "parents": [{"sha": sha, "url": f"{api}/commits/{sha}"} for sha in commit.parents],
        }

    def pushed_commit(self, repository: Repository, commit: Commit, changes: Changes, *, distinct: bool) -> Json:
        """A commit in a push event."""
        return {
            "id": commit.sha,
            "tree_id": commit.tree,
            "distinct": distinct,
            "message": commit.message,
            "timestamp": commit.committed_at,
            "url": f"{self.url}/{repository.full_name}/commit/{commit.sha}",
            "author": {"name": commit.author, "email": commit.author_email},
            "committer": {"name": commit.committer, "email": commit.committer_email},
            "added": changes.added,
            "removed": changes.removed,
            "modified": changes.modified,
        }

    def deploy_key(self, repository: Repository, key: DeployKey) -> Json:
        """A deploy key."""
        return {
            "id": key.id,
            "key": key.key,
            "url": f"{self.repository_url(repository)}/keys/{key.id}",
            "title": key.title,
            "verified": True,
            "created_at": key.created_at,
            "read_only": key.read_only,
            "added_by": key.added_by,
            "last_used": key.last_used,
            "enabled": repository.deploy_keys_enabled,
        }

    def user_key(self, key: UserKey) -> Json:
        """A person's SSH key."""
        return {
            "id": key.id,
            "key": key.key,
            "url": f"{self.api}/user/keys/{key.id}",
            "title": key.title,
            "verified": True,
            "created_at": key.created_at,
            "read_only": False,
        }

    def hook(self, repository: Repository, hook: Hook) -> Json:
        """A webhook; its secret is never shown."""
        url = f"{self.repository_url(repository)}/hooks/{hook.id}"
        return {
            "type": "Repository",
            "id": hook.id,
            "name": "web",
            "active": hook.active,
            "events": hook.events,
            "config": self.hook_config(hook),
            "updated_at": hook.updated_at,
            "created_at": hook.created_at,
            "url": url,
            "test_url": f"{url}/test",
            "ping_url": f"{url}/pings",
            "deliveries_url": f"{url}/deliveries",
            "last_response": hook.last_response,
        }

    def hook_config(self, hook: Hook) -> Json:
        """Where a webhook sends and how."""
        config: Json = {
            "content_type": hook.content_type,
            "insecure_ssl": "1" if hook.insecure_ssl else "0",
            "url": hook.url,
        }
        return config | ({"secret": HIDDEN} if hook.secret else {})

    def hook_delivery(self, repository: Repository, delivery: HookDelivery, *, full: bool = False) -> Json:
        """A delivery, in a list or `full` with what was sent and answered."""
        body: Json = {
            "id": delivery.id,
            "guid": delivery.guid,
            "delivered_at": delivery.delivered_at,
            "redelivery": delivery.redelivery,
            "duration": round(delivery.duration, 3),
            "status": delivery.status,
            "status_code": delivery.status_code,
            "event": delivery.event,
            "action": None,
            "installation_id": None,
            "repository_id": repository.id,
            "throttled_at": None,
        }
        if full:
            body |= {
                "url": delivery.url,
                "request": {"headers": delivery.request_headers, "payload": delivery.request_payload},
                "response": {"headers": delivery.response_headers, "payload": delivery.response_body},
            }
        return body

    def status(self, repository: Repository, status: Status, creator: User | None) -> Json:
        """A commit status."""
        return {
            "id": status.id,
            "url": f"{self.repository_url(repository)}/statuses/{status.sha}",
            "state": status.state,
            "description": status.description,
            "target_url": status.target_url,
            "context": status.context,
            "created_at": status.created_at,
            "updated_at": status.created_at,
            "creator": self.user(creator) if creator else None,
        }

    def combined_status(self, repository: Repository, sha: str, statuses: Sequence[Status]) -> Json:
        """The newest status of each context, and the worst of them."""
        newest: dict[str, Status] = {}
        for status in statuses:
            newest.setdefault(status.context, status)
        states = {status.state for status in newest.values()}
        state = "failure" if states & {"error", "failure"} else "pending" if states != {"success"} else "success"
        body: list[dict[str, Any]] = [self.status(repository, status, None) for status in newest.values()]
        return {"state": state, "sha": sha, "total_count": len(body), "statuses": body}
