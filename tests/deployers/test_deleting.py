"""Integrations deleted for real: MiniStack, and the git host as the provider."""

import pytest

from deployers.models import Operation
from deployers.services import stacks
from deployers.states import OperationStatus
from integrations.models import Integration, Method
from sandbox.aws import Aws
from sandbox.git_host import GitHost
from teams.models import Team, User
from tests.deployers.journeys import connect_host, integrate, work_off
from tests.factories import make_delivery

pytestmark = [pytest.mark.sandbox, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def provisioned(real_aws: Aws, git_host: GitHost, team: Team, admin: User) -> Integration:
    integration = integrate(git_host, connect_host(git_host, team=team, admin=admin), method=Method.GIT_PULL)
    operation = work_off(stacks.provision(integration=integration, actor=admin))
    assert operation.status == OperationStatus.SUCCEEDED, operation.problem
    integration.refresh_from_db()
    return integration


def delete(integration: Integration, admin: User, bucket: str) -> Operation:
    operation = work_off(stacks.delete(integration=integration, actor=admin, bucket=bucket))
    assert operation.status == OperationStatus.SUCCEEDED, f"{operation.step}: {operation.problem}"
    return operation


def statuses(aws: Aws, stack_id: str) -> list[str]:
    return [each["StackStatus"] for each in aws.client("cloudformation").describe_stacks(StackName=stack_id)["Stacks"]]


def bucket_with_artifact(aws: Aws, integration: Integration) -> str:
    bucket: str = integration.stacks.get().outputs["OutputBucketName"]
    for body in (b"one", b"two"):
        aws.client("s3").put_object(Bucket=bucket, Key="octocat/shop/main/shop.zip", Body=body)
    return bucket


def buckets(aws: Aws) -> list[str]:
    return [each["Name"] for each in aws.client("s3").list_buckets()["Buckets"]]


@pytest.mark.parametrize("choice", ["keep", "purge"])
def test_deleting_removes_all_but_what_is_to_be_kept(
    provisioned: Integration, real_aws: Aws, git_host: GitHost, admin: User, choice: str
) -> None:
    repository, stack = provisioned.repository.full_name, provisioned.stacks.get()
    bucket = bucket_with_artifact(real_aws, provisioned)
    make_delivery(integration=provisioned)

    operation = delete(provisioned, admin, choice)

    assert git_host.hooks(repository) == []
    assert git_host.deploy_keys(repository) == []
    assert statuses(real_aws, stack.stack_id) == ["DELETE_COMPLETE"]
    assert (bucket in buckets(real_aws)) == (choice == "keep")
    assert (bucket in operation.problem) == (choice == "keep")
    assert not Integration.objects.filter(pk=provisioned.pk).exists()
    assert (operation.team, operation.target) == (provisioned.team, provisioned.name)


def test_deleting_works_when_the_stack_is_gone(provisioned: Integration, real_aws: Aws, admin: User) -> None:
    real_aws.client("cloudformation").delete_stack(StackName=provisioned.stacks.get().stack_id)
    real_aws.client("cloudformation").get_waiter("stack_delete_complete").wait(
        StackName=provisioned.stacks.get().stack_id, WaiterConfig={"Delay": 1}
    )

    delete(provisioned, admin, "keep")

    assert not Integration.objects.filter(pk=provisioned.pk).exists()


def test_deleting_works_when_the_token_is_revoked_and_tells_what_is_left(
    provisioned: Integration, git_host: GitHost, admin: User
) -> None:
    git_host.store.revoke_token(provisioned.repository.provider.credentials["token"])

    operation = delete(provisioned, admin, "purge")

    assert "webhook may still be at the provider" in operation.problem
    assert "deploy key" in operation.problem


def test_a_protected_stack_is_refused_in_words_and_deleted_on_retry(
    provisioned: Integration, real_aws: Aws, admin: User
) -> None:
    stack_id = provisioned.stacks.get().stack_id
    protect = real_aws.client("cloudformation").update_termination_protection
    protect(StackName=stack_id, EnableTerminationProtection=True)

    failed = work_off(stacks.delete(integration=provisioned, actor=admin))

    assert (failed.status, failed.problem_code) == (OperationStatus.FAILED, "termination_protected")
    protect(StackName=stack_id, EnableTerminationProtection=False)
    retried = work_off(stacks.retry(operation=failed, actor=admin))
    assert retried.status == OperationStatus.SUCCEEDED, retried.problem
    assert not Integration.objects.filter(pk=provisioned.pk).exists()


def test_an_integration_that_was_never_provisioned_is_simply_forgotten(
    real_aws: Aws, git_host: GitHost, team: Team, admin: User
) -> None:
    integration = integrate(git_host, connect_host(git_host, team=team, admin=admin))

    delete(integration, admin, "keep")

    assert not Integration.objects.filter(pk=integration.pk).exists()
