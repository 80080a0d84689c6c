"""Whether this process can do its work: for load balancers and container engines."""

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis import Redis
from redis.exceptions import RedisError

from panel.valkey.breaker import quick


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return "unreachable"
    return "ok"


def _broker() -> str:
    client = Redis.from_url(settings.REDIS_URL, **quick())
    try:
        client.ping()
    except RedisError:
        return "unreachable"
    finally:
        client.close()
    return "ok"


@require_safe
@never_cache
def healthz(_request: HttpRequest) -> JsonResponse:
    """200 if database and broker answer, else 503 with the one that does not."""
    checks = {"database": _database(), "broker": _broker()}
    healthy = set(checks.values()) == {"ok"}
    return JsonResponse({"status": "ok" if healthy else "unavailable", **checks}, status=200 if healthy else 503)
