"""What became of a push, shown beside its commit at the provider: optional, and never in the way of anything.

A delivery's row remembers what the provider was last told. Whoever changes that value is the one to tell it, so no two
workers tell the same, and a state that changed again meanwhile is told by the next round.
"""

import logging
import time
from datetime import timedelta

from django.conf import settings
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from integrations.errors import InvalidValue, ProviderError
from integrations.models import Delivery, DeliveryStatus, Integration
from integrations.providers.base import CommitState
from integrations.services import clients, pauses

logger = logging.getLogger(__name__)

WINDOW = timedelta(hours=1)
"""How long after a delivery changed it may still be told, so that a provider that was down hears of it once."""
MOST_WORDS = 140
"""Characters; what the shortest of the providers takes."""
_STATES = {
    DeliveryStatus.RECEIVED: CommitState.PENDING,
    DeliveryStatus.QUEUED: CommitState.PENDING,
    DeliveryStatus.FETCHING: CommitState.PENDING,
    DeliveryStatus.RETRYING: CommitState.PENDING,
    DeliveryStatus.STORED: CommitState.SUCCESS,
    DeliveryStatus.FAILED: CommitState.FAILURE,
}
"""A superseded commit is told only if it was told to be pending: nothing is wrong with it."""


def due() -> QuerySet[Delivery]:
    """Deliveries of which the provider was last told something else than how they are now, the latest first."""
    untold = Q(status=DeliveryStatus.SUPERSEDED, commit_status=CommitState.PENDING)
    for state in set(_STATES.values()):
        untold |= Q(status__in=[status for status, each in _STATES.items() if each == state]) & ~Q(commit_status=state)
    return (
        Delivery.objects.filter(untold, integration__commit_statuses=True, updated_at__gt=timezone.now() - WINDOW)
        .exclude(commit="")
        .select_related("integration__repository__provider")
        .order_by("-updated_at")
    )


def tell_due(*, limit: int = 100, seconds: float = 20.0) -> int:
    """Tell providers what became of pushes, within a bounded time; returns how many commits were marked."""
    told, stop_at = 0, time.monotonic() + seconds
    for delivery in due()[:limit]:
        if time.monotonic() > stop_at:
            break
        if not pauses.paused(delivery.integration.repository.provider):
            told += tell(delivery)
    return told


def tell(delivery: Delivery) -> bool:
    """Tell the provider how a delivery stands; whether it took it. A refusal is noted on the integration, no more."""
    state, before = _STATES.get(DeliveryStatus(delivery.status), CommitState.SUCCESS), delivery.commit_status
    mine = Delivery.objects.filter(pk=delivery.pk, commit_status=before).update(commit_status=state)
    if not mine:
        return False
    delivery.commit_status = state
    try:
        mark(
            delivery.integration,
            delivery.commit,
            state=state,
            path=reverse("delivery-detail", args=[delivery.pk]),
            description=_description(delivery),
        )
    except (ProviderError, InvalidValue) as error:
        if error.retryable:
            Delivery.objects.filter(pk=delivery.pk, commit_status=state).update(commit_status=before)
        return False
    if not Delivery.objects.filter(pk=delivery.pk, commit_status=state).exists():
        # Another worker told a later state, and this one may have come after it.
        Delivery.objects.filter(pk=delivery.pk).update(commit_status="")
    return True


def mark(
    integration: Integration, commit: str, *, state: CommitState, path: str, description: str, part: str = ""
) -> None:
    """Show a state beside a commit, with a link to a page of the panel; the latest of each `part` stands.

    A refusal is noted on the integration, and a provider that cannot be called is left alone for a while. Raises
    ProviderError and InvalidValue.
    """
    repository = integration.repository
    try:
        clients.client(repository.provider).set_commit_status(
            repository.full_name,
            commit,
            state=state,
            target_url=settings.PANEL_URL.rstrip("/") + path,
            description=description if len(description) <= MOST_WORDS else f"{description[: MOST_WORDS - 1]}…",
            context=f"sluice/{integration.name}" + (f"/{part}" if part else ""),
        )
    except (ProviderError, InvalidValue) as error:
        logger.warning("integration %s: commit %s cannot be marked: %s", integration.pk, commit[:12], error)
        _note(integration, str(error))
        if isinstance(error, ProviderError):
            pauses.note(repository.provider, error)
        raise
    _note(integration, "")


def _note(integration: Integration, problem: str) -> None:
    Integration.objects.filter(pk=integration.pk).exclude(commit_status_problem=problem).update(
        commit_status_problem=problem
    )


def _description(delivery: Delivery) -> str:
    match DeliveryStatus(delivery.status):
        case DeliveryStatus.STORED:
            return "Stored as an artifact"
        case DeliveryStatus.FAILED:
            return f"Not stored: {delivery.reason}"
        case DeliveryStatus.SUPERSEDED:
            return "Not stored: a newer push took its place"
        case _:
            return "On its way into the bucket"
