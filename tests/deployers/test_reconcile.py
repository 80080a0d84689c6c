"""How operations go on, wait and end, whatever AWS answers: its API is answered by botocore's stub."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.stub import ANY, Stubber
from django.utils import timezone

from deployers import requests
from deployers.aws import session
from deployers.models import Operation, OperationKind, Stack, StackKind
from deployers.services import accounts, reconcile, stacks, ticks
from deployers.services.operations import MAX_ATTEMPTS
from deployers.states import OperationStatus, Step
from tests.factories import make_integration, make_operation, make_stack

pytestmark = pytest.mark.django_db


@pytest.fixture
def stack() -> Stack:
    return make_stack(integration=make_integration(name="shop"), aws_status="UPDATE_COMPLETE")


@pytest.fixture
def aws(stack: Stack) -> Iterator[Stubber]:
    access = accounts.access(stack.integration.aws_account, stack.region)
    with Stubber(session.client(access, "cloudformation")) as answers:
        yield answers
        answers.assert_no_pending_responses()


def described(stack: Stack, status: str, **fields: Any) -> dict[str, Any]:
    return {
        "Stacks": [
            {
                "StackId": stack.stack_id,
                "StackName": stack.name,
                "StackStatus": status,
                "CreationTime": datetime.now(UTC),
                "Tags": [{"Key": requests.OWNER_TAG, "Value": str(stack.integration_id)}],
                **fields,
            }
        ]
    }


def no_events(aws: Stubber) -> None:
    aws.add_response("describe_stack_events", {"StackEvents": []})


def update(stack: Stack, **fields: Any) -> Operation:
    return make_operation(stack=stack, kind=OperationKind.UPDATE, **fields)


def advanced(operation: Operation) -> Operation:
    stacks.advance(operation)
    operation.refresh_from_db()
    return operation


def test_throttling_is_waited_out_however_long_it_takes(stack: Stack, aws: Stubber) -> None:
    operation = update(stack)
    for _ in range(MAX_ATTEMPTS + 5):
        aws.add_client_error("describe_stacks", "Throttling")
        Operation.objects.filter(pk=operation.pk).update(next_at=None)
        advanced(operation)

    assert (operation.status, operation.problem_code) == (OperationStatus.RUNNING, "aws_throttled")
    assert operation.next_at is not None
    assert timezone.now() < operation.next_at < timezone.now() + timedelta(minutes=2)

    aws.add_response("describe_stacks", described(stack, "UPDATE_COMPLETE"))
    Operation.objects.filter(pk=operation.pk).update(next_at=None)
    advanced(operation)
    assert (operation.step, operation.attempts, operation.problem) == (Step.PUBLISH, 0, "")


def test_an_aws_that_stays_away_fails_the_operation_at_last_with_words(stack: Stack, aws: Stubber) -> None:
    operation = update(stack)
    for _ in range(MAX_ATTEMPTS):
        aws.add_client_error("describe_stacks", "InternalFailure", http_status_code=500)
        Operation.objects.filter(pk=operation.pk).update(next_at=None)
        advanced(operation)

    assert (operation.status, operation.problem_code) == (OperationStatus.FAILED, "aws_unreachable")
    assert "DescribeStacks" in operation.problem


def test_what_aws_denies_fails_at_once(stack: Stack, aws: Stubber) -> None:
    aws.add_client_error("describe_stacks", "AccessDenied", "User: x is not authorized to perform: y")
    operation = advanced(update(stack))
    assert (operation.status, operation.problem_code) == (OperationStatus.FAILED, "aws_access_denied")
    assert operation.remedy


def test_an_error_of_our_own_is_tried_again_and_told_at_last(stack: Stack) -> None:
    operation = update(stack, step="no-such-step")
    for _ in range(MAX_ATTEMPTS):
        Operation.objects.filter(pk=operation.pk).update(next_at=None)
        with pytest.raises(ValueError, match="no-such-step"):
            stacks.advance(operation)
    operation.refresh_from_db()
    assert (operation.status, operation.problem_code) == (OperationStatus.FAILED, "internal_error")


def test_one_broken_operation_does_not_hold_up_the_others(stack: Stack, aws: Stubber) -> None:
    broken = make_operation(step="no-such-step")
    healthy = update(stack)
    aws.add_response("describe_stacks", described(stack, "UPDATE_IN_PROGRESS"))

    assert ticks.tick() == 2

    broken.refresh_from_db()
    healthy.refresh_from_db()
    assert (broken.attempts, healthy.step) == (1, Step.PREPARE)


def test_a_tick_asks_aws_about_active_operations_only(stack: Stack, aws: Stubber) -> None:
    for _ in range(5):
        make_stack()
    update(stack)
    # One answer is all there is: another request would find none.
    aws.add_response("describe_stacks", described(stack, "UPDATE_IN_PROGRESS"))
    ticks.tick()


def test_a_stack_that_another_works_on_is_waited_for(stack: Stack, aws: Stubber) -> None:
    aws.add_response("describe_stacks", described(stack, "UPDATE_IN_PROGRESS"))
    operation = advanced(update(stack))
    assert (operation.status, operation.step) == (OperationStatus.RUNNING, Step.PREPARE)
    assert not stacks.advance(operation), "its time has not come"


def test_a_rollback_that_got_stuck_is_offered_to_be_continued(stack: Stack, aws: Stubber) -> None:
    aws.add_response("describe_stacks", described(stack, "UPDATE_ROLLBACK_FAILED", StackStatusReason="no queue"))
    operation = advanced(update(stack))
    assert (operation.status, operation.problem_code) == (OperationStatus.FAILED, "update_rollback_failed")
    assert "no queue" in operation.problem
    assert "Retry" in operation.remedy


def test_retry_continues_a_rollback_that_got_stuck_and_then_updates(stack: Stack, aws: Stubber) -> None:
    operation = update(stack, options={"repair": True})
    aws.add_response("describe_stacks", described(stack, "UPDATE_ROLLBACK_FAILED"))
    assert advanced(operation).step == Step.REPAIR
    aws.add_response("describe_stacks", described(stack, "UPDATE_ROLLBACK_FAILED"))
    no_events(aws)
    aws.add_response(
        "continue_update_rollback",
        {},
        {"StackName": stack.stack_id, "ClientRequestToken": requests.token(operation.pk, "repair")},
    )
    advanced(operation)
    Operation.objects.filter(pk=operation.pk).update(next_at=None)
    aws.add_response("describe_stacks", described(stack, "UPDATE_ROLLBACK_COMPLETE"))
    no_events(aws)
    assert advanced(operation).step == Step.PREPARE
    aws.add_response("describe_stacks", described(stack, "UPDATE_ROLLBACK_COMPLETE"))
    assert advanced(operation).step == Step.PUBLISH


def test_a_change_set_that_aws_computes_is_waited_for(stack: Stack, aws: Stubber) -> None:
    change_set = {"ChangeSetId": "arn:c", "StackId": stack.stack_id, "Status": "CREATE_IN_PROGRESS"}
    aws.add_response("describe_change_set", change_set)
    operation = advanced(update(stack, step=Step.CHANGE_SET, change_set_id="arn:c"))
    assert (operation.step, operation.status) == (Step.CHANGE_SET, OperationStatus.RUNNING)


def test_a_change_set_that_somebody_deleted_is_made_anew(stack: Stack, aws: Stubber) -> None:
    aws.add_client_error("describe_change_set", "ChangeSetNotFound")
    operation = advanced(update(stack, step=Step.CHANGE_SET, change_set_id="arn:c"))
    assert (operation.step, operation.change_set_id) == (Step.CHANGE_SET, "")


def test_a_stack_is_not_taken_for_done_before_its_change_set_is(stack: Stack, aws: Stubber) -> None:
    """Right after the execution AWS may still show the state from before it."""
    aws.add_response("describe_stacks", described(stack, "UPDATE_COMPLETE"))
    no_events(aws)
    change_set = {"ChangeSetId": "arn:c", "StackId": stack.stack_id, "Status": "CREATE_COMPLETE"}
    aws.add_response("describe_change_set", change_set | {"ExecutionStatus": "EXECUTE_IN_PROGRESS"})
    operation = advanced(update(stack, step=Step.WATCH, change_set_id="arn:c", step_started_at=timezone.now()))
    assert (operation.step, operation.status) == (Step.WATCH, OperationStatus.RUNNING)


def test_an_older_answer_changes_nothing_that_a_newer_one_told(stack: Stack, aws: Stubber) -> None:
    Stack.objects.filter(pk=stack.pk).update(seen_at=timezone.now() + timedelta(seconds=5))
    aws.add_response("describe_stacks", described(stack, "UPDATE_IN_PROGRESS"))
    advanced(update(stack))
    stack.refresh_from_db()
    assert stack.aws_status == "UPDATE_COMPLETE"


def test_cancelling_before_the_execution_deletes_the_change_set(stack: Stack, aws: Stubber) -> None:
    operation = update(stack, step=Step.EXECUTE, change_set_id="arn:c", cancel_requested=True)
    change_set = {"ChangeSetId": "arn:c", "StackId": stack.stack_id, "Status": "CREATE_COMPLETE"}
    aws.add_response("describe_change_set", change_set | {"ExecutionStatus": "AVAILABLE"})
    aws.add_response("delete_change_set", {}, {"ChangeSetName": "arn:c"})
    aws.add_response("describe_stacks", described(stack, "UPDATE_COMPLETE"))

    assert advanced(operation).status == OperationStatus.CANCELLED


def test_cancelling_a_creation_before_its_execution_leaves_no_empty_stack(stack: Stack, aws: Stubber) -> None:
    operation = make_operation(stack=stack, step=Step.EXECUTE, change_set_id="arn:c", cancel_requested=True)
    change_set = {"ChangeSetId": "arn:c", "StackId": stack.stack_id, "Status": "CREATE_COMPLETE"}
    aws.add_response("describe_change_set", change_set | {"ExecutionStatus": "AVAILABLE"})
    aws.add_response("delete_change_set", {}, {"ChangeSetName": "arn:c"})
    aws.add_response("describe_stacks", described(stack, "REVIEW_IN_PROGRESS"))
    aws.add_response("delete_stack", {}, {"StackName": stack.stack_id, "ClientRequestToken": ANY})

    assert advanced(operation).status == OperationStatus.CANCELLED
    stack.refresh_from_db()
    assert (stack.stack_id, stack.aws_status) == ("", "")


def test_what_a_lost_worker_executed_is_followed_though_it_was_to_be_cancelled(stack: Stack, aws: Stubber) -> None:
    operation = update(stack, step=Step.EXECUTE, change_set_id="arn:c", cancel_requested=True)
    change_set = {"ChangeSetId": "arn:c", "StackId": stack.stack_id, "Status": "CREATE_COMPLETE"}
    for _ in range(2):
        aws.add_response("describe_change_set", change_set | {"ExecutionStatus": "EXECUTE_IN_PROGRESS"})

    assert advanced(operation).step == Step.WATCH


def test_an_update_is_cancelled_half_way_by_rolling_it_back(stack: Stack, aws: Stubber) -> None:
    operation = update(stack, step=Step.WATCH, change_set_id="arn:c", cancel_requested=True)
    aws.add_response("describe_stacks", described(stack, "UPDATE_IN_PROGRESS"))
    aws.add_response(
        "cancel_update_stack",
        {},
        {"StackName": stack.stack_id, "ClientRequestToken": requests.token(operation.pk, "cancel")},
    )
    assert advanced(operation).status == OperationStatus.RUNNING
    Operation.objects.filter(pk=operation.pk).update(next_at=None)
    aws.add_response("describe_stacks", described(stack, "UPDATE_ROLLBACK_COMPLETE"))
    no_events(aws)
    change_set = {"ChangeSetId": "arn:c", "StackId": stack.stack_id, "Status": "CREATE_COMPLETE"}
    aws.add_response("describe_change_set", change_set | {"ExecutionStatus": "EXECUTE_FAILED"})

    assert advanced(operation).status == OperationStatus.CANCELLED


def resources(*failed: tuple[str, str]) -> dict[str, Any]:
    """ListStackResources with resources that could not be deleted: logical id and type."""
    return {
        "StackResourceSummaries": [
            {
                "LogicalResourceId": logical_id,
                "PhysicalResourceId": f"physical-{logical_id}",
                "ResourceType": resource_type,
                "ResourceStatus": "DELETE_FAILED",
                "LastUpdatedTimestamp": datetime.now(UTC),
            }
            for logical_id, resource_type in failed
        ]
    }


def test_what_cannot_be_deleted_is_tried_twice_and_then_told_with_its_cause(stack: Stack, aws: Stubber) -> None:
    operation = make_operation(
        stack=stack, kind=OperationKind.DELETE, step=Step.WATCH_DELETION, options={"bucket": "keep"}
    )
    event = {
        "StackId": stack.stack_id,
        "StackName": stack.name,
        "EventId": "e1",
        "Timestamp": datetime.now(UTC),
        "LogicalResourceId": "Role",
        "ResourceType": "AWS::IAM::Role",
        "ResourceStatus": "DELETE_FAILED",
        "ResourceStatusReason": "Cannot delete entity, must detach all policies first.",
    }
    for attempt in (1, 2):
        aws.add_response("describe_stacks", described(stack, "DELETE_FAILED"))
        aws.add_response("describe_stack_events", {"StackEvents": [event]})
        aws.add_response("list_stack_resources", resources(("Role", "AWS::IAM::Role")))
        if attempt == 1:
            token = requests.token(operation.pk, "delete-1")
            aws.add_response("delete_stack", {}, {"StackName": stack.stack_id, "ClientRequestToken": token})
        advanced(operation)

    assert (operation.status, operation.problem_code) == (OperationStatus.FAILED, "delete_failed")
    assert "Role (IAM Role) failed: Cannot delete entity" in operation.problem


def test_a_bucket_to_keep_is_retained_and_named(stack: Stack, aws: Stubber) -> None:
    operation = make_operation(
        stack=stack, kind=OperationKind.DELETE, step=Step.WATCH_DELETION, options={"bucket": "keep"}
    )
    aws.add_response("describe_stacks", described(stack, "DELETE_FAILED"))
    no_events(aws)
    aws.add_response("list_stack_resources", resources(("OutputBucket", "AWS::S3::Bucket")))
    aws.add_response(
        "delete_stack",
        {},
        {
            "StackName": stack.stack_id,
            "ClientRequestToken": requests.token(operation.pk, "delete-1"),
            "RetainResources": ["OutputBucket"],
        },
    )
    assert advanced(operation).options["kept_bucket"] == "physical-OutputBucket"


def test_a_stack_at_work_is_deleted_once_it_is_through(stack: Stack, aws: Stubber) -> None:
    operation = make_operation(stack=stack, kind=OperationKind.DELETE, step=Step.DELETE_STACK)
    aws.add_response("describe_stacks", described(stack, "CREATE_IN_PROGRESS"))
    no_events(aws)
    assert advanced(operation).step == Step.DELETE_STACK


def test_every_step_has_a_function() -> None:
    assert set(reconcile.STEPS) == set(Step)
    for kind in OperationKind.values:
        assert {reconcile.first_step(kind, each) for each in StackKind.values} <= set(reconcile.STEPS)
