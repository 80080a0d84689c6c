"""Tells the audit log where each request comes from."""

from collections.abc import Callable
from ipaddress import ip_address

from django.http import HttpRequest, HttpResponse

from panel.web.session import client_address
from teams.services.origin import Origin, Source, acting

_SOURCES: tuple[tuple[str, Source], ...] = (("/api/", "api"), ("/admin/", "admin"))


class OriginMiddleware:
    """Pages, API and Django's admin are told apart by their paths."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        found = (source for prefix, source in _SOURCES if request.path.startswith(prefix))
        with acting(Origin(next(found, "page"), ip=_ip(client_address(request)))):
            return self._get_response(request)


def _ip(text: str) -> str | None:
    try:
        return str(ip_address(text))
    except ValueError:
        return None
