"""How deployments stand, shown beside their commits at the provider, under a name of their own beside the push's.

A deployment's row remembers what the provider was last told, as a delivery's does
(`integrations.services.commit_statuses`).
"""

import time
from datetime import timedelta

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from deployers.models import Deployment
from deployers.states import DeploymentStatus
from integrations.errors import InvalidValue, ProviderError
from integrations.providers.base import CommitState
from integrations.services import commit_statuses, pauses

WINDOW = timedelta(hours=1)
"""How long after it ended a deployment may still be told, so that a provider that was down hears of it once."""
PART = "deploy"
_STATES = {
    DeploymentStatus.DEPLOYED: CommitState.SUCCESS,
    DeploymentStatus.FAILED: CommitState.FAILURE,
    DeploymentStatus.ROLLED_BACK: CommitState.FAILURE,
    DeploymentStatus.CANCELLED: CommitState.ERROR,
}
"""What ended; all else is pending."""


def due() -> QuerySet[Deployment]:
    """Deployments of which the provider was last told something else than how they are now, the oldest first."""
    untold = ~Q(status__in=_STATES) & ~Q(commit_status=CommitState.PENDING)
    for state in set(_STATES.values()):
        untold |= Q(status__in=[status for status, each in _STATES.items() if each == state]) & ~Q(commit_status=state)
    fresh = Q(finished_at=None) | Q(finished_at__gt=timezone.now() - WINDOW)
    return (
        Deployment.objects.filter(untold, fresh, integration__commit_statuses=True)
        .exclude(commit="")
        .select_related("integration__repository__provider")
        .order_by("created_at", "pk")
    )


def tell_due(*, limit: int = 100, seconds: float = 20.0) -> int:
    """Tell providers how deployments stand, within a bounded time; returns how many commits were marked."""
    told, stop_at = 0, time.monotonic() + seconds
    for deployment in due()[:limit]:
        if time.monotonic() > stop_at:
            break
        if not pauses.paused(deployment.integration.repository.provider):
            told += tell(deployment)
    return told


def tell(deployment: Deployment) -> bool:
    """Tell the provider how a deployment stands; whether it took it. A refusal is noted on the integration, no more."""
    status = DeploymentStatus(deployment.status)
    state, before = _STATES.get(status, CommitState.PENDING), deployment.commit_status
    mine = Deployment.objects.filter(pk=deployment.pk, commit_status=before)
    if not mine.update(commit_status=state):
        return False
    try:
        commit_statuses.mark(
            deployment.integration,
            deployment.commit,
            state=state,
            path=reverse("deployment-detail", args=[deployment.pk]),
            description=": ".join(filter(None, [status.label, deployment.problem])),
            part=PART,
        )
    except (ProviderError, InvalidValue) as error:
        if error.retryable:
            Deployment.objects.filter(pk=deployment.pk, commit_status=state).update(commit_status=before)
        return False
    return True
