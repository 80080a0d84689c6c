"""Asking for one's password again before something that cannot be taken back: rotate, revoke, delete, show a secret.

Signing in counts. Who has no password here, as another system signs them in, is not asked.
"""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from django_htmx.http import HttpResponseClientRedirect

from panel import confirmation
from panel.web.access import PageRequest, page
from panel.web.session import SignInForm
from teams.services import audit

P = ParamSpec("P")


def confirmed(
    view: Callable[Concatenate[PageRequest, P], HttpResponseBase],
) -> Callable[Concatenate[PageRequest, P], HttpResponseBase]:
    """Under `page`: only for who gave the password a short while ago; others give it first, then come back."""

    @wraps(view)
    def wrapper(request: PageRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        return ask(request) or view(request, *args, **kwargs)

    return wrapper


def ask(anyone: HttpRequest) -> HttpResponse | None:
    """Where somebody who is signed in gives the password, or None if that is not needed."""
    request = cast("PageRequest", anyone)
    if 0 <= confirmation.age(request) < settings.CONFIRMATION_MINUTES * 60 or not request.user.has_usable_password():
        return None
    url = f"{reverse('confirm-password')}?{urlencode({'next': _page_of(request)})}"
    return HttpResponseClientRedirect(url) if request.htmx else redirect(url)


def _page_of(request: PageRequest) -> str:
    """The page to come back to: the one with the form or button, as nothing that is sent is kept."""
    if request.method in {"GET", "HEAD"} and not request.htmx:
        return request.get_full_path()
    there = request.htmx.current_url or request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(there, {request.get_host()}):
        return reverse("overview")
    parts = urlsplit(there)
    return parts.path + (f"?{parts.query}" if parts.query else "")


class PasswordForm(forms.Form):
    password = forms.CharField(
        strip=False,
        max_length=4096,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )

    def __init__(self, *args: object, request: PageRequest, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._request = request

    def clean_password(self) -> str:
        """As at the sign-in: counted, and limited."""
        typed: str = self.cleaned_data["password"]
        attempt = SignInForm(self._request, {"username": self._request.user.get_username(), "password": typed})
        if not attempt.is_valid():
            throttled = attempt.has_error("__all__", "throttled")
            raise forms.ValidationError(
                attempt.error_messages["throttled"] if throttled else "This is not your password."
            )
        return typed


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@page
def confirm_password(request: PageRequest) -> HttpResponseBase:
    target = request.POST.get("next") or request.GET.get("next", "")
    if not url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure()):
        target = reverse("overview")
    form = PasswordForm(request.POST or None, request=request)
    if request.method == "POST" and form.is_valid():
        confirmation.note(request)
        audit.record(actor=request.user, team=None, action="user.confirm_password", target=request.user)
        return redirect(target)
    return render(request, "confirm_password.html", {"form": form, "next": target})
