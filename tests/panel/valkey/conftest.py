"""Valkey as somebody else uses it."""

from collections.abc import Iterator

import pytest
import redis
from django.conf import settings


@pytest.fixture
def written_by_others() -> Iterator[redis.Redis]:
    """A connection to the panel's Valkey that is not the panel's; empty before and after."""
    client = redis.Redis.from_url(settings.REDIS_URL)
    client.flushdb()
    yield client
    client.flushdb()
    client.close()
