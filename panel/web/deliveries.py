"""Pages of deliveries."""

import json
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from deployers.nudge import on_commit_sync
from deployers.services import deliveries
from integrations.models import Delivery, DeliveryStatus, Integration
from panel.web import delivery_list
from panel.web.access import PageRequest, find, page
from panel.web.outcomes import errors_as_messages

INTEGRATIONS_OFFERED = 200


@require_safe
@page
def index(request: PageRequest) -> HttpResponseBase:
    rows = Delivery.objects.visible_to(request.user).of(request.team).select_related("integration")
    context = {
        "show_integration": True,
        "integrations": Integration.objects.visible_to(request.user)
        .of(request.team)
        .values_list("name", flat=True)[:INTEGRATIONS_OFFERED],
    }
    return delivery_list.show(request, rows, "deliveries/list.html", context)


def _pretty(body: str) -> str:
    """Indented if it is JSON; as it came if it is not, or was cut off."""
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body


@require_safe
@page
def detail(request: PageRequest, pk: UUID) -> HttpResponseBase:
    rows = Delivery.objects.visible_to(request.user).select_related("integration__repository__provider")
    delivery = find(request, rows, pk=pk)
    return render(
        request,
        "deliveries/detail.html",
        {
            "delivery": delivery,
            "redeliverable": bool(delivery.commit)
            and (delivery.status == DeliveryStatus.FAILED or not DeliveryStatus(delivery.status).finished),
            "artifacts": delivery.artifacts.all()[:5],
            "body": _pretty(delivery.request_body),
            "headers": sorted(delivery.request_headers.items()),
        },
    )


@require_POST
@page
def redeliver(request: PageRequest, pk: UUID) -> HttpResponseBase:
    rows = Delivery.objects.visible_to(request.user).select_related("integration__aws_account")
    delivery = find(request, rows, pk=pk)
    with errors_as_messages(request):
        deliveries.redeliver(delivery=delivery, actor=request.user)
        on_commit_sync(delivery.integration_id)
        messages.success(request, "It is on the queue again.")
    return redirect("delivery-detail", delivery.pk)
