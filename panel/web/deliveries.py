"""Pages of deliveries."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from deployers.nudge import on_commit_freshen, on_commit_sync
from deployers.services import deliveries
from deployers.services.catch_up import EVENT as MISSED
from integrations.models import Delivery, DeliveryStatus, Deployer, DeployStatus, Integration
from integrations.services import deliveries as delivery_rows
from panel.watching import watch
from panel.web import delivery_list, live, outcomes_of_deliveries, parameters
from panel.web.access import PageRequest, find, page
from panel.web.delivery_story import story
from panel.web.outcomes import errors_as_messages

INTEGRATIONS_OFFERED = 200
WATCH = "watch"
SENT_AGAIN = frozenset({DeliveryStatus.FAILED, DeliveryStatus.IGNORED})
DEPLOYER_ANSWERS = timedelta(minutes=1)


@require_safe
@page
def index(request: PageRequest) -> HttpResponseBase:
    rows = Delivery.objects.visible_to(request.user).of(request.team).select_related("integration")
    integrations = Integration.objects.visible_to(request.user).of(request.team)
    chosen = parameters.text(request, "integration")
    watch(integrations.filter(name=chosen) if chosen else integrations)
    context = {
        "show_integration": True,
        "integrations": integrations.values_list("name", flat=True)[:INTEGRATIONS_OFFERED],
    }
    return delivery_list.show(request, rows, "deliveries/list.html", context)


def _pretty(body: str) -> str:
    """Indented if it is JSON; as it came if it is not, or was cut off."""
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body


def _context(delivery: Delivery) -> dict[str, Any]:
    """What changes while a delivery is under way."""
    finished = DeliveryStatus(delivery.status).finished
    return {
        "delivery": delivery,
        "finished": finished,
        "story": story(delivery, _outcome(delivery)),
        "redeliverable": bool(delivery.commit) and (delivery.status in SENT_AGAIN or not finished),
        "askable": delivery_rows.can_ask_provider(delivery),
        "artifacts": delivery.artifacts.all()[:5],
    }


def _find(request: PageRequest, pk: UUID) -> Delivery:
    rows = Delivery.objects.visible_to(request.user).select_related(
        "integration__repository__provider", "integration__aws_account"
    )
    found = find(request, rows, pk=pk)
    outcomes_of_deliveries.add([found])
    return found


def _outcome(delivery: Delivery) -> outcomes_of_deliveries.Outcome:
    return getattr(delivery, "outcome", outcomes_of_deliveries.NOTHING)


def _deploys_soon(delivery: Delivery) -> bool:
    """Whether the deployer will say something of it: it waits, is being deployed, or was stored a moment ago."""
    if (deployment := _outcome(delivery).deployment) is not None:
        return not deployment.finished
    if delivery.deploy_status:
        return delivery.deploy_status == DeployStatus.WAITING
    fresh = delivery.stored_at is not None and timezone.now() - delivery.stored_at < DEPLOYER_ANSWERS
    return fresh and Deployer.CODEDEPLOY in delivery.integration.deployers


@require_safe
@page
def detail(request: PageRequest, pk: UUID) -> HttpResponseBase:
    """Its page, which polls itself while something happens, or somebody asked for something to happen."""
    delivery = _find(request, pk)
    tag = live.etag(delivery.status, delivery.updated_at, delivery.commit_status, _outcome(delivery).state)
    watching = WATCH in request.GET or not DeliveryStatus(delivery.status).finished or _deploys_soon(delivery)
    if watching:
        on_commit_freshen(delivery.integration)
    if request.htmx:
        return live.region(request, "deliveries/live.html", lambda: _context(delivery), tag=tag, done=not watching)
    missed = delivery.event == MISSED
    return render(
        request,
        "deliveries/detail.html",
        {
            **_context(delivery),
            "tag": tag,
            "watching": watching,
            "missed": missed,
            "body": delivery.request_body if missed else _pretty(delivery.request_body),
            "headers": sorted(delivery.request_headers.items()),
        },
    )


def _watched(delivery: Delivery) -> HttpResponseBase:
    return redirect(f"{reverse('delivery-detail', args=[delivery.pk])}?{WATCH}=1")


@require_POST
@page
def redeliver(request: PageRequest, pk: UUID) -> HttpResponseBase:
    delivery = _find(request, pk)
    with errors_as_messages(request):
        deliveries.redeliver(delivery=delivery, actor=request.user)
        on_commit_sync(delivery.integration_id)
        messages.success(request, "It is on the queue again.")
    return _watched(delivery)


@require_POST
@page
def ask(request: PageRequest, pk: UUID) -> HttpResponseBase:
    delivery = _find(request, pk)
    with errors_as_messages(request):
        delivery_rows.ask_provider(delivery=delivery, actor=request.user)
        on_commit_sync(delivery.integration_id)
        messages.success(
            request, "The provider sends it again. Sluice will evaluate it again; it may appear as a new delivery."
        )
    return _watched(delivery)
