"""How often one token may call the API."""

import time

from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from panel.valkey.cache import COUNTER
from teams.models import ApiToken

PER_MINUTE = 1200
WINDOW = 60


class PerToken(BaseThrottle):
    """PER_MINUTE requests a token in each minute of the clock; one counter in Valkey, raised atomically.

    Without Valkey, which counts, everything is let through: a limit that fails must not take the API with it.
    """

    def allow_request(self, request: Request, view: APIView) -> bool:  # noqa: ARG002
        if not isinstance(request.auth, ApiToken):
            return True
        key = f"{COUNTER}api-calls:{request.auth.pk}:{int(time.time()) // WINDOW}"
        try:
            cache.add(key, 0, timeout=2 * WINDOW)
            return cache.incr(key) <= PER_MINUTE
        except ValueError:
            return True

    def wait(self) -> float:
        """Seconds until the next minute begins."""
        return WINDOW - time.time() % WINDOW
