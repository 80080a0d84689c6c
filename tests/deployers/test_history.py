"""What a stack and the stacks nested in it told, as one log. AWS's answers come from botocore's stub."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.stub import Stubber

from deployers.aws import session
from deployers.models import Stack
from deployers.services import accounts, history
from tests.factories import make_integration, make_stack

pytestmark = pytest.mark.django_db

STACK = "AWS::CloudFormation::Stack"
FLEET = "arn:aws:cloudformation:eu-west-1:123456789012:stack/shop-Fleet/1"
BEGAN = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.fixture
def stack() -> Stack:
    return make_stack(integration=make_integration(name="shop"), kind="codedeploy", aws_status="CREATE_IN_PROGRESS")


@pytest.fixture
def aws(stack: Stack) -> Iterator[Stubber]:
    access = accounts.access(stack.integration.aws_account, stack.region)
    with Stubber(session.client(access, "cloudformation")) as answers:
        yield answers
        answers.assert_no_pending_responses()


def event(second: int, logical_id: str, status: str, *, physical_id: str = "", reason: str = "", **fields: Any) -> Any:
    return {
        "StackId": "any",
        "StackName": "any",
        "EventId": f"{logical_id}-{status}-{second}",
        "Timestamp": BEGAN + timedelta(seconds=second),
        "LogicalResourceId": logical_id,
        "PhysicalResourceId": physical_id,
        "ResourceType": STACK if physical_id.startswith("arn:aws:cloudformation") else "AWS::EC2::Thing",
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
        **fields,
    }


def told(aws: Stubber, of: str, *events: Any) -> None:
    """Queue what DescribeStackEvents answers for a stack: newest first."""
    aws.add_response("describe_stack_events", {"StackEvents": list(reversed(events))}, {"StackName": of})


def follow(stack: Stack) -> None:
    history.follow(accounts.access(stack.integration.aws_account, stack.region), stack)


def log(stack: Stack) -> list[str]:
    return [f"{each.logical_id} {each.status}" for each in stack.events.order_by("pk")]


def test_nested_stacks_are_followed_while_they_move_and_once_more_at_their_end(stack: Stack, aws: Stubber) -> None:
    began = event(1, "Fleet", "CREATE_IN_PROGRESS", physical_id=FLEET)
    itself = event(1, "shop-Fleet", "CREATE_IN_PROGRESS", physical_id=FLEET)
    group = event(2, "Group", "CREATE_IN_PROGRESS", physical_id="group")
    told(aws, stack.stack_id, began)
    told(aws, FLEET, itself, group)
    follow(stack)
    assert log(stack) == ["Fleet CREATE_IN_PROGRESS", "Fleet/Group CREATE_IN_PROGRESS"]

    made = event(3, "Group", "CREATE_COMPLETE", physical_id="group")
    ended = event(4, "Fleet", "CREATE_COMPLETE", physical_id=FLEET)
    told(aws, stack.stack_id, began, ended)
    told(aws, FLEET, itself, group, made)
    follow(stack)
    assert log(stack)[2:] == ["Fleet/Group CREATE_COMPLETE", "Fleet CREATE_COMPLETE"]
    history.count_done(stack, after=0)
    stack.refresh_from_db()
    assert (stack.resources_done, stack.resources_total) == (1, 1)

    told(aws, stack.stack_id, began, ended)
    follow(stack)


def test_the_cause_is_the_resource_in_the_nested_stack_that_failed_first(stack: Stack, aws: Stubber) -> None:
    told(
        aws,
        stack.stack_id,
        event(1, "Fleet", "CREATE_IN_PROGRESS", physical_id=FLEET),
        event(5, "Fleet", "CREATE_FAILED", physical_id=FLEET, reason=f"Embedded stack {FLEET} was not created"),
        event(6, "sluice-shop-codedeploy", "ROLLBACK_IN_PROGRESS", physical_id=stack.stack_id),
    )
    told(
        aws,
        FLEET,
        event(2, "Role", "CREATE_COMPLETE"),
        event(3, "Group", "CREATE_FAILED", reason="Received 2 FAILURE signal(s) out of 2."),
        event(4, "Balancer", "CREATE_FAILED", reason="Resource creation cancelled"),
    )
    follow(stack)
    found = history.cause(accounts.access(stack.integration.aws_account, stack.region), stack, after=0)
    assert found is not None
    assert found.message == "Fleet/Group (EC2 Thing) failed: Received 2 FAILURE signal(s) out of 2."
    assert "way to the internet" in found.remedy


def test_a_nested_stack_that_is_gone_takes_nothing_from_the_log(stack: Stack, aws: Stubber) -> None:
    told(aws, stack.stack_id, event(1, "Fleet", "DELETE_IN_PROGRESS", physical_id=FLEET))
    aws.add_client_error("describe_stack_events", "ValidationError", f"Stack [{FLEET}] does not exist")
    follow(stack)
    assert log(stack) == ["Fleet DELETE_IN_PROGRESS"]
