"""The stack of a first deployment that failed is removed, and never one that works."""

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.cloudformation.models import cloudformation_backends

from lambdas.stage_codepipeline import clear as module
from lambdas.stage_codepipeline.clear import clear
from lambdas.stage_codepipeline.job import BadJob

NAME = "site-service"
TEMPLATE = json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": {"T": {"Type": "AWS::SNS::Topic"}}})


@pytest.fixture
def cloudformation(stack: object) -> Any:
    return boto3.client("cloudformation")


def make(cloudformation: Any, status: str) -> str:
    """A stack in this state; its id."""
    made: str = cloudformation.create_stack(StackName=NAME, TemplateBody=TEMPLATE)["StackId"]
    put(made, status)
    return made


def put(stack_id: str, status: str) -> None:
    _, _, _, region, account, _ = stack_id.split(":", 5)
    cloudformation_backends[account][region].stacks[stack_id].status = status


def state(cloudformation: Any, name: str) -> str:
    try:
        [found] = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError:
        return "gone"
    return str(found["StackStatus"])


@pytest.mark.parametrize("status", sorted(module.NEVER_WORKED))
def test_a_stack_that_never_worked_is_removed_and_waited_for(cloudformation: Any, status: str) -> None:
    made = make(cloudformation, status)

    begun = clear(NAME, "", cloudformation=cloudformation)

    assert begun.token == made
    assert state(cloudformation, NAME) in {"gone", "DELETE_COMPLETE"}
    ended = clear(NAME, begun.token, cloudformation=cloudformation)
    assert (ended.token, ended.summary) == ("", f"Removed the stack {NAME}, whose first deployment failed")


@pytest.mark.parametrize(
    "status",
    [
        "CREATE_COMPLETE",
        "UPDATE_COMPLETE",
        "UPDATE_FAILED",
        "UPDATE_ROLLBACK_COMPLETE",
        "UPDATE_ROLLBACK_FAILED",
        "IMPORT_COMPLETE",
        "REVIEW_IN_PROGRESS",
        "UPDATE_IN_PROGRESS",
    ],
)
def test_a_stack_that_worked_stays(cloudformation: Any, status: str) -> None:
    make(cloudformation, status)

    cleared = clear(NAME, "", cloudformation=cloudformation)

    assert cleared.token == ""
    assert state(cloudformation, NAME) == status


def test_without_a_stack_there_is_nothing_to_do(cloudformation: Any) -> None:
    assert clear(NAME, "", cloudformation=cloudformation).token == ""


@pytest.mark.parametrize("status", ["DELETE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"])
def test_a_stack_on_its_way_is_waited_for(cloudformation: Any, status: str) -> None:
    made = make(cloudformation, status)

    waits = clear(NAME, "", cloudformation=cloudformation)
    assert waits.token

    put(made, "ROLLBACK_COMPLETE")
    assert clear(NAME, waits.token, cloudformation=cloudformation).token == made


def test_a_stack_that_cannot_be_deleted_is_told(cloudformation: Any) -> None:
    made = make(cloudformation, "DELETE_FAILED")
    with pytest.raises(BadJob, match="could not be deleted"):
        clear(NAME, made, cloudformation=cloudformation)


@pytest.mark.parametrize(
    ("parameters", "wanted"),
    [('{"clear": true}', True), ('{"clear": "yes"}', False), ('{"version": "v"}', False), ("no json", False)],
)
def test_only_its_own_action_asks_for_it(parameters: str, *, wanted: bool) -> None:
    job = {"data": {"actionConfiguration": {"configuration": {"UserParameters": parameters}}}}
    assert module.wanted(job) is wanted
