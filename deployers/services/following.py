"""Stacks that follow by themselves what changed at their provider: which of them may be updated now."""

from deployers.errors import StackBusy
from deployers.models import ROTATIONS, OperationKind, Stack
from deployers.services import stacks
from deployers.states import OperationStatus, StackState


def may_update(stack: Stack) -> bool:
    """Whether it is at rest and its newest update ended well: one that failed waits for a person, and is not repeated
    for ever.
    """
    if stack.state != StackState.READY:
        return False
    newest = stack.integration.operations.exclude(kind__in=ROTATIONS).order_by("-created_at").first()
    return newest is None or (
        newest.status in {OperationStatus.SUCCEEDED, OperationStatus.CANCELLED} and newest.kind != OperationKind.DELETE
    )


def update(stack: Stack, *, reason: str) -> bool:
    """Begin an update, which `reason` explains in the audit log; False if somebody was faster."""
    try:
        stacks.follow_up(integration=stack.integration, reason=reason)
    except StackBusy:
        return False
    return True
