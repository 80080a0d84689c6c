"""When somebody last proved in this session who they are, and whether that is too long ago for a dangerous act."""

import time

from django.conf import settings
from django.http import HttpRequest

_AT = "confirmed_at"


def note(request: HttpRequest) -> None:
    """They just did: by signing in, or by giving a password or second factor again."""
    request.session[_AT] = int(time.time())


def age(request: HttpRequest) -> float:
    """Seconds since then; very many where it was never given."""
    return time.time() - float(request.session.get(_AT, 0))


def is_recent(request: HttpRequest) -> bool:
    """Whether it need not be asked for again."""
    return 0 <= age(request) < settings.CONFIRMATION_MINUTES * 60
