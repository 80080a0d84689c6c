"""Tells the audit log where each request comes from."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from panel.addresses import client_ip
from teams.services.origin import Origin, Source, acting

_SOURCES: tuple[tuple[str, Source], ...] = (("/api/", "api"), ("/admin/", "admin"))


class OriginMiddleware:
    """Pages, API and Django's admin are told apart by their paths."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        found = (source for prefix, source in _SOURCES if request.path_info.startswith(prefix))
        with acting(Origin(next(found, "page"), ip=client_ip(request))):
            return self._get_response(request)
