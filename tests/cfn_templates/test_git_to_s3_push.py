"""A `git push` to a real Git server becomes an artifact, by both methods, with AWS enforcing the stack's policies."""

import io
import json
import os
import ssl
import stat
import subprocess
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.git_host import GitHost
from tests.cfn_templates.stack import Stack

pytestmark = pytest.mark.sandbox

SECRET = "webhook-secret"
WARM_SECONDS = 5.0
"""From the push to the artifact, once the functions run."""
HOOKS = {"zip_download": "ZipDownloadWebHookApi", "git_pull": "GitPullWebHookApi"}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHost]:
    with GitHost(tmp_path_factory.mktemp("git-host")) as running:
        yield running


class Clone:
    """A person's working copy that pushes over HTTPS."""

    def __init__(self, host: GitHost, folder: Path, token: str, repository: str) -> None:
        self._folder = folder
        self._environment = os.environ | {"GIT_SSL_CAINFO": str(host.ca_file)}
        self._git("init", "--quiet", "--initial-branch=main")
        self._git("config", "user.name", "Octo Cat")
        self._git("config", "user.email", "octo@example.org")
        address = host.url.replace("https://", f"https://octocat:{token}@")
        self._git("remote", "add", "origin", f"{address}/{repository}.git")

    def push(self, content: str) -> str:
        """Commit a file, a script and a link, push them and return the commit."""
        (self._folder / "docs").mkdir(exist_ok=True)
        (self._folder / "docs" / "lisez-moi é.txt").write_text(content)
        script = self._folder / "run.sh"
        script.write_text("#!/bin/sh\n")
        script.chmod(0o755)
        link = self._folder / "link"
        link.unlink(missing_ok=True)
        link.symlink_to("docs/lisez-moi é.txt")
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", f"Say {content}")
        self._git("push", "--quiet", "origin", "HEAD:main")
        return self._git("rev-parse", "HEAD").strip()

    def _git(self, *arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=self._folder, env=self._environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout


def call(host: GitHost, token: str, path: str, document: dict[str, object]) -> None:
    request = urllib.request.Request(
        f"{host.api_url}{path}",
        json.dumps(document).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    trust = ssl.create_default_context(cafile=host.ca_file)
    with urllib.request.urlopen(request, timeout=10, context=trust) as response:
        assert response.status == 201


def stored(stack: Stack, commit: str) -> dict[str, str]:
    """The commit's delivery, once its artifact is stored."""
    table = stack.outputs["DeliveriesTableName"]
    deadline = time.monotonic() + 30
    while True:
        items = stack.aws.client("dynamodb").query(
            TableName=table,
            IndexName="by_update",
            KeyConditionExpression="feed = :feed",
            ExpressionAttributeValues={":feed": {"S": "deliveries"}},
        )["Items"]
        found = [
            {name: value["S"] for name, value in item.items() if "S" in value}
            for item in items
            if item.get("commit", {}).get("S") == commit
        ]
        if found and found[0]["status"] == "stored":
            return found[0]
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


@pytest.mark.parametrize("method", ["zip_download", "git_pull"])
def test_a_push_becomes_an_artifact(
    new_stack: Callable[..., Stack], host: GitHost, tmp_path: Path, method: str
) -> None:
    repository = f"octo-org/{method}"
    token = host.create_token("octocat", scopes=("repo", "admin:repo_hook"))
    host.create_repository(repository)
    stack = new_stack(
        ProviderKind="github_enterprise",
        ProviderApiUrl=host.api_url,
        ProviderCaBundle=host.ca_pem,
        Repository=repository,
        Refs="main",
        ApiSecret=SECRET,
        GitToken=token,
        SshHost="127.0.0.1",
        SshPort=str(host.ssh_port),
        SshKnownHosts=host.known_hosts_line,
    )
    hook = {"url": stack.outputs[HOOKS[method]], "secret": SECRET, "content_type": "json"}
    call(host, token, f"/repos/{repository}/hooks", {"name": "web", "events": ["push"], "config": hook})
    key = {"title": method, "key": stack.outputs["PublicSSHKey"], "read_only": True}
    call(host, token, f"/repos/{repository}/keys", key)
    clone = Clone(host, tmp_path, token, repository)

    for content in ("one", "two"):
        started = time.monotonic()
        commit = clone.push(f"{method} {content}")
        delivery = stored(stack, commit)
        took = time.monotonic() - started

        assert delivery["method"] == method
        assert delivery["artifact_key"] == f"{repository}/main/{method}.zip"
        answer = stack.aws.client("s3").get_object(
            Bucket=stack.outputs["OutputBucketName"],
            Key=delivery["artifact_key"],
            VersionId=delivery["artifact_version_id"],
        )
        assert answer["Metadata"]["commit"] == commit
        with zipfile.ZipFile(io.BytesIO(answer["Body"].read())) as archive:
            modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
            files = {name: mode for name, mode in modes.items() if not name.endswith("/")}
            assert set(files) == {"docs/lisez-moi é.txt", "run.sh", "link"}
            assert archive.read("docs/lisez-moi é.txt").decode() == f"{method} {content}"
            assert archive.read("link").decode() == "docs/lisez-moi é.txt"
        assert files["run.sh"] & stat.S_IXUSR
        assert stat.S_ISLNK(files["link"])
    assert took < WARM_SECONDS
