"""Finding deliveries by what people remember of them, at a cost that does not grow with how many there are."""

import re
from datetime import datetime

from django.db.models import Q, QuerySet

from integrations.models import Delivery

SEARCHED = 20_000
"""No index helps with a word in the middle of a message, so this many of the newest rows are read at most."""
FIELDS = ("commit", "ref", "message", "sender", "author", "reason", "provider_delivery_id")
COMMIT = re.compile(r"[0-9a-f]{7,64}")


def search(rows: QuerySet[Delivery], text: str) -> tuple[QuerySet[Delivery], datetime | None]:
    """Those of `rows` that have `text`, whatever its case, in one of FIELDS, or whose commit begins with it.

    Also the moment of the oldest row that was looked at: what lies before it was not; None if all was.
    """
    if COMMIT.fullmatch(text.lower()):
        by_commit = rows.filter(commit__startswith=text.lower())
        if by_commit.exists():
            return by_commit, None
    newest = rows.order_by("-received_at", "-pk").values_list("received_at", flat=True)
    start = next(iter(newest[SEARCHED - 1 : SEARCHED]), None)
    if start:
        rows = rows.filter(received_at__gte=start)
    anywhere = Q()
    for field in FIELDS:
        anywhere |= Q(**{f"{field}__icontains": text})
    return rows.filter(anywhere), start
