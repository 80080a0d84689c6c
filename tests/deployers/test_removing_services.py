"""The stack of a service, which a pipeline made, goes before the ECS stack that it needs."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.stub import ANY, Stubber
from django.utils import timezone

from deployers.aws import session
from deployers.errors import StackBroken
from deployers.models import Operation, OperationKind, StackKind
from deployers.services import accounts
from deployers.services.steps import remove
from deployers.services.steps.work import Work
from deployers.states import OperationStatus
from tests import factories

SERVICE = "sluice-shop-ecs-service"
SERVICE_ID = f"arn:aws:cloudformation:us-east-1:111122223333:stack/{SERVICE}/1"


@pytest.fixture
def work(db: None) -> Work:
    stack = factories.make_stack(kind=StackKind.ECS, outputs={"ServiceStackName": SERVICE})
    operation: Operation = factories.make_operation(
        stack=stack,
        kind=OperationKind.DELETE,
        status=OperationStatus.RUNNING,
        step="stop_deployments",
        step_started_at=timezone.now(),
    )
    return Work(operation)


@pytest.fixture
def aws(work: Work) -> Iterator[Stubber]:
    """CloudFormation answers what a test says, in this order; anything else fails."""
    account = work.integration.aws_account
    access = accounts.access(account, work.integration.region)
    with Stubber(session.client(access, "cloudformation")) as answers:
        yield answers
        answers.assert_no_pending_responses()


def found(aws: Stubber, status: str) -> None:
    stack: dict[str, Any] = {
        "StackName": SERVICE,
        "StackId": SERVICE_ID,
        "StackStatus": status,
        "StackStatusReason": "resource sg-1 has a dependent object",
        "CreationTime": timezone.now(),
    }
    aws.add_response("describe_stacks", {"Stacks": [stack]}, {"StackName": SERVICE})


def deletes(aws: Stubber) -> None:
    aws.add_response("delete_stack", {}, {"StackName": SERVICE_ID, "ClientRequestToken": ANY})


def test_a_service_is_deleted_and_waited_for(work: Work, aws: Stubber) -> None:
    found(aws, "CREATE_COMPLETE")
    deletes(aws)
    found(aws, "DELETE_IN_PROGRESS")
    assert remove._service_is_there(work)
    assert remove._service_is_there(work)


def test_a_deletion_that_failed_before_is_tried_again_before_it_is_told(work: Work, aws: Stubber) -> None:
    found(aws, "DELETE_FAILED")
    deletes(aws)
    found(aws, "DELETE_FAILED")
    found(aws, "DELETE_FAILED")
    assert remove._service_is_there(work)
    assert remove._service_is_there(work)  # AWS has not begun yet

    work.operation.step_started_at = timezone.now() - remove.GRACE - timedelta(seconds=1)
    with pytest.raises(StackBroken, match="sg-1 has a dependent object"):
        remove._service_is_there(work)
