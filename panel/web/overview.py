"""The first page: what is there, what needs a person, what came last."""

from datetime import timedelta

from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from deployers.models import AwsAccount, Deployment, Operation
from deployers.states import ACTIVE, DeploymentStatus, OperationStatus
from integrations.models import Delivery, DeliveryStatus, Integration, Provider, Repository
from panel.web import queries
from panel.web.access import PageRequest, page

FIGURES = timedelta(days=1)
FAILURES = timedelta(days=7)


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
    deployed = (
        Deployment.objects.visible_to(user)
        .of(team)
        .filter(status=DeploymentStatus.DEPLOYED, created_at__gte=now - FIGURES)
        .count()
    )
    integrations = list(queries.integrations(Integration.objects.visible_to(user).of(team))[:8])
    context = {
        "figures": {**figures, "deployed": deployed},
        "integrations": integrations,
        "deliveries": deliveries.select_related("integration")[:8],
        "running": operations.filter(status__in=ACTIVE)[:5],
        "failed": operations.filter(status=OperationStatus.FAILED, finished_at__gte=now - FAILURES)[:5],
    }
    if not integrations:
        context["first_steps"] = {
            "provider": Provider.objects.visible_to(user).of(team).exists(),
            "repository": Repository.objects.visible_to(user).of(team).exists(),
            "account": AwsAccount.objects.visible_to(user).of(team).exists(),
        }
    return render(request, "overview.html", context)
