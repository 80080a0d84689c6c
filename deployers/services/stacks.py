"""What people ask of stacks. Each writes an operation and returns; workers bring it about (`advance`)."""

from contextlib import suppress
from typing import Any

from django.db import IntegrityError, transaction

from deployers import catalog, requests
from deployers.errors import NotCancellable, NothingToRetry, StackBusy
from deployers.models import Operation, OperationKind, Stack, StackKind
from deployers.services import operations
from deployers.services.reconcile import advance
from deployers.states import ACTIVE, CANCELLABLE, OperationStatus, StackState, Step
from integrations.models import Integration, Method, Provider
from teams.errors import Refused
from teams.models import Role, User
from teams.services import audit, roles

__all__ = ["advance", "cancel", "delete", "follow_provider", "follow_up", "provision", "retry"]

BUCKET_CHOICES = ("keep", "purge")


def provision(*, integration: Integration, actor: User) -> Operation:
    """Create the integration's stack, or bring it up to date. Raises Forbidden and StackBusy."""
    roles.require(Role.OPERATOR, user=actor, team=integration.team)
    return _apply(integration, actor, repair=False)


def follow_provider(*, provider: Provider, actor: User) -> list[Operation]:
    """Bring the ready stacks of a provider's git pull integrations up to date, as after its host keys were confirmed.

    Those with an active operation are left out. Raises Forbidden.
    """
    roles.require(Role.OPERATOR, user=actor, team=provider.team)
    found = Stack.objects.filter(
        kind=StackKind.GIT, integration__repository__provider=provider, integration__method=Method.GIT_PULL
    ).select_related("integration__team")
    started = []
    for stack in found:
        if stack.state == StackState.READY:
            with suppress(StackBusy):
                started.append(_apply(stack.integration, actor, repair=False))
    return started


def follow_up(*, integration: Integration, reason: str) -> Operation:
    """Bring the stack up to date because something changed that nobody here did; `reason` goes into the audit log.

    Raises StackBusy.
    """
    return _apply(integration, None, repair=False, reason=reason)


def _apply(integration: Integration, actor: User | None, *, repair: bool, reason: str = "") -> Operation:
    kind = catalog.KINDS[StackKind.GIT]
    with transaction.atomic():
        _lock(integration)
        stack, _ = Stack.objects.get_or_create(
            integration=integration,
            kind=kind.kind,
            defaults={"name": requests.stack_name(integration.name, kind.suffix), "region": integration.region},
        )
        new = stack.state in {StackState.ABSENT, StackState.REVIEW, StackState.DELETED} or stack.aws_status in {
            "ROLLBACK_COMPLETE",
            "ROLLBACK_FAILED",
            "CREATE_FAILED",
        }
        operation = _start(
            integration,
            actor,
            stack=stack,
            kind=OperationKind.CREATE if new else OperationKind.UPDATE,
            options={"repair": True} if repair else {},
        )
        audit.record(
            actor=actor,
            team=integration.team,
            action="integration.provision",
            target=integration,
            changes={"operation": str(operation.pk), "kind": operation.kind} | ({"reason": reason} if reason else {}),
        )
    return operation


def delete(*, integration: Integration, actor: User, bucket: str = "keep") -> Operation:
    """Remove the integration: webhook, deploy key, stack and rows. Raises Forbidden, Refused and StackBusy.

    `bucket`: `keep` leaves a bucket that holds artifacts behind, `purge` deletes it with all that is in it.
    """
    roles.require(Role.ADMIN, user=actor, team=integration.team)
    if bucket not in BUCKET_CHOICES:
        raise Refused("Choose what happens to the artifacts: keep or purge.", field="bucket")
    with transaction.atomic():
        _lock(integration)
        operation = _start(
            integration,
            actor,
            stack=integration.stacks.filter(kind=StackKind.GIT).first(),
            kind=OperationKind.DELETE,
            options={"bucket": bucket},
        )
        audit.record(
            actor=actor,
            team=integration.team,
            action="integration.delete",
            target=integration,
            changes={"operation": str(operation.pk), "bucket": bucket},
        )
    return operation


def _lock(integration: Integration) -> None:
    """One request at a time for an integration. Raises StackBusy while an operation is active."""
    if not Integration.objects.select_for_update().filter(pk=integration.pk).exists():
        raise Refused(f"The integration {integration} is gone.")
    active = integration.operations.filter(status__in=sorted(ACTIVE)).first()
    if active is not None:
        raise _busy(active)


def _busy(active: Operation | None) -> StackBusy:
    what = (
        f"{active.get_kind_display()} is {active.get_status_display().lower()}" if active else "Another one is active"
    )
    return StackBusy(f"One operation at a time: {what}.", remedy="Wait until it is through, or cancel it.")


def _start(
    integration: Integration, actor: User | None, *, stack: Stack | None, kind: OperationKind, options: dict[str, Any]
) -> Operation:
    try:
        with transaction.atomic():
            return Operation.objects.create(
                integration=integration, stack=stack, kind=kind, options=options, requested_by=actor
            )
    except IntegrityError as error:
        raise _busy(None) from error


def retry(*, operation: Operation, actor: User) -> Operation:
    """Try again what failed or was cancelled, as a new operation.

    What a failed creation left is removed first, and a rollback that got stuck is continued. Raises Forbidden,
    NothingToRetry and StackBusy.
    """
    operation.refresh_from_db()
    integration = operation.integration
    if operation.status not in {OperationStatus.FAILED, OperationStatus.CANCELLED}:
        raise NothingToRetry("Only an operation that failed or was cancelled can be tried again.")
    if integration is None:
        raise NothingToRetry("The integration of this operation is gone.")
    if integration.operations.filter(created_at__gt=operation.created_at).exists():
        raise NothingToRetry("A newer operation took the place of this one.", remedy="Retry the newest one.")
    if operation.kind == OperationKind.DELETE:
        return delete(integration=integration, actor=actor, bucket=operation.options.get("bucket", "keep"))
    roles.require(Role.OPERATOR, user=actor, team=integration.team)
    return _apply(integration, actor, repair=True)


def cancel(*, operation: Operation, actor: User) -> Operation:
    """Stop an operation at the next point where that is safe. Raises Forbidden and NotCancellable."""
    roles.require(Role.OPERATOR, user=actor, team=operation.team)
    operation.refresh_from_db()
    if not operation.active:
        raise NotCancellable("The operation is over.")
    updating = operation.kind == OperationKind.UPDATE and operation.step == Step.WATCH
    before = operation.kind != OperationKind.DELETE and operation.step in CANCELLABLE
    if not (before or updating or operation.status == OperationStatus.QUEUED):
        raise NotCancellable(
            "CloudFormation cannot stop this half-way.",
            remedy="Wait until it is through; delete the integration if you do not want it.",
        )
    if not operations.cancel_queued(operation.pk):
        Operation.objects.filter(pk=operation.pk, status__in=sorted(ACTIVE)).update(cancel_requested=True)
    audit.record(actor=actor, team=operation.team, action="operation.cancel", target=operation)
    operation.refresh_from_db()
    return operation
