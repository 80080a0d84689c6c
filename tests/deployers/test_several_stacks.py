"""An operation that brings several stacks about, and waits for a person where that was asked for."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.stub import Stubber
from django.utils import timezone

from deployers.aws import session
from deployers.errors import NotWaiting, StackBusy
from deployers.models import Operation, OperationKind, Stack
from deployers.services import accounts, stacks
from deployers.states import OperationStatus, Step
from integrations.models import Integration
from panel.web import progress
from teams.errors import Forbidden, Refused
from teams.models import Role, User
from tests.factories import make_integration, make_operation, make_stack, make_user

pytestmark = pytest.mark.django_db
CHANGE_SET = "arn:aws:cloudformation:us-east-1:123456789012:changeSet/sluice/1"


@pytest.fixture
def integration() -> Integration:
    return make_integration(name="shop", deployers=["codedeploy"], deploy_ref="main")


@pytest.fixture
def admin(integration: Integration) -> User:
    return make_user(team=integration.team)


@pytest.fixture
def waiting(integration: Integration) -> Operation:
    """An update of the CodeDeploy stack that waits for its review."""
    stack = make_stack(integration=integration, kind="codedeploy", name="sluice-shop-codedeploy")
    return make_operation(
        stack=stack,
        kind=OperationKind.UPDATE,
        status=OperationStatus.WAITING,
        step=Step.REVIEW,
        change_set_id=CHANGE_SET,
        options={"review": True, "changes": [{"action": "Modify", "logical_id": "Fleet"}]},
    )


def aws_of(stack: Stack) -> Any:
    return session.client(accounts.access(stack.integration.aws_account, stack.region), "cloudformation")


@pytest.fixture
def aws(waiting: Operation) -> Iterator[Stubber]:
    assert waiting.stack
    with Stubber(aws_of(waiting.stack)) as answers:
        yield answers
        answers.assert_no_pending_responses()


def change_set(**fields: Any) -> dict[str, Any]:
    return {
        "ChangeSetId": CHANGE_SET,
        "StackId": "arn:aws:cloudformation:us-east-1:123456789012:stack/sluice-shop-codedeploy/1",
        "Status": "CREATE_COMPLETE",
        "ExecutionStatus": "AVAILABLE",
        **fields,
    }


def advanced(operation: Operation) -> Operation:
    stacks.advance(operation)
    operation.refresh_from_db()
    return operation


def test_one_operation_goes_from_stack_to_stack(integration: Integration, admin: User) -> None:
    operation = stacks.provision(integration=integration, actor=admin, review=True)
    assert operation.stack
    assert (operation.stack.kind, operation.options) == (
        "git_intgrtn_aws_s3",
        {"review": True, "then": ["codedeploy"]},
    )
    with pytest.raises(StackBusy):
        stacks.provision(integration=integration, actor=admin)
    began = timezone.now() - timedelta(minutes=2)
    Operation.objects.filter(pk=operation.pk).update(
        status=OperationStatus.RUNNING,
        step=Step.VERIFY,
        started_at=began,
        change_set_id="git's",
        options={**operation.options, "digest": "git's", "approved": True},
    )

    assert stacks.advance(operation), "the next stack begins at once"

    operation.refresh_from_db()
    assert operation.stack.kind == "codedeploy"
    assert (operation.status, operation.step, operation.change_set_id) == (OperationStatus.RUNNING, Step.PREPARE, "")
    # What was approved for one stack is not for another.
    assert set(operation.options) == {"review", "then", "took", "began"}
    first, second = progress.steps(integration, list(integration.stacks.all()), operation)
    assert first.elapsed is not None
    assert timedelta(seconds=119) < first.elapsed < timedelta(seconds=130)
    assert second.since is not None
    assert second.since > began + timedelta(seconds=100)


def test_deletion_begins_with_what_depends_on_the_bucket(integration: Integration, admin: User) -> None:
    make_stack(integration=integration)
    make_stack(integration=integration, kind="codedeploy", name="sluice-shop-codedeploy")
    operation = stacks.delete(integration=integration, actor=admin)
    assert operation.stack
    assert (operation.stack.kind, operation.options["then"]) == ("codedeploy", ["git_intgrtn_aws_s3"])


def test_a_review_is_approved_once(waiting: Operation, admin: User, aws: Stubber) -> None:
    assert not stacks.advance(waiting), "it waits for a person, not for a worker"
    viewer = make_user(team=waiting.team, role=Role.VIEWER)
    with pytest.raises(Forbidden):
        stacks.approve(operation=waiting, actor=viewer)
    stacks.approve(operation=waiting, actor=admin)
    assert advanced(waiting).step == Step.EXECUTE
    with pytest.raises(NotWaiting):
        stacks.approve(operation=waiting, actor=admin)


def test_a_review_that_is_discarded_deletes_the_change_set_and_changes_nothing(
    waiting: Operation, admin: User, aws: Stubber
) -> None:
    assert waiting.stack
    stacks.cancel(operation=waiting, actor=admin)
    aws.add_response("describe_change_set", change_set())
    aws.add_response("delete_change_set", {}, {"ChangeSetName": CHANGE_SET})
    aws.add_client_error("describe_stacks", "ValidationError", "Stack does not exist")
    assert advanced(waiting).status == OperationStatus.CANCELLED


def test_a_worker_that_dies_during_the_review_step_asks_again(waiting: Operation, aws: Stubber) -> None:
    Operation.objects.filter(pk=waiting.pk).update(status=OperationStatus.RUNNING, options={"review": True})
    change = {
        "Action": "Modify",
        "LogicalResourceId": "Fleet",
        "ResourceType": "AWS::EC2::LaunchTemplate",
        "Replacement": "True",
        "Details": [{"Target": {"Name": "LaunchTemplateData"}}],
    }
    for _ in range(2):
        aws.add_response("describe_change_set", change_set(Changes=[{"Type": "Resource", "ResourceChange": change}]))
    assert advanced(waiting).status == OperationStatus.WAITING
    assert waiting.options["changes"] == [
        {
            "action": "Modify",
            "logical_id": "Fleet",
            "resource_type": "AWS::EC2::LaunchTemplate",
            "replacement": "True",
            "properties": ["LaunchTemplateData"],
            "stack": "",
            "possible": "",
        }
    ]


def test_a_deployers_stack_is_deleted_alone_once_it_is_not_used(integration: Integration, admin: User) -> None:
    stack = make_stack(integration=integration, kind="codedeploy", name="sluice-shop-codedeploy")
    with pytest.raises(Refused, match="uses this stack"):
        stacks.remove(stack=stack, actor=admin)
    Integration.objects.filter(pk=integration.pk).update(deployers=[])
    stack.refresh_from_db()
    stack.integration.refresh_from_db()
    operation = stacks.remove(stack=stack, actor=admin)
    Operation.objects.filter(pk=operation.pk).update(step=Step.FORGET)

    assert advanced(operation).status == OperationStatus.SUCCEEDED
    assert not Stack.objects.filter(pk=stack.pk).exists()
    assert Integration.objects.filter(pk=integration.pk).exists()


def test_a_failed_deletion_of_one_stack_is_retried_for_that_stack_alone(integration: Integration, admin: User) -> None:
    stack = make_stack(integration=integration, kind="codedeploy", name="sluice-shop-codedeploy")
    Integration.objects.filter(pk=integration.pk).update(deployers=[])
    stack.integration.refresh_from_db()
    failed = stacks.remove(stack=stack, actor=admin)
    Operation.objects.filter(pk=failed.pk).update(status=OperationStatus.FAILED)
    again = stacks.retry(operation=failed, actor=admin)
    assert (again.stack, again.options) == (stack, {"only": True})
