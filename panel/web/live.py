"""Regions of a page that poll while something runs: unchanged is 304, done is 286, which stops htmx."""

import hashlib
from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.http import parse_etags
from django_htmx.http import HTMX_STOP_POLLING

from panel.web.access import PageRequest


def etag(*state: object) -> str:
    """A strong ETag of the values that a region shows. The same values make the same tag in every process."""
    return f'"{hashlib.sha256(repr(state).encode()).hexdigest()[:24]}"'


def region(
    request: PageRequest,
    template: str,
    context: Callable[[], dict[str, Any]],
    *,
    tag: str,
    done: bool = False,
) -> HttpResponse:
    """Answer a poll. `context` is only called when the region has changed since the tag that the browser sends."""
    wanted = {candidate.removeprefix("W/") for candidate in parse_etags(request.headers.get("If-None-Match", ""))}
    if tag in wanted and not done:
        response = HttpResponse(status=304)
    else:
        response = render(request, template, context(), status=HTMX_STOP_POLLING if done else 200)
    response["ETag"] = tag
    return response
