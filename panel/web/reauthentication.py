"""Asking who somebody is again before something that cannot be taken back: rotate, revoke, delete, show a secret.

A password or a second factor will do, and signing in counts. Who has neither here, as another system signs them in, is
not asked. The pages that ask are django-allauth's, in the panel's own dress.
"""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast
from urllib.parse import urlsplit

from allauth.account.adapter import get_adapter
from allauth.socialaccount.models import SocialAccount
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django_htmx.http import HttpResponseClientRedirect

from panel import confirmation
from panel.web.access import PageRequest

P = ParamSpec("P")


def confirmed(
    view: Callable[Concatenate[PageRequest, P], HttpResponseBase],
) -> Callable[Concatenate[PageRequest, P], HttpResponseBase]:
    """Under `page`: only for who proved a short while ago who they are; others do it first, then come back."""

    @wraps(view)
    def wrapper(request: PageRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        return ask(request) or view(request, *args, **kwargs)

    return wrapper


def ask(anyone: HttpRequest) -> HttpResponse | None:
    """Where somebody who is signed in proves again who they are, or None if that is not needed."""
    request = cast("PageRequest", anyone)
    if confirmation.is_recent(request):
        return None
    methods = get_adapter(request).get_reauthentication_methods(request.user)
    if not methods and not SocialAccount.objects.filter(user=request.user).exists():
        return None
    there = methods[0]["url"] if methods else reverse("confirm-again")
    url = f"{there}?{urlencode({'next': _page_of(request)})}"
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
