"""The audit log, for the team's admins."""

from datetime import date, datetime, time, timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from panel import audit_search
from panel.web import paging, parameters
from panel.web.access import PageRequest, page
from teams import policy
from teams.models import AuditEntry, Source
from teams.policy import Act

FILTERS = ("q", "who", "action", "source", "object", "from", "to")
EXPORTS = {"csv": "CSV", "jsonl": "JSON lines"}


def _filtered(request: PageRequest, rows: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
    """Only what the query asks for; a value that cannot be is no filter."""
    if who := parameters.text(request, "who"):
        rows = rows.filter(actor_name=who)
    if action := parameters.text(request, "action"):
        rows = rows.filter(action__startswith=action)
    if (source := request.GET.get("source", "")) in Source.values:
        rows = rows.filter(source=source)
    if about := parameters.text(request, "object"):
        rows = audit_search.about(rows, about)
    if begin := _day(request.GET.get("from", "")):
        rows = rows.filter(created_at__gte=begin)
    if end := _day(request.GET.get("to", "")):
        rows = rows.filter(created_at__lt=end + timedelta(days=1))
    if text := parameters.text(request, "q"):
        rows = audit_search.search(rows, text)
    return rows


def _day(text: str) -> datetime | None:
    """The start of a day, UTC; None for what is no date, and for the ends of the calendar."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return datetime.combine(day, time(), tzinfo=timezone.get_default_timezone()) if 2000 <= day.year < 9000 else None


@require_safe
@page
def index(request: PageRequest) -> HttpResponseBase:
    policy.require(Act.READ_AUDIT_LOG, user=request.user, team=request.team)
    rows = _filtered(request, audit_search.of_team(request.team, request.user))
    if (form := request.GET.get("format", "")) in EXPORTS:
        return audit_search.download(rows, form)
    query = request.GET.copy()
    query.pop("before", None)
    exports = []
    for name, label in EXPORTS.items():
        query["format"] = name
        exports.append((label, f"?{query.urlencode()}"))
    context: dict[str, Any] = {
        "page": paging.by_time(request, rows, field="created_at"),
        "filters": {name: parameters.text(request, name) for name in FILTERS},
        "narrowed": any(request.GET.get(name) for name in FILTERS),
        "sources": Source.choices,
        "exports": exports,
    }
    return render(request, "audit/list.html", context)
