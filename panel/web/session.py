"""Signing in and out, and which team is at hand."""

import hashlib
import logging
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST
from redis.exceptions import RedisError

from panel.web.access import SESSION_TEAM, PageRequest, page
from teams.models import Membership

logger = logging.getLogger(__name__)

ATTEMPTS_PER_NAME = 8
ATTEMPTS_PER_ADDRESS = 50
WINDOW = 15 * 60  # seconds


def client_address(request: HttpRequest) -> str:
    """The peer's address, or what the trusted proxy in front of the panel says it is."""
    forwarded = request.headers.get("X-Forwarded-For", "")
    if getattr(settings, "SECURE_PROXY_SSL_HEADER", None) and forwarded:
        return forwarded.rsplit(",", 1)[-1].strip()
    return str(request.META.get("REMOTE_ADDR", ""))


class SignInForm(AuthenticationForm):
    """Name and password, with a limit on failures for each name from an address and for the address as a whole.

    The counters live in the cache. Without it people can still sign in: the log says that nothing is counted.
    """

    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": "That user name and password do not match. Both are case-sensitive.",
        "throttled": "Too many failed attempts. Wait 15 minutes, or ask an administrator.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = "User name"
        self.fields["username"].widget.attrs.update(autocomplete="username", autofocus=True)
        self.fields["password"].widget.attrs.update(autocomplete="current-password")

    def clean(self) -> dict[str, Any]:
        limits = self._limits()
        if self._exceeded(limits):
            raise ValidationError(self.error_messages["throttled"], code="throttled")
        try:
            cleaned = super().clean()
        except ValidationError:
            self._count(limits)
            raise
        self._forget(next(iter(limits)))
        return cleaned

    def _limits(self) -> dict[str, int]:
        """Counter to its limit; the one of name and address comes first."""
        address = client_address(self.request) if self.request else ""
        name = str(self.cleaned_data.get("username", "")).lower()
        keys = (f"{address}\n{name}", address)
        digests = (f"sign-in:{hashlib.sha256(key.encode()).hexdigest()}" for key in keys)
        return dict(zip(digests, (ATTEMPTS_PER_NAME, ATTEMPTS_PER_ADDRESS), strict=True))

    def _exceeded(self, limits: dict[str, int]) -> bool:
        try:
            failures = cache.get_many(limits)
        except RedisError:
            logger.warning("Sign-in failures cannot be counted: the cache does not answer.")
            return False
        return any(failures.get(key, 0) >= limit for key, limit in limits.items())

    def _count(self, limits: dict[str, int]) -> None:
        try:
            for key in limits:
                cache.add(key, 0, WINDOW)
                cache.incr(key)
        except (RedisError, ValueError):  # ValueError: it expired between the two
            logger.warning("A failed sign-in was not counted.")

    def _forget(self, key: str) -> None:
        try:
            cache.delete(key)
        except RedisError:
            logger.warning("A counter of failed sign-ins was not cleared.")


class SignIn(LoginView):
    template_name = "sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True


class SignOut(LogoutView):
    http_method_names = ["post", "options"]


def admin_sign_in(request: HttpRequest) -> HttpResponse:
    """The admin's own form has no limit on attempts, so everybody signs in at one place."""
    query = urlencode({"next": request.GET.get("next") or reverse("admin:index")})
    return redirect(f"{reverse('sign-in')}?{query}")


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
