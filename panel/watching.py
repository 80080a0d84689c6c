"""Somebody looks at deliveries: have them read from AWS at once instead of when it is their turn."""

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from deployers.models import Stack, StackKind
from deployers.nudge import on_commit_freshen
from deployers.services.deliveries import FRESH
from integrations.models import Integration

WATCHED = 10
"""Of more integrations, those that nobody read for longest; the others come with the next poll."""


def watch(integrations: QuerySet[Integration]) -> None:
    """Freshen the deliveries of some integrations that are provisioned; costs one query."""
    tables = Stack.objects.filter(
        integration=OuterRef("pk"), kind=StackKind.GIT, outputs__has_key="DeliveriesTableName"
    )
    stale = Q(deliveries_synced_at=None) | Q(deliveries_synced_at__lt=timezone.now() - FRESH)
    found = integrations.filter(stale, Exists(tables)).only("deliveries_synced_at")
    for integration in found.order_by(F("deliveries_synced_at").asc(nulls_first=True))[:WATCHED]:
        on_commit_freshen(integration)
