"""All of Sluice running on the sandbox, and a person who uses it: over the REST API, git and plain HTTP."""

import hashlib
import hmac
import json
import os
import secrets
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import requests

from sandbox import connecting
from sandbox.aws import ACCOUNT_ID
from sandbox.supervisor import Sandbox

T = TypeVar("T")
FINISHED = {"succeeded", "failed", "cancelled"}
UNFINISHED = {"received", "queued", "fetching", "retrying"}


def until(look: Callable[[], T], what: str, *, seconds: float = 120) -> T:
    """What `look` returns once it is something; fails the test if that does not happen in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.2)
    raise AssertionError(f"{what}: not within {seconds} s")


@dataclass(frozen=True, slots=True)
class Clone:
    """A person's clone of a repository."""

    path: Path
    environment: Mapping[str, str]

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.path, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, message: str, **files: str) -> str:
        """Commit `files` (name to content); returns the commit."""
        for name, content in (files or {"README.md": message}).items():
            (self.path / name).write_text(content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def push(self, *refspecs: str) -> None:
        self.git("push", "--quiet", "origin", *(refspecs or ("HEAD:refs/heads/main",)))


class World:
    """The running sandbox. Names are fresh, so that tests do not meet each other."""

    def __init__(self, sandbox: Sandbox, env: Mapping[str, Any], root: Path) -> None:
        self.sandbox, self.env, self._root = sandbox, env, root
        known = json.loads(Path(env["secrets_file"]).read_text())
        self.admin_password = known["admin_password"]
        self.git_token = known["git_token"]
        self.token = known["api_token"]
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {self.token}"
        self._provider: dict[str, Any] = {}
        self._account: dict[str, Any] = {}

    # The panel

    def call(self, method: str, path: str, body: Any = None) -> requests.Response:
        return self._session.request(method, f"{self.env['api_url']}{path}", json=body, timeout=60)

    def get(self, path: str) -> Any:
        answer = self.call("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any = None) -> Any:
        answer = self.call("POST", path, body)
        assert answer.status_code in {200, 201, 202}, answer.text
        return answer.json()

    def add_provider(self, **fields: Any) -> dict[str, Any]:
        """The git host, once; with `fields`, another one of its own name."""
        if self._provider and not fields:
            return self._provider
        body = {
            "kind": "github_enterprise",
            "name": f"Git host {secrets.token_hex(3)}",
            "base_url": self.env["git_url"],
            "credentials": {"token": self.git_token},
            "ca_bundle": Path(self.env["git_ca_file"]).read_text(),
            "ssh_port": self.env["git_ssh_port"],
        }
        provider: dict[str, Any] = self.post("/providers/", body | fields)
        if not fields:
            self._provider = provider
        return provider

    def add_account(self) -> dict[str, Any]:
        if not self._account:
            self._account = self.connect_account("Local AWS", "SluiceAccess")
        return self._account

    def connect_account(self, name: str, role: str, **chosen: bool) -> dict[str, Any]:
        """The local AWS, connected as people connect theirs: by a role that the access template makes."""
        body = {"name": name, "method": "role", "role_arn": f"arn:aws:iam::{ACCOUNT_ID}:role/{role}"}
        added = self.post("/aws-accounts/", body | {"default_region": self.env["aws"]["AWS_DEFAULT_REGION"]})
        query = "&".join(f"{each}={str(value).lower()}" for each, value in chosen.items())
        connecting.launch(self.env["aws"], self.get(f"/aws-accounts/{added['id']}/access-template/?{query}"))
        checked: dict[str, Any] = self.post(f"/aws-accounts/{added['id']}/check/")
        assert checked["connected"], checked
        return checked

    def add_integration(self, full_name: str, *, provider: Any = None, **fields: Any) -> dict[str, Any]:
        """An integration of a repository at the git host, not provisioned yet."""
        provider = provider or self.add_provider()
        answer = self.call("POST", "/repositories/", {"provider": provider["id"], "full_name": full_name})
        if answer.status_code == 201:
            repository = answer.json()["id"]
        else:
            found = self.get(f"/repositories/?provider={provider['id']}")["results"]
            repository = next(one["id"] for one in found if one["full_name"] == full_name)
        body = {
            "name": f"e2e-{secrets.token_hex(4)}",
            "repository": repository,
            "method": "zip_download",
            "refs": ["main"],
            "deploy_ref": "main",
            "aws_account": self.add_account()["id"],
            "region": self.env["aws"]["AWS_DEFAULT_REGION"],
            "application": "shop",
            "environment": "test",
        }
        integration: dict[str, Any] = self.post("/integrations/", body | fields)
        return integration

    def provisioned(self, full_name: str, **fields: Any) -> dict[str, Any]:
        """An integration that is up and receives."""
        integration = self.add_integration(full_name, **fields)
        operation = self.post(f"/integrations/{integration['id']}/provision/?review=false")
        ended = self.finished(operation)
        assert ended["status"] == "succeeded", ended
        fresh: dict[str, Any] = self.get(f"/integrations/{integration['id']}/")
        return fresh

    def finished(self, operation: dict[str, Any], *, seconds: float = 180) -> dict[str, Any]:
        """The operation once it has ended, however it ended."""

        def look() -> dict[str, Any] | None:
            now: dict[str, Any] = self.get(f"/operations/{operation['id']}/")
            return now if now["status"] in FINISHED else None

        ended = until(look, f"operation {operation['kind']}", seconds=seconds)
        assert ended is not None
        return ended

    def deliveries(self, integration: dict[str, Any], query: str = "") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get(f"/integrations/{integration['id']}/deliveries/{query}")["results"]
        return found

    def ended(self, integration: dict[str, Any], *, seconds: float = 120, **wanted: str) -> dict[str, Any]:
        """The newest delivery with these fields once nothing more happens to it.

        On a slow machine a push can be told twice, by its webhook and by the check for missed ones; then one of the
        two takes the other's place, and the one that went on is meant.
        """

        def look() -> dict[str, Any] | None:
            alike = [one for one in self.deliveries(integration) if wanted.items() <= one.items()]
            over = [one for one in alike if one["status"] not in UNFINISHED]
            went_on = [one for one in over if one["status"] != "superseded"]
            if went_on:
                return went_on[0]
            return over[0] if over and len(over) == len(alike) else None

        delivery = until(look, f"a delivery with {wanted}", seconds=seconds)
        assert delivery is not None
        return delivery

    def artifacts(self, integration: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get(f"/integrations/{integration['id']}/artifacts/")["results"]
        return found

    def download(self, artifact: dict[str, Any]) -> bytes:
        url = self.get(f"/artifacts/{artifact['id']}/download/")["url"]
        answer = requests.get(url, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.content

    # The git host

    def make_repository(self, owner: str = "acme") -> str:
        """A new repository; returns its full name."""
        full_name = f"{owner}/r{secrets.token_hex(4)}"
        self.sandbox.git.create_repository(full_name, admins=[self.env["git_user"]])
        return full_name

    def clone(self, full_name: str) -> Clone:
        """A clone that pushes over SSH, with a first commit on main that is pushed already."""
        path = self._root / secrets.token_hex(4)
        path.mkdir()
        person = {
            f"GIT_{role}_{what}": value
            for role in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "Ada Lovelace"), ("EMAIL", "ada@example.com"))
        }
        environment = {"PATH": os.environ["PATH"], "HOME": str(path), "GIT_SSH_COMMAND": self.env["git_ssh_command"]}
        clone = Clone(path, environment | person | {"GIT_CONFIG_NOSYSTEM": "1"})
        clone.git("init", "--quiet", "--initial-branch=main")
        clone.git("remote", "add", "origin", self.sandbox.git.ssh_url(full_name))
        clone.commit("First commit")
        clone.push()
        return clone

    def git_api(self, method: str, path: str, body: Any = None) -> Any:
        """Call the git host's own API, as the person who owns the repositories."""
        answer = requests.request(
            method,
            f"{self.env['git_api_url']}{path}",
            json=body,
            headers={"Authorization": f"Bearer {self.git_token}"},
            verify=self.env["git_ca_file"],
            timeout=30,
        )
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    # The webhook, as anybody on the Internet reaches it

    def webhook(
        self, integration: dict[str, Any], body: bytes, headers: Mapping[str, str], *, secret: str = ""
    ) -> requests.Response:
        """POST to the integration's webhook, signed with `secret` if given."""
        url = urlsplit(integration["webhook_url"])
        # *.localhost is this machine (RFC 6761), which not every resolver knows.
        address = f"http://127.0.0.1:{url.port}{url.path}"
        signed = {"Host": url.netloc, "Content-Type": "application/json", **headers}
        if secret:
            digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
            signed["X-Hub-Signature-256"] = f"sha256={digest}"
        return requests.post(address, data=body, headers=signed, timeout=30)

    def webhook_secret(self, full_name: str) -> str:
        """The secret that the panel gave to the git host."""
        [hook] = self.sandbox.git.hooks(full_name)
        return hook.secret

    # AWS

    def aws(self, service: str) -> Any:
        """A boto3 client of the local AWS."""
        import boto3

        env, client = self.env["aws"], cast("Any", boto3.client)  # whose types know each service by its name
        return client(
            service,
            endpoint_url=env["AWS_ENDPOINT_URL"],
            aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
            region_name=env["AWS_DEFAULT_REGION"],
        )
