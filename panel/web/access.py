"""Who is asking: sign-in, the team at hand, and the only way that pages look rows up."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar, cast
from urllib.parse import urlsplit

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from panel import second_factor
from teams.errors import Forbidden
from teams.models import Membership, Role, Team, User

P = ParamSpec("P")
M = TypeVar("M", bound=Model)
SESSION_TEAM = "team"


class PageRequest(HttpRequest):
    """A request of a signed-in member of at least one team: what `page` hands to a view."""

    user: User
    htmx: HtmxDetails
    memberships: list[Membership]
    team: Team
    role: Role


def page(
    view: Callable[Concatenate[PageRequest, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """Only for members: a stranger signs in first, a user without a team is told so, Forbidden becomes a 403 page.

    Who has to have a second factor and has none sets one up first.
    """

    @wraps(view)
    def wrapper(request: PageRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not request.memberships:
            return render(request, "no_team.html", status=403)
        if second_factor.missing(request, request.user, (each.team for each in request.memberships)):
            return second_factor.set_up(request)
        return view(request, *args, **kwargs)

    return person(wrapper)


def person(
    view: Callable[Concatenate[PageRequest, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """For everybody who is signed in, in a team or not: the pages about one's own account."""

    @wraps(view)
    def wrapper(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not request.user.is_authenticated:
            if getattr(request, "htmx", False):  # a sign-in form inside a live region helps nobody
                return HttpResponseClientRedirect(reverse("overview"))
            if request.method == "POST":
                messages.warning(
                    request,
                    "Your session had ended, so nothing was saved. Sign in again: what you typed comes back, "
                    "except for passwords and tokens.",
                )
            return redirect_to_login(_page_with_the_form(request))
        member = cast("PageRequest", request)
        member.memberships = list(
            Membership.objects.filter(user=member.user).select_related("team").order_by("team__name")
        )
        chosen = request.session.get(SESSION_TEAM)
        if member.memberships:
            _enter(member, next((m for m in member.memberships if str(m.team_id) == chosen), member.memberships[0]))
        try:
            response = view(member, *args, **kwargs)
        except Forbidden as error:
            response = render(request, "403.html", {"error": error}, status=403)
        # One address answers a page, or to htmx a part of it: Back must never find the part in the browser's cache.
        patch_vary_headers(response, ("HX-Request",))
        if getattr(request, "htmx", False):
            response["Cache-Control"] = "private, no-store"
        elif not response.has_header("Cache-Control"):
            patch_cache_control(response, private=True, no_cache=True)
        return response

    return wrapper


def _page_with_the_form(request: HttpRequest) -> str:
    """Where to go on after signing in. What was sent comes from a page, and many actions have none of their own."""
    there = request.headers.get("Referer", "") if request.method == "POST" else ""
    if not url_has_allowed_host_and_scheme(there, {request.get_host()}):
        return request.get_full_path()
    parts = urlsplit(there)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _enter(request: PageRequest, membership: Membership) -> None:
    request.team = membership.team
    request.role = Role(membership.role)


def find(request: PageRequest, rows: QuerySet[M], **lookup: object) -> M:
    """The one row that matches, if it belongs to a team of the user; the page then shows that team.

    `rows` is `Model.objects.visible_to(request.user)`, with `select_related` up to what TEAM_PATH passes through.
    Raises Http404.
    """
    row = get_object_or_404(rows, **lookup)
    owner: object = row
    *way, team = getattr(row, "TEAM_PATH", "team").split("__")
    for step in way:
        owner = getattr(owner, step)
    team_id = getattr(owner, f"{team}_id")
    _enter(request, next(m for m in request.memberships if m.team_id == team_id))
    if len(request.memberships) > 1:
        request.session[SESSION_TEAM] = str(team_id)
    return row
