"""Tasks and the doorbell: names that fit, messages that hold ids only."""

import base64
import json
import uuid

import pytest
import redis
from celery import current_app
from django.conf import settings
from django.db import transaction

from deployers import nudge, tasks
from panel.celery import app
from tests.factories import make_operation, make_stack


@pytest.fixture
def queue() -> redis.Redis:
    broker = redis.Redis.from_url(settings.REDIS_URL)
    broker.delete("celery")
    return broker


def messages(queue: redis.Redis) -> list[tuple[str, list[str]]]:
    """Task and arguments of each message that waits."""
    waiting = [json.loads(raw) for raw in queue.lrange("celery", 0, -1)]  # type: ignore[union-attr]
    return [(each["headers"]["task"], json.loads(base64.b64decode(each["body"]))[0]) for each in waiting]


def test_what_beat_and_the_doorbell_name_exists() -> None:
    app.loader.import_default_modules()
    named = {entry["task"] for entry in app.conf.beat_schedule.values()}
    rung = {tasks.advance_operation.name, tasks.sync_integration.name}
    assert named | rung <= set(current_app.tasks)


@pytest.mark.django_db(transaction=True)
def test_the_doorbell_rings_once_the_row_is_committed(queue: redis.Redis) -> None:
    key = uuid.uuid4()
    with transaction.atomic():
        nudge.on_commit_nudge(key)
        assert messages(queue) == []
    assert messages(queue) == [("deployers.tasks.advance_operation", [str(key)])]


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_is_rolled_back_rings_nothing(queue: redis.Redis) -> None:
    with transaction.atomic():
        nudge.on_commit_nudge(uuid.uuid4())
        nudge.on_commit_sync(uuid.uuid4())
        transaction.set_rollback(True)
    assert messages(queue) == []


@pytest.mark.django_db(transaction=True)
def test_a_ring_for_what_is_gone_or_not_due_does_no_harm() -> None:
    tasks.advance_operation(str(uuid.uuid4()))
    tasks.sync_integration(str(uuid.uuid4()))
    tasks.sync_integration(str(make_stack().integration.pk))
    done = make_operation(status="succeeded")
    tasks.advance_operation(str(done.pk))
    done.refresh_from_db()
    assert (done.status, done.fence) == ("succeeded", 0)


@pytest.mark.django_db(transaction=True)
def test_a_tick_with_nothing_to_do_ends() -> None:
    tasks.tick()
    tasks.sync_deliveries()
