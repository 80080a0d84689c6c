"""Beginning an operation: one at a time for an integration."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from deployers.errors import StackBusy
from deployers.models import Operation, OperationKind, Stack, StackKind
from deployers.states import ACTIVE, AT_WORK
from integrations.models import Integration
from teams.errors import Refused
from teams.models import User


def lock(integration: Integration) -> None:
    """One request at a time, within a transaction. Raises StackBusy while an operation is active, and Refused."""
    if not Integration.objects.select_for_update().filter(pk=integration.pk).exists():
        raise Refused(f"The integration {integration} is gone.")
    active = integration.operations.filter(status__in=sorted(ACTIVE)).first()
    if active is not None:
        raise _busy(active)


def working_stack(integration: Integration) -> Stack:
    """The git stack, at rest and at work. Raises Refused."""
    stack = integration.stacks.filter(kind=StackKind.GIT).first()
    if stack is None or stack.state not in AT_WORK:
        raise Refused(
            f"{integration} has no stack that is ready.", remedy="Provision it, or bring its stack in order, first."
        )
    return stack


def start(
    integration: Integration,
    actor: User | None,
    *,
    stack: Stack | None,
    kind: OperationKind,
    options: dict[str, Any],
    not_before: datetime | None = None,
    batch: UUID | None = None,
) -> Operation:
    """Write the operation; workers take it up. Raises StackBusy."""
    try:
        with transaction.atomic():
            return Operation.objects.create(
                integration=integration,
                stack=stack,
                kind=kind,
                options=options,
                requested_by=actor,
                next_at=not_before,
                batch=batch,
            )
    except IntegrityError as error:
        raise _busy(None) from error


def _busy(active: Operation | None) -> StackBusy:
    what = (
        f"{active.get_kind_display()} is {active.get_status_display().lower()}" if active else "Another one is active"
    )
    return StackBusy(f"One operation at a time: {what}.", remedy="Wait for it to finish, or cancel it.")
