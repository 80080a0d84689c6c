"""Deployments as CSV, for pages and the API alike."""

import csv
import io
from collections.abc import Iterator
from datetime import datetime

from django.db.models import QuerySet
from django.http import StreamingHttpResponse

from deployers.models import Deployment

COLUMNS = (
    "deployment",
    "integration",
    "status",
    "trigger",
    "requested_by",
    "ref",
    "commit",
    "author",
    "message",
    "version_id",
    "created_at",
    "started_at",
    "finished_at",
    "duration_seconds",
    "lead_time_seconds",
    "problem",
)
MOST = 50_000
# A spreadsheet takes a text that begins with one of these for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def response(rows: QuerySet[Deployment]) -> StreamingHttpResponse:
    """A download, the newest first, row by row."""
    answer = StreamingHttpResponse(_lines(rows), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="deployments.csv"'
    answer["Cache-Control"] = "no-store"
    return answer


def _lines(rows: QuerySet[Deployment]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    found = rows.select_related("integration", "requested_by").order_by("-created_at", "-pk")[:MOST]
    for row in found.iterator(chunk_size=1000):
        writer.writerow([cell(each) for each in _values(row)])
        if buffer.tell() > 32_768:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def _values(row: Deployment) -> tuple[object, ...]:
    return (
        row.external_id,
        row.integration.name,
        row.status,
        row.trigger,
        row.requested_by.get_username() if row.requested_by else "",
        row.ref,
        row.commit,
        row.author,
        row.message,
        row.version_id,
        row.created_at,
        row.started_at,
        row.finished_at,
        row.duration.total_seconds() if row.duration is not None and row.finished else None,
        row.lead_time.total_seconds() if row.lead_time is not None else None,
        row.problem,
    )


def cell(value: object) -> object:
    """A value as a cell holds it, which no spreadsheet takes for a formula."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else value
