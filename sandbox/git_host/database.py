"""The SQLite file under the git host's memory: its tables, and rows to records and back."""

import json
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from sandbox.git_host.records import DeployKey, Hook, HookDelivery, Json, Repository, Status, User, UserKey

Record = TypeVar("Record", User, Repository, DeployKey, UserKey, Hook, HookDelivery, Status)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    id INTEGER PRIMARY KEY AUTOINCREMENT, login TEXT UNIQUE COLLATE NOCASE, name TEXT, email TEXT, type TEXT);
CREATE TABLE IF NOT EXISTS tokens (
    digest TEXT PRIMARY KEY, user_id INTEGER REFERENCES users, scopes TEXT, permissions TEXT);
CREATE TABLE IF NOT EXISTS repositories (
    id INTEGER PRIMARY KEY AUTOINCREMENT, owner TEXT COLLATE NOCASE, name TEXT COLLATE NOCASE, private INTEGER,
    default_branch TEXT, description TEXT, deploy_keys_enabled INTEGER, created_at TEXT, updated_at TEXT,
    pushed_at TEXT, UNIQUE (owner, name));
CREATE TABLE IF NOT EXISTS collaborators (
    repository_id INTEGER REFERENCES repositories ON DELETE CASCADE, user_id INTEGER REFERENCES users,
    permission TEXT, PRIMARY KEY (repository_id, user_id));
CREATE TABLE IF NOT EXISTS deploy_keys (
    id INTEGER PRIMARY KEY AUTOINCREMENT, repository_id INTEGER REFERENCES repositories ON DELETE CASCADE,
    title TEXT, key TEXT, fingerprint TEXT UNIQUE, read_only INTEGER, added_by TEXT, created_at TEXT, last_used TEXT);
CREATE TABLE IF NOT EXISTS user_keys (
    id INTEGER PRIMARY KEY AUTOINCREMENT, user_id INTEGER REFERENCES users, title TEXT, key TEXT,
    fingerprint TEXT UNIQUE, created_at TEXT);
CREATE TABLE IF NOT EXISTS hooks (
    id INTEGER PRIMARY KEY AUTOINCREMENT, repository_id INTEGER REFERENCES repositories ON DELETE CASCADE,
    active INTEGER, events TEXT, url TEXT, content_type TEXT, insecure_ssl INTEGER, secret TEXT, created_at TEXT,
    updated_at TEXT, last_response TEXT, dialect TEXT NOT NULL DEFAULT 'github', options TEXT NOT NULL DEFAULT '{}');
CREATE TABLE IF NOT EXISTS hook_deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT, hook_id INTEGER REFERENCES hooks ON DELETE CASCADE, event TEXT,
    redelivery INTEGER, delivered_at TEXT, duration REAL, status TEXT, status_code INTEGER, request_headers TEXT,
    request_payload TEXT, response_headers TEXT, response_body TEXT, url TEXT);
CREATE INDEX IF NOT EXISTS hook_deliveries_by_hook ON hook_deliveries (hook_id, id);
CREATE TABLE IF NOT EXISTS statuses (
    id INTEGER PRIMARY KEY AUTOINCREMENT, repository_id INTEGER REFERENCES repositories ON DELETE CASCADE, sha TEXT,
    state TEXT, context TEXT, target_url TEXT, description TEXT, creator TEXT, created_at TEXT);
CREATE TABLE IF NOT EXISTS archive_links (
    token TEXT PRIMARY KEY, repository_id INTEGER REFERENCES repositories ON DELETE CASCADE, expires_at REAL);
CREATE TABLE IF NOT EXISTS faults (
    id INTEGER PRIMARY KEY AUTOINCREMENT, status INTEGER, method TEXT, path TEXT, retry_after INTEGER);
CREATE TABLE IF NOT EXISTS oauth_consumers (key TEXT PRIMARY KEY, digest TEXT, user_id INTEGER REFERENCES users);
"""
_ADDED_COLUMNS = (
    ("hooks", "dialect", "TEXT NOT NULL DEFAULT 'github'"),
    ("hooks", "options", "TEXT NOT NULL DEFAULT '{}'"),
)
_JSON_COLUMNS = {"events", "last_response", "options", "request_headers", "request_payload", "response_headers"}
_BOOLEAN_COLUMNS = {"private", "deploy_keys_enabled", "read_only", "active", "insecure_ssl", "redelivery"}


class Database:
    """The file. Threads may share one; other processes may open it at the same time; a call is one transaction."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, timeout=10, check_same_thread=False, isolation_level=None)
        path.chmod(0o600)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.executescript(_SCHEMA)
        for table, column, definition in _ADDED_COLUMNS:
            self._add_column(table, column, definition)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _add_column(self, table: str, column: str, definition: str) -> None:
        """Bring the file of an older version up to date."""
        known = {row["name"] for row in self._db.execute(f"PRAGMA table_info({table})")}
        if column not in known:
            self._db.execute(f"ALTER TABLE {table} ADD COLUMN {column} {definition}")

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run a statement; returns the id of an inserted row."""
        with self._lock:
            return self._db.execute(sql, values).lastrowid or 0

    def insert(self, table: str, fields: Mapping[str, Any]) -> int:
        """Insert a row and return its id."""
        marks = ", ".join("?" * len(fields))
        return self.run(f"INSERT INTO {table} ({', '.join(fields)}) VALUES ({marks})", _encode(fields))

    def update(self, table: str, row: int, fields: Mapping[str, Any]) -> None:
        """Set columns of one row."""
        settings = ", ".join(f"{name} = ?" for name in fields)
        self.run(f"UPDATE {table} SET {settings} WHERE id = ?", [*_encode(fields), row])

    def row(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Row | None:
        """The first row, as it is."""
        with self._lock:
            row: sqlite3.Row | None = self._db.execute(sql, values).fetchone()
            return row

    def one(self, record: type[Record], sql: str, values: Sequence[Any] = ()) -> Record | None:
        """The first row as a record."""
        row = self.row(sql, values)
        return None if row is None else record(**_decode(row))

    def all(self, record: type[Record], sql: str, values: Sequence[Any] = ()) -> list[Record]:
        """Every row as a record."""
        with self._lock:
            return [record(**_decode(row)) for row in self._db.execute(sql, values)]


def _encode(fields: Mapping[str, Any]) -> list[Any]:
    return [json.dumps(value) if name in _JSON_COLUMNS else value for name, value in fields.items()]


def _decode(row: sqlite3.Row) -> Json:
    values: Json = dict(row)
    for name in values.keys() & _JSON_COLUMNS:
        values[name] = json.loads(values[name])
    for name in values.keys() & _BOOLEAN_COLUMNS:
        values[name] = bool(values[name])
    return values
