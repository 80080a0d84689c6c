"""Charts of an integration's deployments, as figures that a template draws in SVG."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median

from django.utils import timezone

from deployers.models import Deployment, Trigger
from deployers.states import DeploymentStatus
from integrations.models import Integration

DAYS = 30
WIDTH, HEIGHT = 480, 128
LEFT, BOTTOM = 28, 108
_BAD = {DeploymentStatus.FAILED, DeploymentStatus.ROLLED_BACK}
_TICKS = 7


@dataclass(frozen=True, slots=True)
class Bar:
    """One day: how many went well and how many did not, and where they are drawn."""

    label: str
    good: int
    bad: int
    x: float
    width: float
    top: float
    good_height: float
    bad_top: float
    bad_height: float
    tick: bool


@dataclass(frozen=True, slots=True)
class Charts:
    """Deployments per day, and the lead time of those that pushes brought."""

    deployed: int
    failed: int
    bars: tuple[Bar, ...]
    grid: tuple[tuple[float, int], ...]
    lead: timedelta | None
    change: int | None
    """Percent against the days before; None without enough to compare."""
    line: str
    area: str
    last: tuple[float, float] | None
    lead_grid: tuple[tuple[float, timedelta], ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT


def of(integration: Integration) -> Charts | None:
    """The last thirty days of an integration; None before its first deployment. One query."""
    now = timezone.now()
    rows = list(
        integration.deployments.filter(created_at__gte=now - timedelta(days=2 * DAYS)).only(
            "integration", "status", "trigger", "created_at", "finished_at", "pushed_at"
        )
    )
    if not rows:
        return None
    today = now.date()
    days = [today - timedelta(days=DAYS - 1 - each) for each in range(DAYS)]
    # AWS's clock may be ahead of ours: what it dates tomorrow is drawn tomorrow.
    recent = [row for row in rows if days[0] <= row.created_at.date() <= today]
    bars, grid = _bars(recent, days)
    leads = _leads(recent)
    before = _leads([row for row in rows if row.created_at.date() < days[0]])
    lead = _median([each for _, each in leads])
    earlier = _median([each for _, each in before])
    change = round((lead / earlier - 1) * 100) if lead is not None and earlier else None
    points, lead_grid = _line(leads, days)
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return Charts(
        deployed=sum(row.status == DeploymentStatus.DEPLOYED for row in recent),
        failed=sum(row.status in _BAD for row in recent),
        bars=bars,
        grid=grid,
        lead=lead,
        change=change,
        line=drawn if len(points) > 1 else "",
        area=f"{points[0][0]:.1f},{BOTTOM} {drawn} {points[-1][0]:.1f},{BOTTOM}" if len(points) > 1 else "",
        last=points[-1] if points else None,
        lead_grid=lead_grid,
    )


def _bars(rows: list[Deployment], days: list[date]) -> tuple[tuple[Bar, ...], tuple[tuple[float, int], ...]]:
    good = dict.fromkeys(days, 0)
    bad = dict.fromkeys(days, 0)
    for row in rows:
        if row.status == DeploymentStatus.DEPLOYED:
            good[row.created_at.date()] += 1
        elif row.status in _BAD:
            bad[row.created_at.date()] += 1
    most = max(2, *(good[day] + bad[day] for day in days))
    step, scale = (WIDTH - LEFT) / DAYS, (BOTTOM - 8) / most
    bars = tuple(
        Bar(
            label=f"{day.day} {day:%b}",
            good=good[day],
            bad=bad[day],
            x=round(LEFT + number * step, 1),
            width=round(step * 0.7, 1),
            top=round(BOTTOM - (good[day] + bad[day]) * scale, 1),
            good_height=round(good[day] * scale, 1),
            bad_top=round(BOTTOM - bad[day] * scale, 1),
            bad_height=round(bad[day] * scale, 1),
            tick=(DAYS - 1 - number) % _TICKS == 0,
        )
        for number, day in enumerate(days)
    )
    return bars, tuple((round(BOTTOM - value * scale, 1), value) for value in (0, most // 2, most))


def _leads(rows: list[Deployment]) -> list[tuple[datetime, timedelta]]:
    return [
        (row.created_at, row.lead_time) for row in rows if row.trigger == Trigger.PUSH and row.lead_time is not None
    ]


def _median(values: list[timedelta]) -> timedelta | None:
    return timedelta(seconds=median(each.total_seconds() for each in values)) if values else None


def _line(
    leads: list[tuple[datetime, timedelta]], days: list[date]
) -> tuple[list[tuple[float, float]], tuple[tuple[float, timedelta], ...]]:
    """The median of each day that has one."""
    of_day: dict[date, list[timedelta]] = {}
    for moment, lead in leads:
        of_day.setdefault(moment.date(), []).append(lead)
    if not of_day:
        return [], ()
    medians = {day: _median(found) or timedelta(0) for day, found in of_day.items()}
    most = max(*medians.values(), timedelta(seconds=1))
    step, scale = (WIDTH - LEFT) / DAYS, (BOTTOM - 8) / most.total_seconds()
    points = [
        (LEFT + (number + 0.35) * step, BOTTOM - medians[day].total_seconds() * scale)
        for number, day in enumerate(days)
        if day in medians
    ]
    grid = tuple((round(BOTTOM - part * most.total_seconds() * scale, 1), part * most) for part in (0, 0.5, 1))
    return points, grid
