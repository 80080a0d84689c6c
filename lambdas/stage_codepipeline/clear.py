"""Removes the stack of a first deployment that failed, so that the next one can make it.

A stack that failed while it was made can only be deleted: with CREATE_UPDATE every later run would fail on it. The
action mode REPLACE_ON_FAILURE is no way out: it also deletes stacks that worked and whose update could not be rolled
back. So the stack is deleted here, in a state that only a stack has that never worked.

https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-CloudFormation.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambdas.common import log
from lambdas.stage_codepipeline.job import BadJob

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

NEVER_WORKED = frozenset({"CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"})
"""States that follow a failed creation, and nothing else."""
_ON_ITS_WAY = frozenset({"DELETE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"})


@dataclass(frozen=True, slots=True)
class Cleared:
    """How far it is. With a `token` the job is asked again, with that token, until there is none."""

    summary: str
    token: str = ""


def wanted(job: Mapping[str, Any]) -> bool:
    """Whether a job asks for this: its UserParameters are `{"clear": true}`."""
    try:
        parameters = json.loads(job["data"]["actionConfiguration"]["configuration"].get("UserParameters") or "{}")
    except (KeyError, TypeError, AttributeError, ValueError):
        return False
    return isinstance(parameters, dict) and parameters.get("clear") is True


def clear(stack_name: str, token: str, *, cloudformation: "CloudFormationClient") -> Cleared:
    """Do the next step. `token` is that of the step before, or empty: the id of the stack that is being deleted.

    Raises BadJob where only a person can help, and botocore's errors.
    """
    stack = _find(cloudformation, token or stack_name)
    status = stack["StackStatus"] if stack else "DELETE_COMPLETE"
    if token and status == "DELETE_COMPLETE":
        return Cleared(f"Removed the stack {stack_name}, whose first deployment failed")
    if stack is None or status == "DELETE_COMPLETE":
        return Cleared("There is no stack yet")
    if status in _ON_ITS_WAY:
        return Cleared(f"The stack {stack_name} is {status}", token or _waits(stack, status))
    if status == "DELETE_FAILED":
        raise BadJob(
            f"The stack {stack_name} could not be deleted: {stack.get('StackStatusReason') or 'its events tell why'}."
            " Delete it in the CloudFormation console, then press Retry."
        )
    if status not in NEVER_WORKED:
        return Cleared(f"The stack {stack_name} is {status} and stays")
    cloudformation.delete_stack(StackName=stack["StackId"])
    log.info("failed_stack_deleted", stack=stack["StackId"], status=status)
    return Cleared(f"Removing the stack {stack_name}, whose first deployment failed", stack["StackId"])


def _waits(stack: Mapping[str, Any], status: str) -> str:
    """A stack on its way to be deleted is waited for by its id; one that is rolled back is looked at anew."""
    return str(stack["StackId"] if status == "DELETE_IN_PROGRESS" else stack["StackName"])


def _find(cloudformation: "CloudFormationClient", name: str) -> Mapping[str, Any] | None:
    try:
        [stack] = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except cloudformation.exceptions.ClientError as error:
        problem = error.response["Error"]
        if problem.get("Code") == "ValidationError" and "does not exist" in problem.get("Message", ""):
            return None
        raise
    return dict(stack)
