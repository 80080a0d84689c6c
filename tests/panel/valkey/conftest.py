"""Valkey as somebody else uses it."""

from collections.abc import Callable, Iterator

import pytest
import redis
from django.conf import settings
from pytest_django.fixtures import Settings

from panel.celery import app


@pytest.fixture
def written_by_others() -> Iterator[redis.Redis]:
    """A connection to the panel's Valkey that is not the panel's; empty before and after."""
    client = redis.Redis.from_url(settings.REDIS_URL)
    client.flushdb()
    yield client
    client.flushdb()
    client.close()


@pytest.fixture
def with_valkey_at(settings: Settings) -> Iterator[Callable[[str], None]]:
    """Has cache and messages of this process use another Valkey."""
    before = app.conf.broker_url

    def use(url: str) -> None:
        settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": url}}
        settings.REDIS_URL = url
        app.conf.broker_url = app.conf.broker_write_url = app.conf.broker_read_url = url
        app.amqp._producer_pool = app._pool = None

    yield use
    app.conf.broker_url = app.conf.broker_write_url = app.conf.broker_read_url = before
    app.amqp._producer_pool = app._pool = None
