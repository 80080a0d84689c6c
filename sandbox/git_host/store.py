"""What the git host remembers."""

import hashlib
import json
import secrets
import sqlite3
import time
from collections.abc import Iterable, Mapping
from typing import Any

from sandbox.git_host.database import Database
from sandbox.git_host.records import (
    DeployKey,
    Hook,
    HookDelivery,
    Repository,
    Status,
    Token,
    User,
    UserKey,
    fingerprint,
    now,
)

_ARCHIVE_LINK_SECONDS = 300.0
_KEPT_DELIVERIES = 500


class KeyTaken(ValueError):
    """The SSH key already opens something; GitHub lets a key be used once."""


class Store(Database):
    """Users, tokens, repositories, keys, webhooks and statuses."""

    # People and tokens

    def create_user(self, login: str, *, name: str = "", email: str = "", organization: bool = False) -> User:
        """Make the user, or return the one who has this login."""
        self.run(
            "INSERT OR IGNORE INTO users (login, name, email, type) VALUES (?, ?, ?, ?)",
            (login, name or login, email or f"{login}@example.com", "Organization" if organization else "User"),
        )
        user = self.user(login)
        assert user
        return user

    def user(self, login: str) -> User | None:
        """The user with this login, case aside."""
        return self.one(User, "SELECT * FROM users WHERE login = ?", (login,))

    def create_token(
        self,
        login: str,
        *,
        scopes: Iterable[str] = ("repo",),
        permissions: Mapping[str, str] | None = None,
        token: str = "",
    ) -> str:
        """Give the user a token and return it.

        Args:
            login: the user, who must exist.
            scopes: what a classic token may do; without `repo` it can neither read private repositories nor write.
            permissions: makes a fine-grained token with these permissions (metadata, contents, webhooks,
                administration, statuses: read or write) in place of scopes.
            token: the text of the token, where the caller has chosen it.
        """
        user = self.user(login)
        if user is None:
            raise LookupError(f"no user {login}")
        prefix = "ghp_" if permissions is None else "github_pat_"
        token = token or prefix + secrets.token_hex(18)
        self.run(
            "INSERT OR REPLACE INTO tokens VALUES (?, ?, ?, ?)",
            (
                _digest(token),
                user.id,
                ",".join(scopes) if permissions is None else "",
                None if permissions is None else json.dumps(dict(permissions)),
            ),
        )
        return token

    def create_oauth_consumer(self, login: str) -> tuple[str, str]:
        """Make an OAuth consumer that acts as the user; returns its key and secret."""
        user = self.create_user(login)
        key, secret = secrets.token_hex(9), secrets.token_hex(16)
        self.run("INSERT INTO oauth_consumers VALUES (?, ?, ?)", (key, _digest(secret), user.id))
        return key, secret

    def oauth_user(self, key: str, secret: str) -> User | None:
        """For whom the consumer acts; None where there is none of this key and secret."""
        sql = "SELECT users.* FROM users JOIN oauth_consumers ON user_id = users.id WHERE key = ? AND digest = ?"
        return self.one(User, sql, (key, _digest(secret)))

    def revoke_token(self, token: str) -> None:
        """Make the token worthless."""
        self.run("DELETE FROM tokens WHERE digest = ?", (_digest(token),))

    def token(self, token: str) -> Token | None:
        """Whose token this is and what it may do."""
        row = self.row("SELECT * FROM tokens WHERE digest = ?", (_digest(token),))
        if row is None:
            return None
        user = self.one(User, "SELECT * FROM users WHERE id = ?", (row["user_id"],))
        assert user
        permissions = json.loads(row["permissions"]) if row["permissions"] else None
        return Token(user, frozenset(filter(None, row["scopes"].split(","))), permissions)

    # Repositories

    def create_repository(
        self,
        owner: str,
        name: str,
        *,
        private: bool = True,
        default_branch: str = "main",
        description: str = "",
        deploy_keys_enabled: bool = True,
    ) -> Repository:
        """Make the row of a repository.

        Raises:
            sqlite3.IntegrityError: the owner has one of this name.
        """
        moment = now()
        row = self.run(
            "INSERT INTO repositories (owner, name, private, default_branch, description, deploy_keys_enabled,"
            " created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (owner, name, private, default_branch, description, deploy_keys_enabled, moment, moment),
        )
        repository = self.one(Repository, "SELECT * FROM repositories WHERE id = ?", (row,))
        assert repository
        return repository

    def repository(self, owner: str, name: str) -> Repository | None:
        """The repository, case aside."""
        return self.one(Repository, "SELECT * FROM repositories WHERE owner = ? AND name = ?", (owner, name))

    def repository_by_id(self, repository_id: int) -> Repository | None:
        """The repository with this id."""
        return self.one(Repository, "SELECT * FROM repositories WHERE id = ?", (repository_id,))

    def repositories(self, user: User | None = None) -> list[Repository]:
        """Every repository, or those that the user owns or collaborates on, the last pushed first."""
        order = " ORDER BY COALESCE(pushed_at, created_at) DESC, id DESC"
        if user is None:
            return self.all(Repository, "SELECT * FROM repositories" + order)
        mine = (
            "SELECT * FROM repositories WHERE owner = ? OR id IN"
            " (SELECT repository_id FROM collaborators WHERE user_id = ?)"
        )
        return self.all(Repository, mine + order, (user.login, user.id))

    def update_repository(self, repository: Repository, **fields: Any) -> None:
        """Set columns of the repository."""
        self.update("repositories", repository.id, fields)

    def delete_repository(self, repository: Repository) -> None:
        """Delete the row and all that hangs on it."""
        self.run("DELETE FROM repositories WHERE id = ?", (repository.id,))

    def grant(self, repository: Repository, user: User, permission: str = "admin") -> None:
        """Let the user in: `admin`, `push` or `pull`."""
        self.run("INSERT OR REPLACE INTO collaborators VALUES (?, ?, ?)", (repository.id, user.id, permission))

    def permission(self, repository: Repository, user: User | None) -> str:
        """What the user may do with the repository: `admin`, `push`, `pull`, or nothing."""
        if user is not None:
            if user.login.casefold() == repository.owner.casefold():
                return "admin"
            row = self.row(
                "SELECT permission FROM collaborators WHERE repository_id = ? AND user_id = ?", (repository.id, user.id)
            )
            if row:
                return str(row["permission"])
        return "" if repository.private else "pull"

    # SSH keys

    def add_deploy_key(
        self, repository: Repository, *, title: str, key: str, read_only: bool, added_by: str
    ) -> DeployKey:
        """Add the key to the repository.

        Raises:
            KeyTaken: the key is in use, here or anywhere.
            ValueError: it is no OpenSSH public key.
        """
        mark = self._free_fingerprint(key)
        row = self.run(
            "INSERT INTO deploy_keys (repository_id, title, key, fingerprint, read_only, added_by, created_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (repository.id, title, _without_comment(key), mark, read_only, added_by, now()),
        )
        added = self.one(DeployKey, "SELECT * FROM deploy_keys WHERE id = ?", (row,))
        assert added
        return added

    def deploy_keys(self, repository: Repository) -> list[DeployKey]:
        """The repository's deploy keys, oldest first."""
        return self.all(DeployKey, "SELECT * FROM deploy_keys WHERE repository_id = ? ORDER BY id", (repository.id,))

    def deploy_key(self, mark: str) -> tuple[DeployKey, Repository] | None:
        """The deploy key with this fingerprint and what it opens; noted as used now."""
        key = self.one(DeployKey, "SELECT * FROM deploy_keys WHERE fingerprint = ?", (mark,))
        if key is None:
            return None
        self.update("deploy_keys", key.id, {"last_used": now()})
        repository = self.one(Repository, "SELECT * FROM repositories WHERE id = ?", (key.repository_id,))
        assert repository
        return key, repository

    def delete_deploy_key(self, key: DeployKey) -> None:
        """Remove the deploy key."""
        self.run("DELETE FROM deploy_keys WHERE id = ?", (key.id,))

    def add_user_key(self, user: User, *, title: str, key: str) -> UserKey:
        """Add a person's SSH key. Raises as `add_deploy_key` does."""
        mark = self._free_fingerprint(key)
        row = self.run(
            "INSERT INTO user_keys (user_id, title, key, fingerprint, created_at) VALUES (?, ?, ?, ?, ?)",
            (user.id, title, _without_comment(key), mark, now()),
        )
        added = self.one(UserKey, "SELECT * FROM user_keys WHERE id = ?", (row,))
        assert added
        return added

    def user_keys(self, user: User) -> list[UserKey]:
        """The person's SSH keys, oldest first."""
        return self.all(UserKey, "SELECT * FROM user_keys WHERE user_id = ? ORDER BY id", (user.id,))

    def user_of_key(self, mark: str) -> User | None:
        """Whose key has this fingerprint."""
        return self.one(
            User, "SELECT users.* FROM users JOIN user_keys ON user_id = users.id WHERE fingerprint = ?", (mark,)
        )

    def delete_user_key(self, key: UserKey) -> None:
        """Remove the person's key."""
        self.run("DELETE FROM user_keys WHERE id = ?", (key.id,))

    # Webhooks and their deliveries

    def add_hook(self, repository: Repository, **fields: Any) -> Hook:
        """Add a webhook; the fields are those of `Hook`."""
        moment = now()
        values = fields | {"repository_id": repository.id, "created_at": moment, "updated_at": moment}
        hook = self.one(Hook, "SELECT * FROM hooks WHERE id = ?", (self.insert("hooks", values),))
        assert hook
        return hook

    def hooks(self, repository: Repository) -> list[Hook]:
        """The repository's webhooks, oldest first."""
        return self.all(Hook, "SELECT * FROM hooks WHERE repository_id = ? ORDER BY id", (repository.id,))

    def hook(self, repository: Repository, hook_id: int) -> Hook | None:
        """One webhook of the repository."""
        return self.one(Hook, "SELECT * FROM hooks WHERE repository_id = ? AND id = ?", (repository.id, hook_id))

    def update_hook(self, hook: Hook, **fields: Any) -> None:
        """Set fields of the webhook."""
        self.update("hooks", hook.id, fields)

    def delete_hook(self, hook: Hook) -> None:
        """Remove the webhook and its deliveries."""
        self.run("DELETE FROM hooks WHERE id = ?", (hook.id,))

    def add_hook_delivery(self, hook: Hook, **fields: Any) -> None:
        """Record a delivery, which may come after its webhook is gone; the oldest past 500 are forgotten."""
        try:
            self.insert("hook_deliveries", fields | {"hook_id": hook.id})
        except sqlite3.IntegrityError:
            return
        self.run(
            "DELETE FROM hook_deliveries WHERE hook_id = ? AND id NOT IN"
            " (SELECT id FROM hook_deliveries WHERE hook_id = ? ORDER BY id DESC LIMIT ?)",
            (hook.id, hook.id, _KEPT_DELIVERIES),
        )

    def hook_deliveries(self, hook: Hook, *, before: int | None = None, limit: int = 30) -> list[HookDelivery]:
        """Deliveries of the webhook, newest first, below an id."""
        return self.all(
            HookDelivery,
            "SELECT * FROM hook_deliveries WHERE hook_id = ? AND id < ? ORDER BY id DESC LIMIT ?",
            (hook.id, before or 2**62, limit),
        )

    def hook_delivery(self, hook: Hook, delivery_id: int) -> HookDelivery | None:
        """One delivery of the webhook."""
        return self.one(
            HookDelivery, "SELECT * FROM hook_deliveries WHERE hook_id = ? AND id = ?", (hook.id, delivery_id)
        )

    # Commit statuses and links to archives

    def add_status(self, repository: Repository, **fields: Any) -> Status:
        """Add a commit status; the fields are those of `Status`."""
        row = self.insert("statuses", fields | {"repository_id": repository.id, "created_at": now()})
        status = self.one(Status, "SELECT * FROM statuses WHERE id = ?", (row,))
        assert status
        return status

    def statuses(self, repository: Repository, sha: str) -> list[Status]:
        """The commit's statuses, newest first."""
        return self.all(
            Status,
            "SELECT * FROM statuses WHERE repository_id = ? AND sha = ? ORDER BY id DESC",
            (repository.id, sha),
        )

    def make_archive_link(self, repository: Repository) -> str:
        """A token that opens the repository's archives for five minutes, as GitHub's redirects do."""
        token = secrets.token_urlsafe(24)
        self.run("DELETE FROM archive_links WHERE expires_at < ?", (time.time(),))
        self.run(
            "INSERT INTO archive_links VALUES (?, ?, ?)",
            (_digest(token), repository.id, time.time() + _ARCHIVE_LINK_SECONDS),
        )
        return token

    def archive_link_opens(self, token: str, repository: Repository) -> bool:
        """Whether the token opens this repository's archives now."""
        found = self.row(
            "SELECT 1 FROM archive_links WHERE token = ? AND repository_id = ? AND expires_at > ?",
            (_digest(token), repository.id, time.time()),
        )
        return found is not None

    def _free_fingerprint(self, key: str) -> str:
        mark = fingerprint(key)
        taken = self.row(
            "SELECT 1 FROM deploy_keys WHERE fingerprint = ? UNION SELECT 1 FROM user_keys WHERE fingerprint = ?",
            (mark, mark),
        )
        if taken:
            raise KeyTaken("key is already in use")
        return mark


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _without_comment(key: str) -> str:
    return " ".join(key.split()[:2])
