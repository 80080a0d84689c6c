"""Stacks brought about for real: MiniStack, and the git host as the provider."""

import json
import os
import subprocess
import sys
import time
from datetime import timedelta
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django.fixtures import Settings

from deployers.models import Operation
from deployers.services import operations, stacks
from deployers.states import OperationStatus
from integrations.models import Method, RemoteState, SSHKeyState, WebhookState
from sandbox.aws import Aws
from sandbox.git_host import GitHost
from teams.models import Team, User
from tests.deployers.journeys import connect_host, integrate, work_off

pytestmark = [pytest.mark.sandbox, pytest.mark.django_db(transaction=True)]


def succeeded(operation: Operation) -> Operation:
    done = work_off(operation)
    assert done.status == OperationStatus.SUCCEEDED, f"{done.step}: {done.problem}"
    return done


def test_provisioning_ends_with_a_webhook_that_was_seen_to_work(
    real_aws: Aws, git_host: GitHost, team: Team, admin: User
) -> None:
    provider = connect_host(git_host, team=team, admin=admin)
    integration = integrate(git_host, provider, method=Method.GIT_PULL)

    succeeded(stacks.provision(integration=integration, actor=admin))

    integration.refresh_from_db()
    stack = integration.stacks.get()
    assert stack.aws_status == "CREATE_COMPLETE"
    assert stack.resources_done == stack.resources_total > 30
    assert stack.events.filter(logical_id="OutputBucket", status="CREATE_COMPLETE").count() == 1
    assert integration.webhook_state == WebhookState.VERIFIED
    [hook] = git_host.hooks(integration.repository.full_name)
    assert hook.url == stack.outputs["GitPullWebHookApi"]
    assert integration.deliveries.get().event == "ping"
    key = integration.ssh_keys.get()
    assert (key.state, key.remote_state) == (SSHKeyState.CURRENT, RemoteState.PRESENT)
    assert len(git_host.deploy_keys(integration.repository.full_name)) == 1


def test_provisioning_again_without_a_change_succeeds_and_leaves_no_change_set(
    real_aws: Aws, git_host: GitHost, team: Team, admin: User
) -> None:
    integration = integrate(git_host, connect_host(git_host, team=team, admin=admin))
    succeeded(stacks.provision(integration=integration, actor=admin))
    stack = integration.stacks.get()
    events = stack.events.count()

    again = succeeded(stacks.provision(integration=integration, actor=admin))

    assert again.kind == "update"
    assert stack.events.count() == events
    sets = real_aws.client("cloudformation").list_change_sets(StackName=stack.stack_id)["Summaries"]
    assert again.change_set_id not in [each["ChangeSetId"] for each in sets]
    assert len(git_host.hooks(integration.repository.full_name)) == 1


def test_an_update_sends_secrets_only_when_they_changed(
    real_aws: Aws, git_host: GitHost, team: Team, admin: User
) -> None:
    integration = integrate(git_host, connect_host(git_host, team=team, admin=admin))
    succeeded(stacks.provision(integration=integration, actor=admin))
    integration.refs = ["main"]
    integration.save()
    succeeded(stacks.provision(integration=integration, actor=admin))
    stack = integration.stacks.get()
    assert stack.aws_status == "UPDATE_COMPLETE"
    secret = real_aws.client("secretsmanager").get_secret_value(SecretId=stack.outputs["ProviderSecretArn"])
    assert json.loads(secret["SecretString"])["webhook_secret"] == integration.webhook_secret

    integration.webhook_secret, integration.webhook_secret_previous = "rotated", integration.webhook_secret
    integration.save()
    succeeded(stacks.provision(integration=integration, actor=admin))

    secret = real_aws.client("secretsmanager").get_secret_value(SecretId=stack.outputs["ProviderSecretArn"])
    assert json.loads(secret["SecretString"])["webhook_secret"] == "rotated"


def test_a_token_that_may_not_write_webhooks_ends_in_a_stack_and_words(
    real_aws: Aws, git_host: GitHost, team: Team, admin: User
) -> None:
    provider = connect_host(git_host, team=team, admin=admin, permissions={"metadata": "read", "contents": "read"})
    integration = integrate(git_host, provider, method=Method.GIT_PULL)

    succeeded(stacks.provision(integration=integration, actor=admin))

    integration.refresh_from_db()
    assert integration.webhook_state == WebhookState.MANUAL
    assert integration.webhook_problem
    assert integration.ssh_keys.get().remote_state == RemoteState.MANUAL


def test_a_failed_creation_tells_its_first_cause_and_retry_creates_the_stack_anew(
    real_aws: Aws, git_host: GitHost, team: Team, admin: User
) -> None:
    integration = integrate(git_host, connect_host(git_host, team=team, admin=admin))
    taken = "sluice-test-somebody-elses"
    real_aws.client("s3").create_bucket(Bucket=taken)
    integration.parameters = {"git_intgrtn_aws_s3": {"OutputBucketName": taken}}
    integration.save()

    failed = work_off(stacks.provision(integration=integration, actor=admin))

    assert (failed.status, failed.problem_code) == (OperationStatus.FAILED, "rolled_back")
    assert "OutputBucket (S3 Bucket) failed" in failed.problem
    assert "already" in failed.problem
    first = integration.stacks.get()
    assert first.aws_status == "ROLLBACK_COMPLETE"

    integration.parameters = {}
    integration.save()
    retried = succeeded(stacks.retry(operation=failed, actor=admin))

    stack = integration.stacks.get()
    assert retried.kind == "create"
    assert stack.aws_status == "CREATE_COMPLETE"
    assert stack.stack_id != first.stack_id


def test_a_strangers_stack_of_our_name_is_left_alone(real_aws: Aws, git_host: GitHost, team: Team, admin: User) -> None:
    integration = integrate(git_host, connect_host(git_host, team=team, admin=admin))
    cloudformation = real_aws.client("cloudformation")
    name = f"sluice-{integration.name}-git"
    template = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    stranger = cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template))["StackId"]

    failed = work_off(stacks.provision(integration=integration, actor=admin))

    assert (failed.status, failed.problem_code) == (OperationStatus.FAILED, "foreign_stack")
    assert integration.stacks.get().stack_id == ""
    [described] = cloudformation.describe_stacks(StackName=name)["Stacks"]
    assert (described["StackId"], described["StackStatus"]) == (stranger, "CREATE_COMPLETE")


def test_every_step_may_be_taken_twice(real_aws: Aws, git_host: GitHost, team: Team, admin: User) -> None:
    """As when a worker dies after AWS did what it asked for, and before it could write that down."""
    integration = integrate(git_host, connect_host(git_host, team=team, admin=admin), method=Method.GIT_PULL)
    operation = stacks.provision(integration=integration, actor=admin)
    deadline = time.monotonic() + 60
    while operation.active:
        assert time.monotonic() < deadline, operation.step
        before = Operation.objects.filter(pk=operation.pk).values("step", "options", "change_set_id").get()
        stacks.advance(operation)
        operation.refresh_from_db()
        if operation.active:
            Operation.objects.filter(pk=operation.pk).update(**before, next_at=None)
            stacks.advance(operation)
            operation.refresh_from_db()
        time.sleep(0.05)

    assert operation.status == OperationStatus.SUCCEEDED, operation.problem
    assert len(git_host.hooks(integration.repository.full_name)) == 1
    assert len(git_host.deploy_keys(integration.repository.full_name)) == 1
    stack = integration.stacks.get()
    events = real_aws.client("cloudformation").get_paginator("describe_stack_events").paginate(StackName=stack.stack_id)
    assert stack.events.count() == sum(len(page["StackEvents"]) for page in events)


@pytest.mark.parametrize("step", ["publish", "execute", "watch", "webhook"])
def test_what_a_killed_worker_began_is_finished_by_another(
    real_aws: Aws, git_host: GitHost, team: Team, admin: User, settings: Settings, step: str
) -> None:
    integration = integrate(git_host, connect_host(git_host, team=team, admin=admin), method=Method.GIT_PULL)
    operation = stacks.provision(integration=integration, actor=admin)
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.deployers.worker"],
        env={
            **os.environ,
            "DATABASE_URL": database_url(),
            "SLUICE_LAMBDA_PACKAGES": str(settings.LAMBDA_PACKAGES),
            "SLUICE_LAMBDA_RUNTIME": settings.LAMBDA_RUNTIME,
            "SLUICE_LAMBDA_ARCHITECTURE": settings.LAMBDA_ARCHITECTURE,
        },
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while operation.step != step and operation.active:
            assert time.monotonic() < deadline, operation.step
            operation.refresh_from_db()
    finally:
        worker.kill()
        worker.wait()
    # What is left of the lease is nothing that a test has to wait for.
    Operation.objects.exclude(lease_until=None).update(lease_until=timezone.now() - timedelta(seconds=1))
    operations.sweep()

    succeeded(operation)

    assert len(git_host.hooks(integration.repository.full_name)) == 1
    assert len(git_host.deploy_keys(integration.repository.full_name)) == 1
    assert integration.stacks.get().aws_status == "CREATE_COMPLETE"


def database_url() -> str:
    """The address of the test's own database."""
    address = urlsplit(os.environ["DATABASE_URL"])
    return urlunsplit(address._replace(path=f"/{connection.settings_dict['NAME']}"))
