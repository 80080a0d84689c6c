"""Sessions end: a while after the last click, and at a fixed time after the sign-in.

What a page asks for by itself, as regions that poll do, is no click.
"""

import time
from collections.abc import Callable

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from panel.addresses import client_ip

SIGNED_IN_AT, SEEN_AT = "signed_in_at", "seen_at"
RESOLUTION = 60  # seconds


def begin(request: HttpRequest) -> None:
    """Somebody just signed in."""
    request.session[SIGNED_IN_AT] = request.session[SEEN_AT] = int(time.time())
    request.session.set_expiry(settings.SESSION_COOKIE_AGE)


def is_over(request: HttpRequest) -> bool:
    """Whether the session has to end now. One from before there were limits begins when it is first seen."""
    now = time.time()
    signed_in, seen = (float(request.session.get(name, now)) for name in (SIGNED_IN_AT, SEEN_AT))
    return now - signed_in >= settings.SESSION_HOURS * 3600 or now - seen >= settings.SESSION_IDLE_MINUTES * 60


class SessionLimits:
    """Ends sessions, and notes about once a minute that one is used."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            if is_over(request):
                logout(request)
                messages.info(request, "Your session has ended. Sign in again.")
            elif not _polls(request):
                _touch(request)
        return self._get_response(request)


def _polls(request: HttpRequest) -> bool:
    return request.method == "GET" and bool(getattr(request, "htmx", False))


def _touch(request: HttpRequest) -> None:
    now = int(time.time())
    if now - float(request.session.get(SEEN_AT, 0)) < RESOLUTION:
        return
    request.session.setdefault(SIGNED_IN_AT, now)
    request.session[SEEN_AT] = now
    seen = {"last_seen_at": timezone.now(), **({"ip": ip} if (ip := client_ip(request)) else {})}
    if not UserSession.objects.filter(session_key=request.session.session_key).update(**seen):
        UserSession.objects.create_from_request(request)
