"""What a stack's status forbids: each call that AWS refuses then, in AWS's words.

MiniStack takes a creation in the place of one that failed, deletes a stack in the middle of an update, and words its
refusals differently. The panel reads those words.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html (status codes)
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stack-failure-options.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateChangeSet.html
"""

# MiniStack offers no hooks: what it gets wrong is replaced where it stands.
# ruff: noqa: SLF001

from collections.abc import Callable
from typing import Any

from sandbox.hooks import replace

UPDATABLE = frozenset(
    {
        "CREATE_COMPLETE",
        "UPDATE_COMPLETE",
        "UPDATE_ROLLBACK_COMPLETE",
        "IMPORT_COMPLETE",
        "IMPORT_ROLLBACK_COMPLETE",
        # Failed, and kept as it was: people mend it by an update.
        "CREATE_FAILED",
        "UPDATE_FAILED",
    }
)
"""Statuses in which a stack takes an update or a change set of one."""

UNDELETABLE = frozenset(
    {
        "UPDATE_IN_PROGRESS",
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "UPDATE_ROLLBACK_IN_PROGRESS",
        "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
        "IMPORT_IN_PROGRESS",
        "IMPORT_ROLLBACK_IN_PROGRESS",
    }
)
"""Statuses in which a stack cannot be deleted; one that is being created or deleted can."""

Call = Callable[[dict[str, Any]], Any]


def install() -> None:
    """Change MiniStack in this process; call before it serves."""
    from ministack.services.cloudformation import handlers

    calls = handlers._ACTION_HANDLERS
    replace(calls, "CreateStack", _create)
    replace(calls, "UpdateStack", _update)
    replace(calls, "CreateChangeSet", _change_set)
    replace(calls, "ExecuteChangeSet", _execute)
    replace(calls, "DeleteStack", _delete)


def _stack(params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """What the call names its stack, and the stack; {} if there is none, or a deleted one of that name."""
    from ministack.services.cloudformation import handlers, helpers

    named: str = helpers._p(params, "StackName")
    stack: dict[str, Any] = handlers._resolve_stack(named) or {}
    return named, {} if stack.get("StackStatus") == "DELETE_COMPLETE" else stack


def _refuse(message: str, code: str = "ValidationError") -> Any:
    from ministack.services.cloudformation import helpers

    return helpers._error(code, message)


def _not_updatable(stack: dict[str, Any]) -> Any:
    """The refusal of an update, or None."""
    status = stack.get("StackStatus")
    if status is None or status in UPDATABLE:
        return None
    # Without a template there is no stack yet, only its name: https://github.com/boto/boto3/issues/2327
    if status == "REVIEW_IN_PROGRESS":
        return _refuse(f"Stack [{stack['StackName']}] does not exist")
    return _refuse(f"Stack:{stack['StackId']} is in {status} state and can not be updated.")


def _create(act: Call) -> Call:
    def create(params: dict[str, Any]) -> Any:
        named, stack = _stack(params)
        if stack:
            return _refuse(f"Stack [{named}] already exists", "AlreadyExistsException")
        return act(params)

    return create


def _update(act: Call) -> Call:
    def update(params: dict[str, Any]) -> Any:
        _, stack = _stack(params)
        if refusal := _not_updatable(stack):
            return refusal
        before = stack.get("StackStatus", "")
        if before in {"CREATE_FAILED", "UPDATE_FAILED"}:
            # MiniStack knows only the stacks that are complete.
            stack["StackStatus"] = "UPDATE_COMPLETE"
        answer = act(params)
        if stack.get("StackStatus") == "UPDATE_COMPLETE" != before:
            stack["StackStatus"] = before
        return answer

    return update


def _change_set(act: Call) -> Call:
    def create_change_set(params: dict[str, Any]) -> Any:
        from ministack.services.cloudformation import helpers

        named, stack = _stack(params)
        kind = helpers._p(params, "ChangeSetType", "UPDATE")
        if kind == "CREATE" and stack.get("StackStatus", "REVIEW_IN_PROGRESS") != "REVIEW_IN_PROGRESS":
            name = helpers._p(params, "ChangeSetName")
            return _refuse(f"Stack [{named}] already exists and cannot be created again with the changeSet [{name}].")
        if kind == "UPDATE" and (refusal := _not_updatable(stack)):
            return refusal
        return act(params)

    return create_change_set


def _execute(act: Call) -> Call:
    """A change set is of the stack as it was: one that is at work, or failed since, does not take it."""

    def execute(params: dict[str, Any]) -> Any:
        from ministack.services.cloudformation import changesets, helpers

        _, stack = _stack(params)
        name = helpers._p(params, "ChangeSetName")
        _, found = changesets._find_change_set(name, stack.get("StackName", ""))
        if found is None:
            return act(params)
        if found["ExecutionStatus"] != "AVAILABLE":
            said = found["Status"] if found["ExecutionStatus"] == "UNAVAILABLE" else found["ExecutionStatus"]
            return _refuse(
                f"ChangeSet [{found['ChangeSetId']}] cannot be executed in its current status of [{said}]",
                "InvalidChangeSetStatus",
            )
        own = _stack({"StackName": [found["StackId"]]})[1]
        if own.get("StackStatus") != "REVIEW_IN_PROGRESS" and (refusal := _not_updatable(own)):
            return refusal
        return act(params)

    return execute


def _delete(act: Call) -> Call:
    def delete(params: dict[str, Any]) -> Any:
        _, stack = _stack(params)
        if stack.get("StackStatus") in UNDELETABLE:
            return _refuse(f"Stack [{stack['StackId']}] cannot be deleted while in status {stack['StackStatus']}")
        return act(params)

    return delete
