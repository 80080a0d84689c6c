"""The page behind an invitation's link: for who has an account, and for who makes one."""

from typing import cast

from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.models import Login
from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from panel import identity
from panel.web.access import SESSION_TEAM
from panel.web.outcomes import errors_on
from teams.errors import Refused
from teams.models import User
from teams.services import invitations


class NewAccountForm(forms.Form):
    """Who has no account yet chooses a name and a password."""

    username = forms.CharField(
        label="User name",
        max_length=150,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}),
    )
    password = forms.CharField(
        strip=False,
        max_length=4096,
        help_text="12 or more characters.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("password")
@never_cache
def accept(request: HttpRequest, token: str) -> HttpResponseBase:
    """What one is invited to; then join with the account at hand, or with a new one."""
    try:
        invitation = invitations.find(token)
    except invitations.NotValid as error:
        if request.user.is_authenticated and invitations.was_accepted(token=token, user=request.user):
            return redirect("overview")
        return render(request, "invitations/not_valid.html", {"error": error}, status=error.status)
    form = NewAccountForm(request.POST if request.method == "POST" and not request.user.is_authenticated else None)
    if not request.user.is_authenticated and settings.IDENTITY.known:
        request.session[identity.INVITATION] = token
        request.session.set_expiry(identity.KEPT_FOR)
    identities = identity.offered(request)
    context = {
        "identities": identities,
        "invitation": invitation,
        "form": form,
        "passwords": settings.PASSWORDS,
        "next": request.path,
    }
    if request.method == "POST":
        answer = _join(request, token) if request.user.is_authenticated else _make(request, token, form)
        if answer is not None:
            return answer
    return render(request, "invitations/accept.html", context)


def _join(request: HttpRequest, token: str) -> HttpResponse:
    try:
        membership = invitations.accept(token=token, user=cast("User", request.user))
    except Refused as error:
        messages.error(request, str(error))
        return redirect("overview")
    request.session[SESSION_TEAM] = str(membership.team_id)
    messages.success(request, f"Welcome to {membership.team}.")
    return redirect("overview")


def _make(request: HttpRequest, token: str, form: NewAccountForm) -> HttpResponse | None:
    if not form.is_valid():
        return None
    with errors_on(form):
        user = invitations.accept_as_new(token=token, **form.cleaned_data)
        messages.success(request, f"Welcome, {user}.")
        record_authentication(request, user, "password", username=user.get_username())
        answer: HttpResponse = perform_login(request, Login(user=user, redirect_url="/"))
        return answer
    return None
