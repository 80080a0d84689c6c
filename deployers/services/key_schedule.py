"""SSH keys that are rotated automatically once they are so many days old, at quiet hours."""

from datetime import datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.db.models import (
    Case,
    DateTimeField,
    DurationField,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    QuerySet,
    Value,
    When,
)
from django.db.models.functions import Coalesce
from django.utils import timezone

from deployers.models import Operation, OperationKind, Stack, StackKind
from deployers.services import key_rotation, stack_keys
from deployers.states import ACTIVE, AT_WORK, OperationStatus, aws_statuses
from integrations.models import SSHKey, SSHKeyState

WARN_BEFORE = timedelta(days=7)
AGAIN_AFTER = timedelta(hours=20)
"""How long a rotation that failed is left alone: until the next night."""
MOST_AT_ONCE = 5


def with_next_rotation(keys: QuerySet[SSHKey]) -> QuerySet[Any]:
    """Annotates `rotates_at`: when the schedule rotates the key; None where it does not."""
    days = Coalesce(F("integration__rotate_every"), Value(settings.SSH_KEY_ROTATE_DAYS))
    age = ExpressionWrapper(F("rotate_days") * Value(timedelta(days=1)), output_field=DurationField())
    at = ExpressionWrapper(F("created_at") + age, output_field=DateTimeField())
    planned = Case(When(state=SSHKeyState.CURRENT, rotate_days__gt=0, then=at), output_field=DateTimeField())
    return keys.annotate(rotate_days=days).annotate(rotates_at=planned)


def due(now: datetime) -> QuerySet[Any]:
    """Current keys whose time has come, the longest overdue first; without those where something is under way, where a
    rotation failed a short while ago, or whose stack could not rotate: they must not stand before the others for ever.
    """
    able = Stack.objects.filter(
        integration=OuterRef("integration"),
        kind=StackKind.GIT,
        aws_status__in=aws_statuses(*AT_WORK),
        outputs__has_keys=stack_keys.FUNCTIONS,
    )
    busy = Operation.objects.filter(integration=OuterRef("integration"), status__in=sorted(ACTIVE))
    failed = Operation.objects.filter(
        integration=OuterRef("integration"),
        kind=OperationKind.ROTATE_KEY,
        status__in=[OperationStatus.FAILED, OperationStatus.CANCELLED],
        finished_at__gt=now - AGAIN_AFTER,
    )
    return (
        with_next_rotation(SSHKey.objects.all())
        .filter(Exists(able), ~Exists(busy), ~Exists(failed), rotates_at__lte=now)
        .order_by("rotates_at")
    )


def rotate_due() -> int:
    """Begin the rotations that are due, a few at a time; none outside of the quiet hours. Returns how many."""
    now = timezone.now()
    if not quiet(timezone.localtime(now).time()):
        return 0
    found = due(now).select_related("integration__team", "integration__repository__provider")[:MOST_AT_ONCE]
    integrations = [key.integration for key in found]
    if not integrations:
        return 0
    return len(key_rotation.rotate_many(integrations=integrations, actor=None, reason="scheduled").operations)


def quiet(at: time) -> bool:
    """Whether the time of day is among the quiet hours; always, where there are none."""
    hours: tuple[time, time] | None = settings.QUIET_HOURS
    if hours is None:
        return True
    begin, end = hours
    return begin <= at < end if begin <= end else at >= begin or at < end
