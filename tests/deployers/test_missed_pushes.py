"""Lost webhooks and dead letters on the real thing: MiniStack, the Lambdas, and the git host as the provider."""

import hmac
import http.client
import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from deployers.models import Artifact
from deployers.services import catch_up, dead_letters, deliveries, stacks
from deployers.states import OperationStatus
from integrations.models import DeliveryStatus, Integration, Method
from integrations.services import clients, commit_statuses
from lambdas.common.deliveries import DeliveryTable, timestamp
from lambdas.common.queue import FetchRequest
from sandbox.aws import Aws
from sandbox.git_host import GitHost
from teams.models import Team, User
from tests.deployers.journeys import connect_host, integrate, work_off

pytestmark = [pytest.mark.sandbox, pytest.mark.django_db(transaction=True)]

Git = Callable[..., str]


@pytest.fixture
def integration(real_aws: Aws, git_host: GitHost, team: Team, admin: User) -> Integration:
    """Provisioned; its commits are marked, and webhooks are taken from this machine only."""
    provider = connect_host(git_host, team=team, admin=admin)
    provider.webhook_networks = ["127.0.0.0/8"]
    provider.save()
    found = integrate(git_host, provider)
    found.refs, found.commit_statuses, found.restrict_source_ips = ["**", "tags:v*"], True, True
    found.save()
    operation = work_off(stacks.provision(integration=found, actor=admin))
    assert operation.status == OperationStatus.SUCCEEDED, operation.problem
    found.refresh_from_db()
    return found


@pytest.fixture
def git(git_host: GitHost, integration: Integration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Git:
    """git in a working copy of the repository, which has one commit and is not pushed yet."""
    monkeypatch.setenv("GIT_SSL_CAINFO", str(git_host.ca_file))
    token = integration.repository.provider.credentials["token"]
    address = f"https://octocat:{token}@127.0.0.1:{git_host.port}/{integration.repository.full_name}.git"

    def run(*arguments: str) -> str:
        identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
        command = ["git", *identity, *arguments]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.strip()

    run("init", "-q", "-b", "main")
    run("remote", "add", "origin", address)
    (tmp_path / "app.py").write_text("print('hello')\n")
    run("add", ".")
    run("commit", "-q", "-m", "Say hello")
    return run


def stored(integration: Integration, count: int) -> dict[str, str]:
    """Ref to commit of the newest artifacts, once there are so many."""
    deadline = time.monotonic() + 60
    while Artifact.objects.filter(integration=integration).count() < count:
        assert time.monotonic() < deadline, list(integration.deliveries.values_list("ref", "status", "reason"))
        deliveries.sync(integration=integration, force=True)
        time.sleep(0.1)
    return dict(Artifact.objects.filter(integration=integration).order_by("created_at").values_list("ref", "commit"))


def send_too_large(integration: Integration, commit: str) -> int:
    """A signed push to main with a body past what Lambda takes, as GitHub sends it for many files; what it is answered.

    API Gateway takes up to 10 MB, Lambda 6 MB with all that it wraps around a body: such a push never gets further.
    """
    name = integration.repository.full_name
    payload = {"ref": "refs/heads/main", "after": commit, "repository": {"full_name": name}, "padding": "x" * 7_000_000}
    body = json.dumps(payload).encode()
    digest = hmac.new(integration.webhook_secret.encode(), body, "sha256").hexdigest()
    headers = {"X-GitHub-Event": "push", "X-Hub-Signature-256": f"sha256={digest}", "Content-Type": "application/json"}
    url = urlsplit(deliveries.webhook_urls(integration)[Method(integration.method)])
    # *.localhost is this machine (RFC 6761), which not every resolver knows.
    connection = http.client.HTTPConnection("127.0.0.1", url.port or 80, timeout=30)
    try:
        connection.request("POST", url.path, body, {"Host": url.netloc, **headers})
        return connection.getresponse().status
    finally:
        connection.close()


def test_three_pushes_that_never_came_or_were_too_large_become_artifacts_by_one_check(
    integration: Integration, git: Git, git_host: GitHost, admin: User
) -> None:
    name = integration.repository.full_name
    catch_up.check(integration)
    clients.client(integration.repository.provider).remove_webhook(name, integration.webhook_remote_id)
    git("tag", "v1")
    git("push", "-q", "origin", "main", "main:release/1", "v1")
    commit = git("rev-parse", "HEAD")
    assert send_too_large(integration, commit) >= 400

    assert catch_up.catch_up(integration=integration, actor=admin) == 3

    missed = dict.fromkeys(("refs/heads/main", "refs/heads/release/1", "refs/tags/v1"), commit)
    assert stored(integration, 3) == missed
    came = integration.deliveries.exclude(event="ping").exclude(status=DeliveryStatus.REJECTED)
    assert set(came.values_list("event", "status")) == {("catch-up", "stored")}
    assert catch_up.catch_up(integration=integration, actor=admin) == 0
    commit_statuses.tell_due()
    [status, *_] = git_host.statuses(name, commit)
    assert (status.state, status.context) == ("success", f"sluice/{integration.name}")


def test_a_push_that_came_is_not_caught_up_and_a_dead_letter_becomes_an_artifact(
    integration: Integration, git: Git, real_aws: Aws, admin: User
) -> None:
    git("push", "-q", "origin", "main")
    commit = git("rev-parse", "HEAD")
    assert stored(integration, 1) == {"refs/heads/main": commit}
    assert catch_up.catch_up(integration=integration, actor=admin) == 0
    # A push to another branch that was tried too often while the provider was down.
    git("push", "-q", "origin", "main:dead")
    deadline = time.monotonic() + 60
    while not (delivery := integration.deliveries.filter(ref="refs/heads/dead", status="stored").first()):
        assert time.monotonic() < deadline
        deliveries.sync(integration=integration, force=True)
        time.sleep(0.1)
    outputs = integration.stacks.get().outputs
    table = DeliveryTable(real_aws.client("dynamodb"), outputs["DeliveriesTableName"])
    request = FetchRequest(
        delivery.delivery_id,
        delivery.repository,
        delivery.ref,
        commit,
        timestamp(delivery.received_at),
        delivery.method,
    )
    table.move(delivery.delivery_id, DeliveryStatus.FAILED, when={DeliveryStatus.STORED}, reason="tried too often")
    real_aws.client("sqs").send_message(
        QueueUrl=outputs["DeadLetterQueueUrl"],
        MessageBody=json.dumps(asdict(request)),
        MessageGroupId=request.delivery,
        MessageDeduplicationId="dead",
    )
    assert dead_letters.count(integration=integration) == 1

    assert dead_letters.redrive(integration=integration, actor=admin) == 1

    deadline = time.monotonic() + 60
    while len(delivery.attempts) < 2:
        assert time.monotonic() < deadline, f"{delivery.status}: {delivery.reason}"
        deliveries.sync(integration=integration, force=True)
        delivery.refresh_from_db()
        time.sleep(0.1)
    assert delivery.status == DeliveryStatus.STORED
    assert dead_letters.count(integration=integration) == 0


def test_a_stack_holds_the_networks_of_its_provider(integration: Integration, real_aws: Aws, admin: User) -> None:
    assert integration.applied_networks == ["127.0.0.0/8"]
    [stack] = real_aws.client("cloudformation").describe_stacks(StackName=integration.stacks.get().stack_id)["Stacks"]
    values = {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}
    assert values["AllowedIps"] == "127.0.0.0/8"

    integration.restrict_source_ips = False
    integration.save()
    work_off(stacks.provision(integration=integration, actor=admin))

    integration.refresh_from_db()
    assert integration.applied_networks == []
