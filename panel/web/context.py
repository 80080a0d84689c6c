"""What every page needs: the sidebar, its counts, and what the role allows."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Count, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from deployers.models import Deployment
from deployers.states import DeploymentStatus
from integrations.models import Delivery, DeliveryStatus, Integration
from teams.models import Role, Team, User

FAILURES_SHOWN_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Link:
    """One entry of the sidebar. `count_label` is what a screen reader says instead of the bare number."""

    label: str
    url: str
    icon: str
    current: bool
    count: int | None = None
    count_label: str = ""
    alarming: bool = False


GROUPS = (
    ("", (("Overview", "overview", "layout-dashboard"),)),
    (
        "Deliver",
        (
            ("Integrations", "integration-list", "plug-connected"),
            ("Deployments", "deployment-list", "rocket"),
            ("Deliveries", "delivery-list", "webhook"),
        ),
    ),
    (
        "Sources",
        (
            ("Providers", "provider-list", "git-branch"),
            ("Repositories", "repository-list", "folders"),
        ),
    ),
    (
        "Targets",
        (
            ("AWS accounts", "account-list", "brand-aws"),
            ("Stacks", "stack-list", "stack-2"),
            ("Operations", "operation-list", "list-check"),
        ),
    ),
    (
        "Admin",
        (
            ("Members", "member-list", "users"),
            ("SSH keys", "ssh-key-list", "key"),
            ("Audit log", "audit-list", "history"),
            ("API tokens", "token-list", "api"),
        ),
    ),
)


FOR_ADMINS = {"audit-list"}


def _links(noun: str, entries: tuple[tuple[str, str, str], ...], counts: dict[str, dict[str, Any]]) -> Iterator[Link]:
    for label, name, icon in entries:
        yield Link(
            label=label,
            url=reverse(name),
            icon=icon,
            current=name.split("-")[0] == noun,
            **counts.get(name, {}),
        )


def _number(rows: QuerySet[Any], by: str) -> Coalesce:
    """How many rows there are, as a part of another query; `by` is the same for all of them."""
    return Coalesce(Subquery(rows.order_by().values(by).annotate(number=Count("pk")).values("number")), 0)


def _counts(user: User, team: Team) -> dict[str, dict[str, Any]]:
    since = timezone.now() - FAILURES_SHOWN_FOR
    deliveries = Delivery.objects.of(team).filter(status=DeliveryStatus.FAILED, received_at__gte=since)
    deployments = Deployment.objects.of(team).filter(status=DeploymentStatus.FAILED, created_at__gte=since)
    integrations, failed, broken = (
        Team.objects.filter(pk=team.pk)
        .values_list(
            _number(Integration.objects.visible_to(user).of(team), "team"),
            _number(deliveries, "integration__team"),
            _number(deployments, "integration__team"),
        )
        .get()
    )
    counts: dict[str, dict[str, Any]] = {
        "integration-list": {"count": integrations, "count_label": f"{integrations} integrations"}
    }
    for name, number in (("delivery-list", failed), ("deployment-list", broken)):
        if number:
            counts[name] = {"count": number, "count_label": f"{number} failed today", "alarming": True}
    return counts


def navigation(request: HttpRequest) -> dict[str, Any]:
    """The sidebar and the role, for requests that `panel.web.access.page` let in; nothing for others and fragments."""
    role: Role | None = getattr(request, "role", None)
    if role is None:
        return {"frame": "alone.html"}
    context: dict[str, Any] = {
        "frame": "base.html",
        "role": role,
        "may_operate": role.includes(Role.OPERATOR),
        "may_administer": role.includes(Role.ADMIN),
    }
    if getattr(request, "htmx", False):
        return context
    user: User = request.user  # type: ignore[assignment]
    team: Team = request.team  # type: ignore[attr-defined]
    match = request.resolver_match
    noun = (match.url_name or "").split("-")[0] if match else ""
    counts = _counts(user, team)
    hidden = frozenset() if role.includes(Role.ADMIN) else FOR_ADMINS
    context["navigation"] = [
        (label, list(_links(noun, tuple(entry for entry in entries if entry[1] not in hidden), counts)))
        for label, entries in GROUPS
    ]
    context["memberships"] = request.memberships  # type: ignore[attr-defined]
    return context
