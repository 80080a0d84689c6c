"""Records as GitLab's REST API (v4) and its webhooks write them; only the fields that a client could want.

https://docs.gitlab.com/api/projects/, https://docs.gitlab.com/user/project/integrations/webhook_events/
"""

import uuid
from dataclasses import dataclass

from sandbox.git_host.address import Address
from sandbox.git_host.git import Changes, Commit
from sandbox.git_host.pushes import Push, RefChange
from sandbox.git_host.records import DeployKey, Hook, HookDelivery, Json, Repository, Status, User

VERSION = "19.2.0"  # the GitLab that this host passes for
_MAX_COMMITS = 20  # that a push event lists
_WEBHOOK_SPACE = uuid.UUID("2f7a3c1e-6f0f-4b54-9a3d-0d5d0b3c7a11")
_PRIVATE, _PUBLIC = 0, 20


@dataclass(frozen=True, slots=True)
class Shapes:
    """Makes JSON with this host's own addresses."""

    address: Address

    def user(self, user: User) -> Json:
        """A user."""
        return {
            "id": user.id,
            "username": user.login,
            "name": user.name,
            "state": "active",
            "avatar_url": None,
            "web_url": f"{self.address.url}/{user.login}",
        }

    def project(self, repository: Repository, permission: str = "") -> Json:
        """A project; `permission` is the caller's: admin, push, pull or nothing."""
        level = {"admin": 40, "push": 30, "pull": 20}.get(permission)
        full_name = repository.full_name
        return {
            "id": repository.id,
            "name": repository.name,
            "name_with_namespace": " / ".join(full_name.split("/")),
            "path": repository.name,
            "path_with_namespace": full_name,
            "description": repository.description or None,
            "visibility": "private" if repository.private else "public",
            # Null in an empty repository, which has none yet.
            "default_branch": repository.default_branch if repository.pushed_at else None,
            "empty_repo": repository.pushed_at is None,
            "archived": False,
            "created_at": repository.created_at,
            "last_activity_at": repository.updated_at,
            "web_url": f"{self.address.url}/{full_name}",
            "ssh_url_to_repo": self.address.ssh_url(full_name),
            "http_url_to_repo": self.address.clone_url(full_name),
            "namespace": {
                "path": repository.owner.rpartition("/")[2],
                "full_path": repository.owner,
                "kind": "group",
            },
            "permissions": {
                "project_access": None if level is None else {"access_level": level, "notification_level": 3},
                "group_access": None,
            },
        }

    def commit(self, repository: Repository, commit: Commit) -> Json:
        """A commit of the REST API."""
        return {
            "id": commit.sha,
            "short_id": commit.sha[:8],
            "title": commit.message.partition("\n")[0],
            "message": commit.message,
            "parent_ids": list(commit.parents),
            "author_name": commit.author,
            "author_email": commit.author_email,
            "authored_date": commit.authored_at,
            "committer_name": commit.committer,
            "committer_email": commit.committer_email,
            "committed_date": commit.committed_at,
            "created_at": commit.committed_at,
            "web_url": f"{self.address.url}/{repository.full_name}/-/commit/{commit.sha}",
        }

    def branch(self, repository: Repository, name: str, commit: Commit) -> Json:
        """A branch."""
        return {
            "name": name,
            "commit": self.commit(repository, commit),
            "default": name == repository.default_branch,
            "protected": name == repository.default_branch,
            "merged": False,
            "web_url": f"{self.address.url}/{repository.full_name}/-/tree/{name}",
        }

    def tag(self, repository: Repository, name: str, commit: Commit, target: str) -> Json:
        """A tag; `target` is the object that it points to, a tag object if it is annotated."""
        return {
            "name": name,
            "message": "",
            "target": target,
            "commit": self.commit(repository, commit),
            "release": None,
            "protected": False,
        }

    def deploy_key(self, key: DeployKey) -> Json:
        """A deploy key."""
        return {
            "id": key.id,
            "title": key.title,
            "key": key.key,
            "fingerprint_sha256": key.fingerprint,
            "created_at": key.created_at,
            "expires_at": None,
            "can_push": not key.read_only,
        }

    def hook(self, hook: Hook) -> Json:
        """A webhook; of its secrets it only says that they are there."""
        return {
            "id": hook.id,
            "url": hook.url,
            "name": hook.options.get("name"),
            "description": hook.options.get("description"),
            "project_id": hook.repository_id,
            "push_events": "push_events" in hook.events,
            "tag_push_events": "tag_push_events" in hook.events,
            "merge_requests_events": False,
            "push_events_branch_filter": hook.options.get("push_events_branch_filter", ""),
            "branch_filter_strategy": hook.options.get("branch_filter_strategy", "wildcard"),
            "enable_ssl_verification": not hook.insecure_ssl,
            "alert_status": "executable",
            "disabled_until": None,
            "created_at": hook.created_at,
            "token_present": bool(hook.secret),
            "signing_token_present": bool(hook.options.get("signing_token")),
        }

    def hook_event(self, delivery: HookDelivery) -> Json:
        """One request made to a webhook."""
        hidden = {"X-Gitlab-Token": "[REDACTED]"}
        headers = {name: hidden.get(name, value) for name, value in delivery.request_headers.items()}
        return {
            "id": delivery.id,
            "url": delivery.url,
            "trigger": {"Push Hook": "push_hooks", "Tag Push Hook": "tag_push_hooks"}.get(delivery.event),
            "request_headers": headers,
            "request_data": delivery.request_payload,
            "response_headers": delivery.response_headers,
            "response_body": delivery.response_body,
            "execution_duration": delivery.duration,
            "response_status": str(delivery.status_code) if delivery.status_code else "internal error",
        }

    def status(self, status: Status) -> Json:
        """A commit status."""
        return {
            "id": status.id,
            "sha": status.sha,
            "ref": None,
            "status": status.state,
            "name": status.context,
            "target_url": status.target_url,
            "description": status.description,
            "created_at": status.created_at,
            "author": {"username": status.creator},
        }

    def push(self, push: Push, change: RefChange) -> Json:
        """What a webhook gets for one ref."""
        repository, kind = push.repository, "tag_push" if change.is_tag else "push"
        listed = change.commits[-_MAX_COMMITS:]
        if change.is_tag and change.tip:
            listed = [change.tip]
        return {
            "object_kind": kind,
            "event_name": kind,
            "before": change.before,
            "after": change.after,
            "ref": change.ref,
            "ref_protected": change.name == repository.default_branch,
            "checkout_sha": change.tip.sha if change.tip else None,
            "message": change.tag_message,
            "user_id": push.pusher.id,
            "user_name": push.pusher.name,
            "user_username": push.pusher.login,
            "user_email": None,
            "user_avatar": None,
            "project_id": repository.id,
            "project": self._pushed_project(repository),
            "commits": [self._pushed_commit(repository, one, change.files[one.sha]) for one in listed],
            "total_commits_count": max(len(change.commits), len(listed)),
            "push_options": {},
            "repository": {
                "name": repository.name,
                "url": self.address.ssh_url(repository.full_name),
                "description": repository.description,
                "homepage": f"{self.address.url}/{repository.full_name}",
                "git_http_url": self.address.clone_url(repository.full_name),
                "git_ssh_url": self.address.ssh_url(repository.full_name),
                "visibility_level": _PRIVATE if repository.private else _PUBLIC,
            },
        }

    def _pushed_project(self, repository: Repository) -> Json:
        full_name = repository.full_name
        web, ssh = f"{self.address.url}/{full_name}", self.address.ssh_url(full_name)
        http = self.address.clone_url(full_name)
        return {
            "id": repository.id,
            "name": repository.name,
            "description": repository.description,
            "web_url": web,
            "avatar_url": None,
            "git_ssh_url": ssh,
            "git_http_url": http,
            "namespace": repository.owner.rpartition("/")[2],
            "visibility_level": _PRIVATE if repository.private else _PUBLIC,
            "path_with_namespace": full_name,
            "default_branch": repository.default_branch,
            "ci_config_path": None,
            "homepage": web,
            "url": ssh,
            "ssh_url": ssh,
            "http_url": http,
        }

    def _pushed_commit(self, repository: Repository, commit: Commit, changes: Changes) -> Json:
        return {
            "id": commit.sha,
            "message": commit.message,
            "title": commit.message.partition("\n")[0],
            "timestamp": commit.committed_at,
            "url": f"{self.address.url}/{repository.full_name}/-/commit/{commit.sha}",
            "author": {"name": commit.author, "email": "[REDACTED]"},
            "added": changes.added,
            "modified": changes.modified,
            "removed": changes.removed,
        }


def webhook_uuid(hook: Hook) -> str:
    """What X-Gitlab-Webhook-UUID says."""
    return str(uuid.uuid5(_WEBHOOK_SPACE, str(hook.id)))
