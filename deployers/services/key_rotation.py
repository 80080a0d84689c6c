"""What people and the clock ask of SSH keys: rotate one or many, revoke one that leaked, repair one that was lost."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone

from deployers.models import Operation, OperationKind
from deployers.services import stack_keys, starting
from deployers.states import ACTIVE, UNDOABLE
from integrations.models import Integration, RemoteState, SSHKey, SSHKeyState
from integrations.services import ssh_keys
from teams import policy
from teams.errors import Refused, SluiceError
from teams.models import User
from teams.policy import Act
from teams.services import audit

MOST_AT_ONCE = 500
"""Rotations that one request may start: as many as are written down well within the time that a request has."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Several rotations that were asked for at once. `refused` are those that could not begin, and why."""

    id: UUID
    left_over: int = 0
    """How many integrations were past what was to be started at most."""
    operations: list[Operation] = field(default_factory=list)
    refused: list[tuple[Integration, SluiceError]] = field(default_factory=list)


def rotate(
    *,
    integration: Integration,
    actor: User | None,
    not_before: datetime | None = None,
    batch: UUID | None = None,
    reason: str = "",
) -> Operation:
    """Give the integration's stack a new SSH key. `actor` None is the schedule.

    Raises Forbidden, Refused when there is no stack that could, and StackBusy.
    """
    if actor is not None:
        policy.require(Act.ROTATE_KEY, user=actor, team=integration.team, integration=integration.pk)
    stack = starting.working_stack(integration)
    stack_keys.require_functions(stack.outputs)
    with transaction.atomic():
        starting.lock(integration)
        operation = starting.start(
            integration,
            actor,
            stack=stack,
            kind=OperationKind.ROTATE_KEY,
            options={},
            not_before=not_before,
            batch=batch,
        )
        audit.record(
            actor=actor,
            team=integration.team,
            action="ssh_key.rotate",
            target=integration,
            changes={"operation": str(operation.pk)} | ({"reason": reason} if reason else {}),
        )
    return operation


def rotate_many(
    *, integrations: Sequence[Integration], actor: User | None, at_most: int | None = None, reason: str = ""
) -> Batch:
    """Rotate the keys of several integrations, paced so that no provider is asked for all of them at once.

    What stands in the way of one holds up no other; those past the first `at_most` are counted, and stay as they are.
    Raises Forbidden if the actor may not rotate one of them.
    """
    if actor is not None:
        for team in {each.team for each in integrations}:
            policy.require(Act.ROTATE_MANY_KEYS, user=actor, team=team)
    wanted = integrations[:at_most]
    batch, now = Batch(uuid4(), left_over=len(integrations) - len(wanted)), timezone.now()
    turns: dict[UUID, int] = {}
    for integration in wanted:
        provider = integration.repository.provider_id
        later = timedelta(seconds=turns.get(provider, 0) * settings.SSH_KEY_PACE)
        try:
            operation = rotate(
                integration=integration, actor=actor, not_before=now + later, batch=batch.id, reason=reason
            )
        except SluiceError as error:
            batch.refused.append((integration, error))
            continue
        turns[provider] = turns.get(provider, 0) + 1
        batch.operations.append(operation)
    return batch


def older_than(*, days: int, integrations: QuerySet[Integration]) -> list[Integration]:
    """Those of `integrations` whose SSH key was made that many days ago or earlier, the oldest key first."""
    made_before = timezone.now() - timedelta(days=days)
    old = SSHKey.objects.filter(integration=OuterRef("pk"), state=SSHKeyState.CURRENT, created_at__lte=made_before)
    rows = integrations.annotate(key_made=Subquery(old.values("created_at")[:1])).filter(key_made__isnull=False)
    return list(rows.select_related("team", "repository__provider").order_by("key_made"))


def revoke(*, key: SSHKey, actor: User) -> SSHKey:
    """Make a key worthless at once, as it leaked: in the stack, which then fetches nothing, and at the provider.

    What fails is tried again by the clock until it is through; `problem` says why it is not yet. Fetches fail until the
    key is rotated. Raises Forbidden.
    """
    integration = key.integration
    policy.require(Act.REVOKE_KEY, user=actor, team=integration.team, integration=integration.pk)
    with transaction.atomic():
        key = SSHKey.objects.select_for_update().get(pk=key.pk)
        if key.state != SSHKeyState.REVOKED:
            before, key.state, key.revoked_at = key.state, SSHKeyState.REVOKED, timezone.now()
            key.save(update_fields=["state", "revoked_at"])
            audit.record(
                actor=actor,
                team=integration.team,
                action="ssh_key.revoke",
                target=integration,
                changes={"fingerprint": key.fingerprint, "state": [before, key.state]},
            )
            if before == SSHKeyState.PENDING:
                integration.operations.filter(
                    kind=OperationKind.ROTATE_KEY, status__in=sorted(ACTIVE), step__in=sorted(UNDOABLE)
                ).update(cancel_requested=True)
    finish_revocation(key=key)
    return key


def finish_revocation(*, key: SSHKey) -> None:
    """Carry out what of a revocation is left to do. Never raises what AWS or the provider says: it is noted."""
    integration, problems = key.integration, []
    if key.in_stack:
        try:
            stack_keys.forget(integration, fingerprint=key.fingerprint)
            key.in_stack = False
        except SluiceError as error:
            problems.append(f"The stack still holds it. {error}")
    if key.remote_state != RemoteState.MISSING:
        try:
            ssh_keys.remove(key=key)
        except SluiceError as error:
            problems.append(f"The provider may still have it; remove it there. {error}")
    key.problem, key.checked_at = " ".join(problems), timezone.now()
    key.save(update_fields=["in_stack", "problem", "checked_at"])


def finish_revocations() -> int:
    """Go on with the revocations that are not through, each once a minute. Returns how many."""
    unfinished = (
        SSHKey.objects.filter(state=SSHKeyState.REVOKED)
        .exclude(in_stack=False, remote_state=RemoteState.MISSING)
        .exclude(checked_at__gt=timezone.now() - timedelta(minutes=1))
        .select_related("integration__aws_account", "integration__repository__provider")
    )[:20]
    for key in unfinished:
        finish_revocation(key=key)
    return len(unfinished)


def check(*, key: SSHKey, actor: User) -> RemoteState:
    """Ask the provider now whether it has the key. Raises Forbidden and ProviderError."""
    policy.require(Act.REPAIR_KEY, user=actor, team=key.integration.team, integration=key.integration.pk)
    return ssh_keys.check(key=key)


def repair(*, key: SSHKey, actor: User) -> RemoteState:
    """Add a current key at its provider again, as it was lost there. Raises Forbidden, Refused and ProviderError."""
    integration = key.integration
    policy.require(Act.REPAIR_KEY, user=actor, team=integration.team, integration=integration.pk)
    if key.state != SSHKeyState.CURRENT or not integration.uses_ssh:
        raise Refused("Only the key that the stack fetches with belongs to the provider.")
    before = key.remote_state
    state = ssh_keys.install(key=key)
    audit.record(
        actor=actor,
        team=integration.team,
        action="ssh_key.repair",
        target=integration,
        changes={"fingerprint": key.fingerprint, "at_provider": [before, state]},
    )
    return state
