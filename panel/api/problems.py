"""Every error of the API as `application/problem+json` (RFC 9457).

`type`, `title`, `status` and `detail` are the RFC's; `code` names the case for machines, `remedy` says what to do,
`errors` lists what is wrong with which field (`pointer`, a JSON pointer into the body) or query `parameter`.
"""

import json
import logging
import math
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.signals import got_request_exception
from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import exception_handler, set_rollback

from teams.errors import SluiceError

logger = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
WHOLE = api_settings.NON_FIELD_ERRORS_KEY


class InvalidQuery(ValidationError):
    """A query parameter is unknown or not valid."""


def problem(
    status: int, detail: str, *, code: str, remedy: str = "", errors: Sequence[dict[str, str]] = ()
) -> dict[str, Any]:
    """The body of a problem; empty members are left out."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }
    if remedy:
        body["remedy"] = remedy
    if errors:
        body["errors"] = list(errors)
    return body


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler. None for a bug of ours under DEBUG: Django shows its traceback."""
    if isinstance(error, SluiceError):
        return _of_ours(error)
    response = exception_handler(error, context)
    if response is None:
        return None if settings.DEBUG else _of_a_bug(error, context["request"])
    if isinstance(error, ValidationError):
        errors = list(_flatten(error.detail, query=isinstance(error, InvalidQuery)))
        first = errors[0]
        name = first.get("parameter") or first.get("field")
        detail = f"{name}: {first['detail']}" if name else first["detail"]
        response.data = problem(response.status_code, detail, code="invalid", errors=errors)
    else:
        # Http404 and PermissionDenied of Django have no code of their own.
        code = str(error.get_codes()) if isinstance(error, APIException) else _slug(response.status_code)
        wait = response.headers.get("Retry-After")
        remedy = f"Try again in {wait} seconds." if wait else ""
        response.data = problem(response.status_code, str(response.data["detail"]), code=code, remedy=remedy)
    response.content_type = MEDIA_TYPE
    return response


def not_found(request: HttpRequest) -> HttpResponse:
    """For an address that no view of the API has."""
    remedy = "" if request.path.endswith("/") else "Addresses of the API end with a slash."
    body = problem(404, "There is nothing at this address.", code=_slug(404), remedy=remedy)
    return HttpResponse(json.dumps(body), status=404, content_type=MEDIA_TYPE)


def _of_ours(error: SluiceError) -> Response:
    errors = [_entry(path.split("."), message) for path, message in error.fields]
    body = problem(error.status, error.message, code=error.code, remedy=error.remedy, errors=errors)
    response = Response(body, status=error.status, content_type=MEDIA_TYPE)
    # Rate limits of providers tell how many seconds to wait.
    retry_after = getattr(error, "retry_after", None)
    if retry_after:
        response["Retry-After"] = str(math.ceil(retry_after))
    return response


def _of_a_bug(error: Exception, request: Request) -> Response:
    """Log it as Django would; the answer says nothing of the cause."""
    got_request_exception.send(sender=None, request=request)
    logger.error("Internal Server Error: %s", request.path, exc_info=error)
    set_rollback()
    body = problem(500, "Something went wrong in Sluice; its log says what.", code=_slug(500))
    return Response(body, status=500, content_type=MEDIA_TYPE)


def _slug(status: int) -> str:
    return HTTPStatus(status).phrase.lower().replace(" ", "_")


def _entry(path: Sequence[str], detail: str, *, query: bool = False) -> dict[str, str]:
    if query and path:
        return {"parameter": ".".join(path), "detail": detail}
    if not path:
        return {"pointer": "#", "detail": detail}
    # RFC 6901 escapes.
    pointer = "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)
    return {"field": ".".join(path), "pointer": f"#{pointer}", "detail": detail}


def _flatten(detail: Any, path: tuple[str, ...] = (), *, query: bool = False) -> Iterator[dict[str, str]]:
    """DRF's nested errors as a flat list."""
    if isinstance(detail, dict):
        for key, value in detail.items():
            yield from _flatten(value, path if key == WHOLE else (*path, str(key)), query=query)
    elif isinstance(detail, list):
        for index, value in enumerate(detail):
            nested = isinstance(value, (dict, list))
            if not nested or value:
                yield from _flatten(value, (*path, str(index)) if nested else path, query=query)
    else:
        yield _entry(path, str(detail), query=query)
