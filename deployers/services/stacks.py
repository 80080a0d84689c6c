"""What people ask of stacks. Each writes an operation and returns; workers bring it about (`advance`)."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from django.db import transaction

from deployers import catalog, requests
from deployers.errors import NotCancellable, NothingToRetry, NotWaiting, StackBusy
from deployers.models import Operation, OperationKind, Stack, StackKind
from deployers.services import accounts, images, key_rotation, operations, secret_rotation, starting
from deployers.services.reconcile import advance
from deployers.states import ACTIVE, AT_WORK, STOPPABLE, OperationStatus, StackState, Step
from integrations.models import Deployer, Integration, Method, Provider, Repository, Transport
from teams import policy
from teams.errors import Refused
from teams.models import User
from teams.policy import Act
from teams.services import audit

__all__ = [
    "advance",
    "approve",
    "cancel",
    "delete",
    "follow_provider",
    "follow_repository",
    "follow_up",
    "provision",
    "remove",
    "retry",
    "update_image",
    "wanted",
]

BUCKET_CHOICES = ("keep", "purge")


_KINDS: dict[str, str] = {Deployer.CODEDEPLOY: StackKind.CODEDEPLOY, Deployer.ECS: StackKind.ECS}


_NOT_MADE = frozenset({StackState.ABSENT, StackState.REVIEW, StackState.DELETED})


def wanted(integration: Integration) -> list[str]:
    """The kinds of stacks that an integration consists of, in the order in which they are made."""
    return [StackKind.GIT, *(_KINDS[each] for each in integration.deployers)]


def provision(*, integration: Integration, actor: User, review: bool | None = None) -> Operation:
    """Create the integration's stacks, or bring them up to date, one after the other in one operation.

    With `review` it waits before each stack until its changes are approved. None: only where a deployer's stack is made
    for the first time, as that is where instances, roles and costs begin. Raises Forbidden, StackBusy,
    AccountClosed while its AWS account is not connected, and PermissionsMissing if its last check says so.
    """
    policy.require(Act.PROVISION, user=actor, team=integration.team, integration=integration.pk)
    accounts.access(integration.aws_account, integration.region)
    for kind in wanted(integration):
        accounts.require_permissions(integration.aws_account, kind)
    if review is None:
        review = _makes_a_deployer(integration)
    return _apply(integration, actor, kinds=wanted(integration), options={"review": True} if review else {})


def update_image(*, stack: Stack, actor: User) -> Operation:
    """Have the stack's instances made from the newest image, once its changes are approved.

    Raises Forbidden, Refused, StackBusy, AccountClosed and PermissionsMissing.
    """
    return _update_image(stack, actor, {})


def _update_image(stack: Stack, actor: User, options: Mapping[str, Any]) -> Operation:
    integration = stack.integration
    policy.require(Act.PROVISION, user=actor, team=integration.team, integration=integration.pk)
    if not images.parameter_of(integration, stack.kind) or stack.kind not in wanted(integration):
        raise Refused(f"The stack {stack} makes no instances.")
    if own := images.chosen(integration, stack.kind):
        raise Refused(
            f"{integration} stays with the image {own}, which was chosen.",
            remedy=f"Write another one, or leave {images.PINNED} empty, among its settings.",
        )
    if not options and stack.state not in AT_WORK:
        raise Refused(f"The stack {stack} is not ready.", remedy="Provision it, or bring it in order, first.")
    accounts.access(integration.aws_account, integration.region)
    accounts.require_permissions(integration.aws_account, stack.kind)
    return _apply(integration, actor, kinds=[stack.kind], options={"review": True, "newest_image": True, **options})


def _makes_a_deployer(integration: Integration) -> bool:
    made = {each.kind for each in integration.stacks.all() if each.state not in _NOT_MADE}
    return not {_KINDS[each] for each in integration.deployers} <= made


def follow_provider(*, provider: Provider, actor: User) -> list[Operation]:
    """Bring the ready stacks of a provider's git pull integrations up to date, as after its host keys were confirmed.

    Those with an active operation are left out. Raises Forbidden.
    """
    policy.require(Act.PROVISION, user=actor, team=provider.team)
    found = Stack.objects.filter(
        kind=StackKind.GIT,
        integration__repository__provider=provider,
        integration__method=Method.GIT_PULL,
        integration__transport=Transport.SSH,
    ).select_related("integration__team")
    started = []
    for stack in found:
        if stack.state == StackState.READY:
            with suppress(StackBusy):
                started.append(_apply(stack.integration, actor))
    return started


def follow_repository(*, repository: Repository, actor: User) -> list[Operation]:
    """Bring the ready stacks of a repository's integrations up to date after it took another name.

    The git stack gets the name, and with it the place of new artifacts; the stacks that deploy look there from then on.
    Those with an active operation are left out. Raises Forbidden.
    """
    policy.require(Act.PROVISION, user=actor, team=repository.team)
    started = []
    for integration in repository.integrations.select_related("team"):
        ready = [stack.kind for stack in integration.stacks.all() if stack.state == StackState.READY]
        if StackKind.GIT in ready:
            kinds = [StackKind.GIT, *sorted(set(ready) - {StackKind.GIT})]
            with suppress(StackBusy):
                started.append(_apply(integration, actor, kinds=kinds))
    return started


def follow_up(*, integration: Integration, reason: str) -> Operation:
    """Bring the stack up to date because something changed that nobody here did; `reason` goes into the audit log.

    Raises StackBusy.
    """
    return _apply(integration, None, reason=reason)


def _apply(
    integration: Integration,
    actor: User | None,
    *,
    kinds: Sequence[str] = (StackKind.GIT,),
    options: Mapping[str, Any] = MappingProxyType({}),
    reason: str = "",
) -> Operation:
    with transaction.atomic():
        starting.lock(integration)
        stack, *_ = [_row(integration, catalog.KINDS[kind]) for kind in kinds]
        new = stack.state in _NOT_MADE or stack.aws_status in {
            "ROLLBACK_COMPLETE",
            "ROLLBACK_FAILED",
            "CREATE_FAILED",
        }
        operation = starting.start(
            integration,
            actor,
            stack=stack,
            kind=OperationKind.CREATE if new else OperationKind.UPDATE,
            options={**options, **_then(kinds)},
        )
        audit.record(
            actor=actor,
            team=integration.team,
            action="integration.provision",
            target=integration,
            changes={"operation": str(operation.pk), "kind": operation.kind} | ({"reason": reason} if reason else {}),
        )
    return operation


def _then(kinds: Sequence[str]) -> dict[str, list[str]]:
    """The stacks after the first, as an operation notes them."""
    return {"then": list(kinds[1:])} if len(kinds) > 1 else {}


def _row(integration: Integration, kind: catalog.StackType) -> Stack:
    stack, _ = Stack.objects.get_or_create(
        integration=integration,
        kind=kind.kind,
        defaults={"name": requests.stack_name(integration.name, kind.suffix), "region": integration.region},
    )
    return stack


def delete(*, integration: Integration, actor: User, bucket: str = "keep") -> Operation:
    """Remove the integration: deployers' stacks, webhook, deploy key, git stack and rows, in this order.

    Raises Forbidden, Refused and StackBusy.
    `bucket`: `keep` leaves a bucket that holds artifacts behind, `purge` deletes it with all that is in it.
    """
    policy.require(Act.DELETE_INTEGRATION, user=actor, team=integration.team, integration=integration.pk)
    if bucket not in BUCKET_CHOICES:
        raise Refused("Choose what happens to the artifacts: keep or purge.", field="bucket")
    with transaction.atomic():
        starting.lock(integration)
        # What depends on the bucket goes first.
        rows = {stack.kind: stack for stack in integration.stacks.all()}
        kinds = [
            *(kind for kind in reversed(StackKind.values) if kind in rows and kind != StackKind.GIT),
            StackKind.GIT,
        ]
        operation = starting.start(
            integration,
            actor,
            stack=rows.get(kinds[0]),
            kind=OperationKind.DELETE,
            options={"bucket": bucket, **_then(kinds)},
        )
        audit.record(
            actor=actor,
            team=integration.team,
            action="integration.delete",
            target=integration,
            changes={"operation": str(operation.pk), "bucket": bucket},
        )
    return operation


def remove(*, stack: Stack, actor: User) -> Operation:
    """Delete the stack of a deployer that its integration does not use any more.

    Raises Forbidden, Refused and StackBusy.
    """
    integration = stack.integration
    policy.require(Act.DELETE_INTEGRATION, user=actor, team=integration.team, integration=integration.pk)
    if stack.kind in wanted(integration):
        raise Refused(
            f"{integration} uses this stack.",
            remedy="Choose another way to deploy in the integration's settings first, or delete the integration.",
        )
    with transaction.atomic():
        starting.lock(integration)
        operation = starting.start(integration, actor, stack=stack, kind=OperationKind.DELETE, options={"only": True})
        audit.record(
            actor=actor,
            team=integration.team,
            action="stack.delete",
            target=integration,
            changes={"operation": str(operation.pk), "stack": stack.name},
        )
    return operation


def approve(*, operation: Operation, actor: User) -> Operation:
    """Let an operation that waits for a review carry out its changes. Raises Forbidden and NotWaiting."""
    policy.require(Act.CHANGE_OPERATION, user=actor, team=operation.team, integration=operation.integration_id)
    operation.refresh_from_db()
    if not operations.resume(operation, approved=True):
        raise NotWaiting(
            "This operation does not wait for an approval.", remedy="Load the page again to see how it is."
        )
    audit.record(
        actor=actor,
        team=operation.team,
        action="operation.approve",
        target=operation,
        changes={"changes": len(operation.options.get("changes", []))},
    )
    operation.refresh_from_db()
    return operation


def retry(*, operation: Operation, actor: User) -> Operation:
    """Try again what failed or was cancelled, as a new operation.

    What a failed creation left is removed first, and a rollback that got stuck is continued. Raises Forbidden,
    NothingToRetry and StackBusy.
    """
    deletes = operation.kind == OperationKind.DELETE
    act = Act.DELETE_INTEGRATION if deletes else Act.CHANGE_OPERATION
    policy.require(act, user=actor, team=operation.team, integration=operation.integration_id)
    operation.refresh_from_db()
    integration = operation.integration
    if operation.status not in {OperationStatus.FAILED, OperationStatus.CANCELLED}:
        raise NothingToRetry("Only an operation that failed or was cancelled can be tried again.")
    if integration is None:
        raise NothingToRetry("The integration of this operation is gone.")
    if integration.operations.filter(created_at__gt=operation.created_at).exists():
        raise NothingToRetry("A newer operation took the place of this one.", remedy="Retry the newest one.")
    if operation.kind == OperationKind.ROTATE_SECRET:
        return secret_rotation.rotate(integration=integration, actor=actor)
    if operation.kind == OperationKind.ROTATE_KEY:
        return key_rotation.rotate(integration=integration, actor=actor)
    if deletes and operation.options.get("only"):
        if operation.stack is None:
            raise NothingToRetry("The stack of this operation is gone.")
        return remove(stack=operation.stack, actor=actor)
    if deletes:
        return delete(integration=integration, actor=actor, bucket=operation.options.get("bucket", "keep"))
    if operation.options.get("newest_image") and operation.stack is not None:
        return _update_image(operation.stack, actor, {"repair": True})
    kept = {name: operation.options[name] for name in ("review",) if name in operation.options}
    return _apply(integration, actor, kinds=wanted(integration), options={"repair": True, **kept})


def cancel(*, operation: Operation, actor: User) -> Operation:
    """Stop an operation at the next point where that is safe. Raises Forbidden and NotCancellable."""
    policy.require(Act.CHANGE_OPERATION, user=actor, team=operation.team, integration=operation.integration_id)
    operation.refresh_from_db()
    if not operation.active:
        raise NotCancellable("The operation is over.")
    updating = operation.kind == OperationKind.UPDATE and operation.step == Step.WATCH
    before = operation.kind != OperationKind.DELETE and operation.step in STOPPABLE
    if not (before or updating or operation.status == OperationStatus.QUEUED):
        if operation.kind == OperationKind.ROTATE_KEY:
            raise NotCancellable("The new key is in use already.", remedy="Wait for it to finish.")
        raise NotCancellable(
            "CloudFormation cannot stop this half-way.",
            remedy="Wait for it to finish; delete the integration if you do not want it.",
        )
    if not operations.cancel_queued(operation.pk):
        # At once, however long it meant to wait.
        Operation.objects.filter(pk=operation.pk, status__in=sorted(ACTIVE)).update(cancel_requested=True, next_at=None)
        operations.resume(operation, approved=False)
    audit.record(actor=actor, team=operation.team, action="operation.cancel", target=operation)
    operation.refresh_from_db()
    return operation
