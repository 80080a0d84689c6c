"""Pages of lists: numbered for what people name, by time for what only ever grows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

M = TypeVar("M", bound=Model)
PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """The rows of one page and where its neighbours are (empty: there is none)."""

    rows: Sequence[M]
    earlier: str = ""
    earlier_label: str = "Previous"
    later: str = ""
    later_label: str = "Next"
    summary: str = ""
    first: bool = True


def _url(request: HttpRequest, name: str, value: str) -> str:
    query = request.GET.copy()
    query.pop(name, None)
    if value:
        query[name] = value
    return f"?{query.urlencode()}" if query else request.path


def numbered(request: HttpRequest, rows: QuerySet[M], *, size: int = PAGE_SIZE) -> Page[M]:
    """The page that `?page=` asks for; nonsense shows the first, too far shows the last. Costs a count."""
    page = Paginator(rows, size).get_page(request.GET.get("page"))
    return Page(
        rows=list(page.object_list),
        earlier=_url(request, "page", str(page.number - 1)) if page.has_previous() else "",
        later=_url(request, "page", str(page.number + 1)) if page.has_next() else "",
        summary=f"{page.start_index()} to {page.end_index()} of {page.paginator.count}",
        first=page.number == 1,
    )


def from_cursor(request: HttpRequest, rows: QuerySet[M], *, field: str) -> QuerySet[M]:
    """The rows after `?before=<time>_<id>`; all without one."""
    cursor = _cursor(request.GET.get("before", ""), rows.model)
    if not cursor:
        return rows
    moment, key = cursor
    return rows.filter(Q(**{f"{field}__lte": moment}) & ~Q(**{field: moment, "pk__gte": key}))


def by_time(
    request: HttpRequest, rows: QuerySet[M], *, field: str, size: int = PAGE_SIZE, searched_to: datetime | None = None
) -> Page[M]:
    """Newest first, continued after `?before=<time>_<id>`: the same cost at any depth, and no count.

    `searched_to` is where a search stopped looking: the last page that it filled leads on from there.
    """
    cursor = _cursor(request.GET.get("before", ""), rows.model)
    found = list(from_cursor(request, rows, field=field).order_by(f"-{field}", "-pk")[: size + 1])
    shown = found[:size]
    older, label = "", "Older"
    if len(found) > size:
        older = f"{getattr(shown[-1], field).isoformat()}_{shown[-1].pk}"
    elif searched_to:
        older, label = f"{searched_to.isoformat()}_{UUID(int=0)}", "Search earlier ones"
    return Page(
        rows=shown,
        earlier=_url(request, "before", "") if cursor else "",
        earlier_label="Newest",
        later=_url(request, "before", older) if older else "",
        later_label=label,
        first=cursor is None,
    )


def _cursor(text: str, model: type[Model]) -> tuple[datetime, object] | None:
    moment, _, key = text.partition("_")
    try:
        parsed = datetime.fromisoformat(moment)
        pk = model._meta.pk.to_python(key)
        model._meta.pk.run_validators(pk)
    except (ValueError, ValidationError):
        return None
    return (parsed, pk) if parsed.tzinfo else None
