"""Finding and exporting entries of the audit log, for pages and the API alike."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from django.db.models import Q, QuerySet
from django.http import StreamingHttpResponse

from panel.deployment_csv import cell
from teams.models import AuditEntry, Team, User

MOST = 100_000
COLUMNS = (
    "created_at",
    "actor_name",
    "action",
    "object_type",
    "object_id",
    "object_name",
    "source",
    "ip",
    "token",
    "changes",
)


def of_team(team: Team, user: User) -> QuerySet[AuditEntry]:
    """What the team's admins may read: its own entries, and what its members did that is of no team, such as signing
    in. Staff also reads what is of no team and of nobody.
    """
    # Only of the person as such: entries of a team that was deleted are of no team either.
    mine = Q(team=team) | Q(team=None, object_type="user", actor__in=team.members.all())
    if user.is_staff:
        mine |= Q(team=None)
    return AuditEntry.objects.filter(mine)


def search(rows: QuerySet[AuditEntry], text: str) -> QuerySet[AuditEntry]:
    """Those in which the text is an object's name or id, or who acted from where."""
    return rows.filter(
        Q(object_name__icontains=text)
        | Q(object_id=text)
        | Q(actor_name__icontains=text)
        | Q(action__icontains=text)
        | Q(token__icontains=text)
        | Q(ip__startswith=text)
    )


def export(rows: QuerySet[AuditEntry], form: str) -> StreamingHttpResponse:
    """A download, the newest first: `csv`, or `jsonl` with one JSON object a line."""
    kind = "text/csv" if form == "csv" else "application/jsonl"
    found = rows.order_by("-created_at", "-pk")[:MOST].iterator(chunk_size=1000)
    answer = StreamingHttpResponse(
        _csv(found) if form == "csv" else _jsonl(found), content_type=f"{kind}; charset=utf-8"
    )
    answer["Content-Disposition"] = f'attachment; filename="audit.{form}"'
    answer["Cache-Control"] = "no-store"
    return answer


def _values(row: AuditEntry) -> dict[str, Any]:
    return {name: getattr(row, name) for name in COLUMNS}


def _csv(rows: Iterator[AuditEntry]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for row in rows:
        values = _values(row) | {"changes": json.dumps(row.changes, sort_keys=True) if row.changes else ""}
        writer.writerow([cell(value) for value in values.values()])
        if buffer.tell() > 32_768:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def _jsonl(rows: Iterator[AuditEntry]) -> Iterator[str]:
    for row in rows:
        values = _values(row) | {"created_at": row.created_at.isoformat()}
        yield json.dumps(values) + "\n"
