"""Records as Bitbucket Data Center's REST API and its webhooks write them; only the fields that a client could want.

https://developer.atlassian.com/server/bitbucket/rest/
https://confluence.atlassian.com/bitbucketserver/event-payload-938025882.html
"""

from dataclasses import dataclass
from datetime import datetime

from sandbox.git_host.address import Address
from sandbox.git_host.git import Commit
from sandbox.git_host.pushes import Push, RefChange
from sandbox.git_host.records import DeployKey, Hook, Json, Repository, User, now


def _milliseconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class Shapes:
    """Makes JSON with this host's own addresses."""

    address: Address

    def user(self, user: User) -> Json:
        """A person."""
        return {
            "name": user.login,
            "slug": user.login,
            "id": user.id,
            "displayName": user.name,
            "emailAddress": user.email,
            "active": True,
            "type": "NORMAL",
        }

    def project(self, owner: str, *, public: bool) -> Json:
        """A project, or the place of a person's own repositories (`~ada`)."""
        if owner.startswith("~"):
            person = {"name": owner[1:], "slug": owner[1:], "displayName": owner[1:], "type": "NORMAL", "active": True}
            return {"key": owner, "id": 1, "name": owner[1:], "type": "PERSONAL", "owner": person}
        return {"key": owner, "id": 1, "name": owner, "public": public, "type": "NORMAL"}

    def repository(self, repository: Repository) -> Json:
        """A repository."""
        full_name = repository.full_name
        return {
            "slug": repository.name,
            "id": repository.id,
            "name": repository.name,
            "description": repository.description,
            "scmId": "git",
            "state": "AVAILABLE",
            "statusMessage": "Available",
            "forkable": True,
            "archived": False,
            "public": not repository.private,
            "project": self.project(repository.owner, public=not repository.private),
            "links": {
                "self": [{"href": f"{self.address.url}/projects/{repository.owner}/repos/{repository.name}/browse"}],
                "clone": [
                    {"name": "http", "href": self.address.clone_url(full_name, under="/scm")},
                    {"name": "ssh", "href": self.address.ssh_url(full_name)},
                ],
            },
        }

    def ref(self, ref: str, sha: str, *, default: bool = False) -> Json:
        """A branch or a tag; `sha` is the commit that it stands for."""
        is_tag = ref.startswith("refs/tags/")
        body: Json = {
            "id": ref,
            "displayId": short(ref),
            "type": "TAG" if is_tag else "BRANCH",
            "latestCommit": sha,
            "latestChangeset": sha,
        }
        return body | ({"hash": sha} if is_tag else {"isDefault": default})

    def commit(self, commit: Commit) -> Json:
        """A commit."""
        return {
            "id": commit.sha,
            "displayId": commit.sha[:11],
            "author": {"name": commit.author, "emailAddress": commit.author_email},
            "authorTimestamp": _milliseconds(commit.authored_at),
            "committer": {"name": commit.committer, "emailAddress": commit.committer_email},
            "committerTimestamp": _milliseconds(commit.committed_at),
            "message": commit.message,
            "parents": [{"id": sha, "displayId": sha[:11]} for sha in commit.parents],
        }

    def path(self, path: str) -> Json:
        """A path in the repository."""
        parent, _, name = path.rpartition("/")
        stem, dot, extension = name.rpartition(".")
        body: Json = {"components": path.split("/"), "parent": parent, "name": name, "toString": path}
        return body | ({"extension": extension} if dot and stem else {})

    def hook(self, hook: Hook) -> Json:
        """A webhook; unlike elsewhere, its secret is shown to whoever may change it."""
        return {
            "id": hook.id,
            "name": hook.options.get("name", ""),
            "url": hook.url,
            "active": hook.active,
            "events": hook.events,
            "configuration": {"secret": hook.secret} if hook.secret else {},
            "scopeType": "repository",
            "sslVerificationRequired": not hook.insecure_ssl,
            "createdDate": _milliseconds(hook.created_at),
            "updatedDate": _milliseconds(hook.updated_at),
        }

    def access_key(self, repository: Repository, key: DeployKey) -> Json:
        """An access key of a repository."""
        return {
            "key": {"id": key.id, "text": key.key, "label": key.title, "fingerprint": key.fingerprint},
            "repository": self.repository(repository),
            "permission": "REPO_READ" if key.read_only else "REPO_WRITE",
        }

    def push(self, push: Push) -> Json:
        """What a webhook gets for a push: all its refs at once, and the commits of the first that still is."""
        told = next((change for change in push.changes if change.tip), None)
        body: Json = {
            "eventKey": "repo:refs_changed",
            "date": now().replace("Z", "+0000"),
            "actor": self.user(push.pusher),
            "repository": self.repository(push.repository),
            "changes": [self._change(change) for change in push.changes],
        }
        if told and told.tip:
            body["commits"] = [self.commit(one) for one in reversed(told.commits)]
            body["toCommit"] = self.commit(told.tip)
        return body

    def _change(self, change: RefChange) -> Json:
        kind = "ADD" if change.created else "DELETE" if change.deleted else "UPDATE"
        return {
            "ref": {"id": change.ref, "displayId": change.name, "type": "TAG" if change.is_tag else "BRANCH"},
            "refId": change.ref,
            "fromHash": change.before,
            "toHash": change.after,
            "type": kind,
        }


def short(ref: str) -> str:
    """The short name of a ref."""
    return ref.removeprefix("refs/heads/").removeprefix("refs/tags/")
