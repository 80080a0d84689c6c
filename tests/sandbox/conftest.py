"""A running git host, a receiver of its webhooks, and a person with a clone."""

import json
import os
import secrets
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import asyncssh
import pytest
import requests

from sandbox.aws import Aws
from sandbox.git_host import GitHost


@dataclass
class Received:
    """A request that came in at the receiver."""

    headers: dict[str, str]
    body: bytes
    path: str


@dataclass
class Receiver:
    """Takes webhooks in and keeps them."""

    port: int
    requests: list[Received] = field(default_factory=list)
    status: int = 202

    def url(self, path: str = "/gitpull", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def events(self, kind: str) -> list[Received]:
        return [one for one in self.requests if one.headers["X-GitHub-Event"] == kind]


@dataclass
class Api:
    """The git host's API, called with a token."""

    host: GitHost
    token: str

    def call(self, method: str, path: str, **arguments: Any) -> requests.Response:
        session = requests.Session()
        session.trust_env = False
        session.verify = str(self.host.ca_file)
        url = path if path.startswith("https:") else self.host.api_url + path
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return session.request(
            method, url, headers=headers | arguments.pop("headers", {}), allow_redirects=False, timeout=20, **arguments
        )

    def add_hook(self, full_name: str, url: str, **config: Any) -> dict[str, Any]:
        body = {"name": "web", "events": ["push"], "config": {"url": url, "content_type": "json", **config}}
        answer = self.call("POST", f"/repos/{full_name}/hooks", json=body)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found


class Clone:
    """A working copy; `git` runs the git client in it with one SSH key."""

    def __init__(self, directory: Path, host: GitHost, key: Path) -> None:
        self.directory = directory
        known_hosts = directory.parent / f"{directory.name}.known_hosts"
        known_hosts.write_text(host.known_hosts_line + "\n")
        self.environment = {
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_SSL_CAINFO": str(host.ca_file),
            "GIT_SSH_COMMAND": f"ssh -F none -i {key} -o IdentitiesOnly=yes -o UserKnownHostsFile={known_hosts}"
            " -o StrictHostKeyChecking=yes -o BatchMode=yes",
        } | {f"GIT_{who}_{what}": "ada@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        directory.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str, fails: bool = False) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert bool(done.returncode) == fails, done.stderr
        return done.stderr if fails else done.stdout

    def commit(self, name: str, content: str = "x") -> str:
        (self.directory / name).write_text(content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", f"Add {name}")
        return self.git("rev-parse", "HEAD").strip()


def eventually(look: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Look until there is something; fails at the deadline."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "nothing in time"
        time.sleep(0.02)
    return found


def make_key(path: Path) -> str:
    """Write a private key; returns the public one."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    path.touch(mode=0o600)
    path.write_bytes(key.export_private_key())
    return key.export_public_key().decode().strip()


@pytest.fixture(scope="session")
def local_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    """A local AWS that tests share: what they make has names of its own."""
    with Aws(tmp_path_factory.mktemp("local-aws")) as running:
        yield running


def made(aws: Aws, stack: str, template: dict[str, Any], **parameters: str) -> tuple[str, str]:
    """Create a stack; returns its status at the end, and why a resource failed, or nothing."""
    cloudformation = aws.client("cloudformation")
    stack_id = cloudformation.create_stack(
        StackName=stack,
        TemplateBody=json.dumps(template),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
    )["StackId"]

    def ended() -> str:
        status: str = cloudformation.describe_stacks(StackName=stack_id)["Stacks"][0]["StackStatus"]
        return "" if status.endswith("_IN_PROGRESS") else status

    status: str = eventually(ended)
    failed = [
        each["ResourceStatusReason"]
        for each in cloudformation.describe_stack_events(StackName=stack_id)["StackEvents"]
        if each["ResourceStatus"] == "CREATE_FAILED"
    ]
    return status, failed[-1] if failed else ""


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHost]:
    with GitHost(tmp_path_factory.mktemp("git-host")) as running:
        yield running


@pytest.fixture(scope="session")
def ada_key(host: GitHost, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ada's SSH key."""
    path = tmp_path_factory.mktemp("keys") / "ada"
    host.add_user_key("ada", make_key(path))
    return path


@pytest.fixture
def full_name(host: GitHost) -> str:
    """An empty private repository that Ada administers, another one for each test."""
    return host.create_repository(f"acme/shop-{secrets.token_hex(4)}", admins=["ada"]).full_name


@pytest.fixture
def api(host: GitHost) -> Api:
    """The API for Ada's classic token."""
    return Api(host, host.create_token("ada"))


@pytest.fixture
def clone(host: GitHost, ada_key: Path, tmp_path: Path, full_name: str) -> Clone:
    """Ada's clone, its `origin` the repository over SSH."""
    made = Clone(tmp_path / "clone", host, ada_key)
    made.git("remote", "add", "origin", host.ssh_url(full_name))
    return made


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            inbox.requests.append(Received(dict(self.headers), body, self.path))
            self.send_response(inbox.status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *arguments: object) -> None:
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    inbox = Receiver(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield inbox
    server.shutdown()
    server.server_close()
