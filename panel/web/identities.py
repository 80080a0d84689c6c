"""Signing in with an identity provider: leaving for it, coming back, and connecting one to one's account."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from allauth.socialaccount import views as social
from allauth.socialaccount.providers.github import views as github
from allauth.socialaccount.providers.openid_connect import views as openid
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from panel import identity, sign_in_limits
from panel.addresses import client_address
from panel.web.access import PageRequest, person
from panel.web.reauthentication import ask, confirmed

KEPT_FOR = 10 * 60  # seconds that a stranger has at the provider


def _leaving(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponseBase]:
    """Go to the provider by a page: the policy of contents lets no form lead to another site, even by a redirect.

    See `form-action` in https://www.w3.org/TR/CSP3/.
    """

    @wraps(view)
    def wrapper(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated:
            if (asked := ask(request)) is not None:
                return asked
        else:
            if not sign_in_limits.may_ask_for_challenge(client_address(request)):
                return HttpResponse("Too many attempts. Wait 15 minutes.", status=429, content_type="text/plain")
            request.session.set_expiry(KEPT_FOR)
        answer = view(request, **kwargs)
        there = answer.headers.get("Location", "")
        if not urlsplit(there).netloc:
            return answer
        return render(request, "sign_in/leave.html", {"url": there, "host": urlsplit(there).hostname})

    return require_POST(never_cache(wrapper))


def _known(view: Callable[..., HttpResponse], fixed: str = "") -> Callable[..., HttpResponse]:
    """Only for providers that are configured."""

    @wraps(view)
    def wrapper(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if (fixed or kwargs.get("provider_id")) not in settings.IDENTITY.known:
            raise Http404
        return view(request, **kwargs)

    return wrapper


openid_login = _leaving(_known(openid.login))
openid_callback = never_cache(_known(openid.callback))
github_login = _leaving(_known(github.oauth2_login, "github"))
github_callback = never_cache(_known(github.oauth2_callback, "github"))


class Connections(social.ConnectionsView):
    """One's own identities, to connect and disconnect."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {**super().get_context_data(**kwargs), "identities_offered": identity.offered(self.request)}


connections = never_cache(person(confirmed(Connections.as_view())))


@require_safe
@person
def again(request: PageRequest) -> HttpResponseBase:
    """For who has nothing here to confirm with: sign out, and in again with the provider."""
    target = request.GET.get("next", "")
    if not url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure()):
        target = reverse("overview")
    return render(request, "sign_in/again.html", {"target": target})


def closed(_request: HttpRequest) -> HttpResponse:
    """Nobody fills in a form to sign up with a provider."""
    return redirect("sign-in")
