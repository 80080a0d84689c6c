"""How an integration as a whole stands, from its stacks and its newest operation."""

from collections.abc import Iterable
from enum import StrEnum

from django.db.models import OuterRef, QuerySet, Subquery

from deployers.models import ROTATIONS, Operation, OperationKind, Stack
from deployers.states import ACTIVE, OperationStatus, StackState
from integrations.models import Integration


class IntegrationState(StrEnum):
    NOT_PROVISIONED = "not_provisioned"
    PROVISIONING = "provisioning"
    UPDATING = "updating"
    DELETING = "deleting"
    ROTATING = "rotating"
    WAITING = "waiting"
    READY = "ready"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"


UNDER_WAY = {
    OperationKind.CREATE: IntegrationState.PROVISIONING,
    OperationKind.UPDATE: IntegrationState.UPDATING,
    OperationKind.DELETE: IntegrationState.DELETING,
    OperationKind.ROTATE_KEY: IntegrationState.ROTATING,
    OperationKind.ROTATE_SECRET: IntegrationState.ROTATING,
}
OF_STACK = {
    StackState.FAILED: IntegrationState.FAILED,
    StackState.ROLLED_BACK: IntegrationState.ROLLED_BACK,
    StackState.DELETING: IntegrationState.DELETING,
    StackState.REVIEW: IntegrationState.PROVISIONING,
    StackState.CREATING: IntegrationState.PROVISIONING,
    StackState.UPDATING: IntegrationState.UPDATING,
    StackState.READY: IntegrationState.READY,
}
"""Worst first: the first of these that any stack is in tells how the integration stands."""


def with_newest_operation(rows: QuerySet[Integration]) -> QuerySet[Integration]:
    """Annotates `operation_kind` and `operation_status`, both None where there was no operation yet."""
    newest = Operation.objects.filter(integration=OuterRef("pk")).order_by("-created_at")
    return rows.annotate(
        operation_kind=Subquery(newest.values("kind")[:1]),
        operation_status=Subquery(newest.values("status")[:1]),
    )


def state_of(integration: Integration) -> IntegrationState:
    """The state of a row that came through `with_newest_operation`, with its stacks."""
    return integration_state(
        stacks=integration.stacks.all(),
        operation_kind=getattr(integration, "operation_kind", None),
        operation_status=getattr(integration, "operation_status", None),
    )


def integration_state(
    *, stacks: Iterable[Stack], operation_kind: str | None, operation_status: str | None
) -> IntegrationState:
    """An active operation says most, then a failed one, then what AWS says of the stacks."""
    if operation_status == OperationStatus.WAITING:
        return IntegrationState.WAITING
    if operation_kind and operation_status in ACTIVE:
        return UNDER_WAY[OperationKind(operation_kind)]
    if operation_status == OperationStatus.FAILED and operation_kind not in ROTATIONS:
        return IntegrationState.FAILED
    states = {stack.state for stack in stacks}
    return next((state for seen, state in OF_STACK.items() if seen in states), IntegrationState.NOT_PROVISIONED)
