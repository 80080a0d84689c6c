"""A push of a person's git becomes an artifact row: provider, webhook, Lambdas, table and panel, all for real."""

import io
import os
import subprocess
import time
import urllib.request
import zipfile
from pathlib import Path

import pytest

from deployers.models import Artifact
from deployers.services import artifacts, deliveries, stacks
from deployers.states import OperationStatus
from integrations.models import DeliveryStatus, Integration, Method
from sandbox.aws import Aws
from sandbox.git_host import GitHost
from teams.models import Team, User
from tests.deployers.journeys import connect_host, integrate, work_off
from tests.factories import make_user

pytestmark = [pytest.mark.sandbox, pytest.mark.django_db(transaction=True)]


def push(host: GitHost, integration: Integration, directory: Path) -> str:
    """Commit a file and push it to main over HTTPS; returns the commit."""
    token = integration.repository.provider.credentials["token"]
    address = f"https://octocat:{token}@127.0.0.1:{host.port}/{integration.repository.full_name}.git"

    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
        environment = {**os.environ, "GIT_SSL_CAINFO": str(host.ca_file)}
        return subprocess.check_output(
            ["git", *identity, *arguments], cwd=directory, env=environment, text=True
        ).strip()

    git("init", "-q", "-b", "main")
    (directory / "app.py").write_text("print('hello')\n")
    git("add", ".")
    git("commit", "-q", "-m", "Say hello")
    git("push", "-q", address, "main")
    return git("rev-parse", "HEAD")


@pytest.mark.parametrize("method", [Method.ZIP_DOWNLOAD, Method.GIT_PULL])
def test_a_push_becomes_an_artifact_that_can_be_downloaded(
    real_aws: Aws, git_host: GitHost, team: Team, admin: User, tmp_path: Path, method: Method
) -> None:
    provider = connect_host(git_host, team=team, admin=admin)
    integration = integrate(git_host, provider, method=method)
    operation = work_off(stacks.provision(integration=integration, actor=admin))
    assert operation.status == OperationStatus.SUCCEEDED, operation.problem

    commit = push(git_host, integration, tmp_path)

    deadline = time.monotonic() + 60
    while not Artifact.objects.filter(integration=integration).exists():
        known = integration.deliveries.filter(event="push").first()
        assert time.monotonic() < deadline, known and f"{known.status}: {known.reason}"
        assert known is None or known.status != DeliveryStatus.FAILED, known.reason
        deliveries.sync(integration=integration, force=True)
        time.sleep(0.1)
    artifact = Artifact.objects.get(integration=integration)
    assert (artifact.commit, artifact.ref_name, artifact.message) == (commit, "main", "Say hello")
    with urllib.request.urlopen(
        artifacts.download_url(artifact=artifact, actor=make_user(team=artifact.integration.team))
    ) as answer:
        archive = zipfile.ZipFile(io.BytesIO(answer.read()))
    assert archive.namelist() == ["app.py"]
    assert artifact.delivery is not None
    assert artifact.delivery.status == DeliveryStatus.STORED
