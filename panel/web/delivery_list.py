"""Lists of deliveries: the same rows, filters and polling wherever they are shown."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone

from integrations.models import Delivery, DeliveryStatus, Integration, Method
from panel.delivery_search import SEARCHED, search
from panel.web import live, outcomes_of_deliveries, paging, parameters
from panel.web.access import PageRequest

LATEST = 6  # on an overview
UNREAD = ("request_body", "request_headers", "attempts")  # up to 64 kB each that no list shows
SINCE = {
    "hour": ("Last hour", timedelta(hours=1)),
    "day": ("Last 24 hours", timedelta(days=1)),
    "week": ("Last 7 days", timedelta(days=7)),
    "month": ("Last 30 days", timedelta(days=30)),
}
FILTERS = ("q", "status", "since", "integration", "method", "ref")


def filtered(request: PageRequest, rows: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """Only what the query asks for; a value that cannot be is no filter."""
    if (status := request.GET.get("status", "")) in DeliveryStatus.values:
        rows = rows.filter(status=status)
    if (method := request.GET.get("method", "")) in Method.values:
        rows = rows.filter(method=method)
    if since := SINCE.get(request.GET.get("since", "")):
        rows = rows.filter(received_at__gte=timezone.now() - since[1])
    if ref := parameters.text(request, "ref"):
        rows = rows.filter(ref__in=(ref, f"refs/heads/{ref}", f"refs/tags/{ref}"))
    if integration := parameters.text(request, "integration"):
        rows = rows.filter(integration__name=integration)
    return rows


def latest(integration: Integration) -> list[Delivery]:
    """The few that the overview of an integration shows, newest first."""
    return outcomes_of_deliveries.add(integration.deliveries.order_by("-received_at", "-pk").defer(*UNREAD)[:LATEST])


def tag(rows: Sequence[Delivery]) -> str:
    outcomes = [getattr(row, "outcome", outcomes_of_deliveries.NOTHING).state for row in rows]
    return live.etag([(row.pk, row.status, row.updated_at) for row in rows], outcomes)


def answer(request: PageRequest, rows: Sequence[Delivery], *, show_integration: bool) -> HttpResponseBase:
    """Answer a poll with the rows alone."""
    return live.region(
        request,
        "deliveries/rows.html",
        lambda: {"rows": rows, "show_integration": show_integration, "narrowed": _narrowed(request)},
        tag=tag(rows),
    )


def _narrowed(request: PageRequest) -> bool:
    return any(request.GET.get(name) for name in FILTERS)


def show(request: PageRequest, rows: QuerySet[Delivery], template: str, context: dict[str, Any]) -> HttpResponseBase:
    """The page of a list, or its rows for a poll."""
    rows, searched_to = filtered(request, rows), None
    if text := parameters.text(request, "q"):
        rows, searched_to = search(paging.from_cursor(request, rows, field="received_at"), text)
    found = paging.by_time(request, rows.defer(*UNREAD), field="received_at", searched_to=searched_to)
    outcomes_of_deliveries.add(found.rows)
    if request.htmx:
        return answer(request, found.rows, show_integration=context["show_integration"])
    return render(
        request,
        template,
        {
            **context,
            "page": found,
            "rows": found.rows,
            "rows_tag": tag(found.rows),
            "statuses": DeliveryStatus.choices,
            "methods": Method.choices,
            "moments": [(name, label) for name, (label, _) in SINCE.items()],
            "filters": {name: parameters.text(request, name) for name in FILTERS},
            "narrowed": _narrowed(request),
            "searched_to": searched_to,
            "searched": SEARCHED,
        },
    )
