"""Signing in and out, and which team is at hand."""

from typing import Any

from allauth.account.forms import LoginForm
from allauth.account.views import LoginView
from allauth.mfa.webauthn.views import LoginWebAuthnView
from django import forms
from django.conf import settings
from django.contrib.auth.views import LogoutView
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from panel import identity, sign_in_limits
from panel.addresses import client_address
from panel.web.access import SESSION_TEAM, PageRequest, page
from teams.models import Membership
from teams.services import password_resets


class SignInForm(LoginForm):
    """Name and password. `panel.sign_in_adapter` counts, compares and refuses."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].label = "User name"
        self.fields["login"].widget.attrs = {"autocomplete": "username", "autocapitalize": "none", "autofocus": True}
        self.fields["password"].help_text = ""
        self.fields["password"].widget.attrs = {"autocomplete": "current-password"}

    def add_prefix(self, field_name: str) -> str:
        """The name is sent as `username`, as password managers and scripts expect."""
        return super().add_prefix("username" if field_name == "login" else field_name)  # type: ignore[no-any-return]


class SignIn(LoginView):
    template_name = "sign_in.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {
            **super().get_context_data(**kwargs),
            "passwords": settings.PASSWORDS,
            "can_mail": password_resets.can_mail(),
            "identities": identity.offered(self.request),
        }


class PasskeySignIn(LoginWebAuthnView):
    """With a passkey alone. The challenge of a stranger is kept for minutes, in a session that nobody signed in to."""

    KEPT_FOR = 10 * 60  # seconds

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not sign_in_limits.may_ask_for_challenge(client_address(request)):
            return HttpResponse("Too many attempts. Wait 15 minutes.", status=429, content_type="text/plain")
        answer: HttpResponse = super().get(request, *args, **kwargs)
        request.session.set_expiry(self.KEPT_FOR)
        return answer


class SignOut(LogoutView):
    http_method_names = ["post", "options"]


def closed(_request: object) -> HttpResponse:
    """Nobody signs up: django-allauth links here all the same."""
    return redirect("sign-in")


class TeamForm(forms.Form):
    team = forms.UUIDField()


@require_POST
@page
def switch_team(request: PageRequest) -> HttpResponseBase:
    form = TeamForm(request.POST)
    if form.is_valid():
        membership = get_object_or_404(Membership, user=request.user, team_id=form.cleaned_data["team"])
        request.session[SESSION_TEAM] = str(membership.team_id)
    return redirect("overview")
