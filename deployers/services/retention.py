"""Forgets what is too old: deliveries, artifacts' rows, deployments and the logs of stacks, in PostgreSQL only.

What lies in AWS is not touched: zips expire by the bucket's own rules, deliveries by the table's. Kept whatever its age
is what something still goes by:

- the newest delivery of each ref, which the check for missed pushes compares with,
- the newest artifact of each ref, and every artifact that a kept deployment is of,
- the newest deployments of each integration, and the one that a rollback would go back to,
- what is not finished, and the log of a stack with an operation,
- the newest event of each stack, and of each one nested in it, which marks how far its log was read.
"""

import logging
import time
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from deployers.models import Artifact, Deployment, StackEvent
from deployers.services.deployments.requests import last_good
from deployers.states import ACTIVE, DeploymentStatus
from integrations.models import Delivery, DeliveryStatus, Integration

logger = logging.getLogger(__name__)

BATCH = 1000
"""Rows that one statement deletes; what hangs on them goes with them."""
SECONDS = 45.0
NEWEST_DEPLOYMENTS = 10
"""Deployments of an integration that are kept, however old."""
_NESTED = "AWS::CloudFormation::Stack"
_NO_COMPARISON = [DeliveryStatus.REJECTED, DeliveryStatus.SUPERSEDED]


def forget_old(*, seconds: float = SECONDS) -> dict[str, int]:
    """Delete what is older than it has to be kept, for `seconds` at most; returns how many rows of each kind."""
    stop_at = time.monotonic() + seconds
    # In this order, as artifacts are kept for deployments.
    kinds = {
        "deployments": (settings.DEPLOYMENT_RETENTION_DAYS, _old_deployments),
        "artifacts": (settings.DEPLOYMENT_RETENTION_DAYS, _old_artifacts),
        "deliveries": (settings.DELIVERY_RETENTION_DAYS, _old_deliveries),
        "stack events": (settings.STACK_EVENT_RETENTION_DAYS, _old_events),
    }
    gone = dict.fromkeys(kinds, 0)
    for name, (days, old) in kinds.items():
        if days <= 0:
            continue
        before = timezone.now() - timedelta(days=days)
        while time.monotonic() < stop_at:
            deleted = _delete(old(before))
            gone[name] += deleted
            if deleted < BATCH:
                break
    if any(gone.values()):
        logger.info("forgot what was too old: %s", ", ".join(f"{count} {name}" for name, count in gone.items()))
    return gone


def _delete(rows: QuerySet[Any]) -> int:
    keys = list(rows.values_list("pk", flat=True)[:BATCH])
    if keys:
        rows.model.objects.filter(pk__in=keys).delete()
    return len(keys)


def _old_deployments(before: datetime) -> QuerySet[Deployment]:
    finished = [status for status in DeploymentStatus if status.finished]
    old = Deployment.objects.filter(created_at__lt=before, status__in=finished)
    kept: list[Any] = []
    for integration in Integration.objects.filter(Exists(old.filter(integration=OuterRef("pk")))):
        rows = integration.deployments.order_by("-created_at", "-pk")
        kept += rows.values_list("pk", flat=True)[:NEWEST_DEPLOYMENTS]
        if (good := last_good(integration)) is not None:
            kept += good.deployments.values_list("pk", flat=True)
    return old.exclude(pk__in=kept).order_by("created_at")


def _old_artifacts(before: datetime) -> QuerySet[Artifact]:
    newer = Artifact.objects.filter(
        integration=OuterRef("integration"), ref=OuterRef("ref"), created_at__gt=OuterRef("created_at")
    )
    deployed = Deployment.objects.filter(artifact=OuterRef("pk"))
    return Artifact.objects.filter(Exists(newer), ~Exists(deployed), created_at__lt=before).order_by("created_at")


def _old_deliveries(before: datetime) -> QuerySet[Delivery]:
    finished = [status for status in DeliveryStatus if status.finished]
    newer = Delivery.objects.filter(
        integration=OuterRef("integration"), ref=OuterRef("ref"), received_at__gt=OuterRef("received_at")
    ).exclude(status__in=_NO_COMPARISON)
    not_compared = Q(ref="") | Q(status__in=_NO_COMPARISON) | Exists(newer)
    return Delivery.objects.filter(not_compared, received_at__lt=before, status__in=finished).order_by("received_at")


def _old_events(before: datetime) -> QuerySet[StackEvent]:
    # The log of a stack ends with an event about the stack itself.
    newer = StackEvent.objects.filter(
        stack=OuterRef("stack"),
        resource_type=_NESTED,
        physical_id=OuterRef("physical_id"),
        logical_id=OuterRef("logical_id"),
        pk__gt=OuterRef("pk"),
    )
    rows = StackEvent.objects.filter(~Q(resource_type=_NESTED) | Exists(newer), timestamp__lt=before)
    return rows.exclude(stack__operations__status__in=sorted(ACTIVE)).order_by("pk")
