"""The first page: what is there, what needs a person, what came last."""

from datetime import datetime, timedelta

from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from deployers.models import AwsAccount, Deployment, Operation
from deployers.services import key_schedule
from deployers.states import ACTIVE, DeploymentStatus, OperationStatus
from integrations.models import (
    Delivery,
    DeliveryStatus,
    Integration,
    Method,
    Provider,
    RemoteState,
    Repository,
    SSHKey,
    SSHKeyState,
    Transport,
)
from panel.web import outcomes_of_deliveries, queries, running
from panel.web.access import PageRequest, page
from teams.models import Role

FIGURES = timedelta(days=1)
FAILURES = timedelta(days=7)


def _keys(request: PageRequest, now: datetime) -> dict[str, int]:
    """How many SSH keys need somebody, or soon do something by themselves."""
    rows = key_schedule.with_next_rotation(SSHKey.objects.visible_to(request.user).of(request.team))
    found: dict[str, int] = rows.filter(state=SSHKeyState.CURRENT).aggregate(
        late=Count("pk", filter=Q(rotates_at__lte=now)),
        soon=Count("pk", filter=Q(rotates_at__gt=now, rotates_at__lte=now + key_schedule.WARN_BEFORE)),
        lost=Count(
            "pk",
            filter=Q(
                remote_state=RemoteState.MISSING,
                integration__method=Method.GIT_PULL,
                integration__transport=Transport.SSH,
            ),
        ),
    )
    return found


@require_safe
@page
def overview(request: PageRequest) -> HttpResponse:
    user, team = request.user, request.team
    now = timezone.now()
    deliveries = Delivery.objects.visible_to(user).of(team)
    operations = Operation.objects.visible_to(user).of(team).select_related("integration", "stack")
    figures = deliveries.filter(received_at__gte=now - FIGURES).aggregate(
        stored=Count("pk", filter=Q(status=DeliveryStatus.STORED)),
        failed=Count("pk", filter=Q(status=DeliveryStatus.FAILED)),
    )
    deployments = Deployment.objects.visible_to(user).of(team)
    figures |= deployments.filter(created_at__gte=now - FIGURES).aggregate(
        deployed=Count("pk", filter=Q(status=DeploymentStatus.DEPLOYED)),
        not_deployed=Count("pk", filter=Q(status=DeploymentStatus.FAILED)),
    )
    integrations = running.with_deployments(
        queries.integrations(Integration.objects.visible_to(user).of(team))[:8], deployments
    )
    context = {
        "figures": figures,
        "integrations": integrations,
        "deliveries": outcomes_of_deliveries.add(deliveries.select_related("integration")[:8]),
        "running": operations.filter(status__in=ACTIVE)[:5],
        "failed": operations.filter(status=OperationStatus.FAILED, finished_at__gte=now - FAILURES)[:5],
    }
    if request.role.includes(Role.ADMIN):
        context["keys"] = _keys(request, now)
    if not integrations:
        context["first_steps"] = {
            "provider": Provider.objects.visible_to(user).of(team).exists(),
            "repository": Repository.objects.visible_to(user).of(team).exists(),
            "account": AwsAccount.objects.visible_to(user).of(team).exists(),
        }
    return render(request, "overview.html", context)
