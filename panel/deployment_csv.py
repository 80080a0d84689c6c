"""Deployments as CSV, for pages and the API alike."""

from django.db.models import QuerySet
from django.http import StreamingHttpResponse

from deployers.models import Deployment
from panel import export

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


def response(rows: QuerySet[Deployment]) -> StreamingHttpResponse:
    """A download, the newest first."""
    found = rows.select_related("integration", "requested_by").order_by("-created_at", "-pk")[:MOST]
    values = (_values(row) for row in found.iterator(chunk_size=1000))
    return export.response(export.csv_lines(COLUMNS, values), name="deployments.csv")


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
