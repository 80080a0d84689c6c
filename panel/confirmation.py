"""When somebody last gave the password in this session."""

import time

from django.http import HttpRequest

_AT = "confirmed_at"


def note(request: HttpRequest) -> None:
    """The password was just given."""
    request.session[_AT] = int(time.time())


def age(request: HttpRequest) -> float:
    """Seconds since then; very many where it was never given."""
    return time.time() - float(request.session.get(_AT, 0))
