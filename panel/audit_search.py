"""Finding and exporting entries of the audit log, for pages and the API alike."""

import json

from django.db.models import CharField, F, Q, QuerySet
from django.db.models.functions import Cast
from django.http import StreamingHttpResponse

from panel import export
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
    # Only of the person as such: entries of a team that was deleted are of no team either, and what a member who is
    # staff did to somebody else is not about this team.
    themselves = Q(actor__in=team.members.all(), object_id=Cast(F("actor_id"), CharField()))
    mine = Q(team=team) | (Q(team=None, object_type="user") & themselves)
    if user.is_staff:
        mine |= Q(team=None)
    return AuditEntry.objects.filter(mine)


def about(rows: QuerySet[AuditEntry], key: str) -> QuerySet[AuditEntry]:
    """The history of one object; what was asked for as an operation is of that operation, too."""
    return rows.filter(Q(object_id=key) | Q(changes__operation=key))


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


def download(rows: QuerySet[AuditEntry], form: str) -> StreamingHttpResponse:
    """A download, the newest first: `csv`, or `jsonl` with one JSON object a line."""
    found = rows.order_by("-created_at", "-pk")[:MOST].iterator(chunk_size=1000)
    lines = export.csv_lines(COLUMNS, map(_cells, found)) if form == "csv" else map(_line, found)
    return export.response(lines, name=f"audit.{form}")


def _cells(row: AuditEntry) -> list[object]:
    values = {name: getattr(row, name) for name in COLUMNS}
    return list((values | {"changes": json.dumps(row.changes, sort_keys=True) if row.changes else ""}).values())


def _line(row: AuditEntry) -> str:
    values = {name: getattr(row, name) for name in COLUMNS}
    return json.dumps(values | {"created_at": row.created_at.isoformat()}) + "\n"
