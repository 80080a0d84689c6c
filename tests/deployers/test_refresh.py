"""What happens to stacks behind our back is noticed, at the cost of one listing a region."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.stub import Stubber
from django.core.cache import cache
from django.core.management import call_command
from django.utils import timezone

from deployers.aws import session
from deployers.models import AwsAccount, Operation, Stack
from deployers.services import accounts, operations, refresh
from tests.factories import make_account, make_integration, make_operation, make_stack

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_listed_yet() -> None:
    cache.clear()


@pytest.fixture
def account(db: None) -> AwsAccount:
    return make_account()


@pytest.fixture
def aws(account: AwsAccount) -> Iterator[Stubber]:
    with Stubber(session.client(accounts.access(account, "us-east-1"), "cloudformation")) as answers:
        yield answers
        answers.assert_no_pending_responses()


def described(stack: Stack, status: str) -> dict[str, Any]:
    return {
        "StackId": stack.stack_id,
        "StackName": stack.name,
        "StackStatus": status,
        "CreationTime": datetime.now(UTC),
    }


def stack_in(account: AwsAccount) -> Stack:
    return make_stack(integration=make_integration(aws_account=account, team=account.team))


def statuses() -> list[str]:
    return list(Stack.objects.order_by("created_at").values_list("aws_status", flat=True))


def test_a_region_is_listed_once_however_many_stacks_it_has(account: AwsAccount, aws: Stubber) -> None:
    ours = [stack_in(account) for _ in range(3)]
    theirs = {**described(ours[0], "CREATE_COMPLETE"), "StackId": "arn:theirs", "StackName": "theirs"}
    aws.add_response(
        "describe_stacks", {"Stacks": [described(ours[0], "UPDATE_COMPLETE"), theirs], "NextToken": "more"}
    )
    aws.add_response("describe_stacks", {"Stacks": [described(each, "UPDATE_COMPLETE") for each in ours[1:]]})

    assert refresh.refresh_due() == 1
    assert refresh.refresh_due() == 0, "it was listed a moment ago"

    assert statuses() == ["UPDATE_COMPLETE"] * 3


def test_a_stack_that_somebody_deleted_is_noticed(account: AwsAccount, aws: Stubber) -> None:
    stack = stack_in(account)
    aws.add_response("describe_stacks", {"Stacks": []})
    aws.add_response("describe_stacks", {"Stacks": [described(stack, "DELETE_COMPLETE")]})

    refresh.refresh_due()

    stack.refresh_from_db()
    assert (stack.state, stack.outputs) == ("deleted", {})


def test_stacks_of_active_operations_are_left_to_their_worker(account: AwsAccount, aws: Stubber) -> None:
    stack = stack_in(account)
    make_operation(stack=stack)
    aws.add_response("describe_stacks", {"Stacks": []})

    refresh.refresh_due()

    assert statuses() == ["CREATE_COMPLETE"]


def test_an_account_that_cannot_be_listed_holds_up_no_other(account: AwsAccount, aws: Stubber) -> None:
    stack_in(account)
    aws.add_client_error("describe_stacks", "AccessDenied")

    assert refresh.refresh_due() == 1
    assert statuses() == ["CREATE_COMPLETE"]


def test_the_sweep_command_hands_out_expired_leases() -> None:
    operation = make_operation()
    assert operations.claim(operation.pk)
    Operation.objects.update(lease_until=timezone.now() - timedelta(seconds=1))

    call_command("sweep", once=True)

    assert operations.claim(operation.pk)
