"""Who has to set up a second factor is led to the page that does it, before anything else."""

from collections.abc import Callable, Iterable

from allauth.account.internal.flows.login import get_authentication_records
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

from panel import identity
from teams.models import Team, User
from teams.services import second_factors

WHY = "Set up a second factor first: an app on your phone, or a passkey. Nothing else opens without it."


def missing(request: HttpRequest, user: User, teams: Iterable[Team]) -> bool:
    """Whether the user has to have a second factor and has none. Costs a query only where one is required."""
    if not second_factors.is_required(user, teams=teams):
        return False
    records = get_authentication_records(request, user)
    used = any(record.get("method") == "mfa" for record in records)
    return not used and not identity.records_prove_second_factor(records) and not second_factors.has_one(user)


def set_up(request: HttpRequest) -> HttpResponse:
    """To the page where one is set up."""
    messages.warning(request, WHY)
    return HttpResponseClientRedirect(reverse("overview")) if getattr(request, "htmx", False) else redirect("mfa_index")


class StaffSecondFactor:
    """The same for Django's admin; `panel.web.access.page` does it for pages."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith("/admin/") and request.user.is_authenticated:
            teams = Team.objects.filter(memberships__user=request.user)
            if missing(request, request.user, teams):
                return set_up(request)
        return self._get_response(request)
