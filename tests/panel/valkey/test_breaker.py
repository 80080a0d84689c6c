"""Valkey hangs, refuses, is full or read-only: a request pays a second at most, once, and nothing becomes a 500."""

import time
import uuid
from collections.abc import Callable

import pytest
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.urls import reverse

from deployers import nudge
from panel.celery import app
from panel.valkey import breaker
from teams.models import Scope, Team, User
from teams.services import tokens
from tests.factories import make_integration
from tests.panel.valkey import servers
from tests.web.conftest import client_of, for_tests  # noqa: F401 - static files without a manifest

Use = Callable[[str], None]
PASSWORD = "correct horse battery"
SECOND = 1.0


def seconds(call: Callable[[], object]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began


def ring_twenty() -> None:
    with transaction.atomic():
        for _ in range(20):
            nudge.on_commit_nudge(uuid.uuid4())


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No attempt to reach the server again while the test runs, however slow the machine is."""
    monkeypatch.setattr(breaker, "SHORTEST_PAUSE", 3600.0)
    monkeypatch.setattr(breaker, "LONGEST_PAUSE", 3600.0)


def test_one_wait_is_less_than_a_second() -> None:
    """So tests count waits, and no seconds that a busy machine adds to."""
    assert breaker.CONNECT_SECONDS + breaker.ANSWER_SECONDS < SECOND
    assert breaker.quick()["socket_timeout"] == breaker.ANSWER_SECONDS
    assert breaker.quick()["socket_connect_timeout"] == breaker.CONNECT_SECONDS


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("patient")
def test_many_messages_to_a_server_that_hangs_cost_one_wait(with_valkey_at: Use) -> None:
    with servers.hanging() as server:
        with_valkey_at(server.url)
        ring_twenty()
        ring_twenty()
        assert server.waits == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("first", ["cache", "messages"])
def test_cache_and_messages_have_one_breaker(with_valkey_at: Use, first: str) -> None:
    with servers.hanging() as server:
        with_valkey_at(server.url)
        uses: dict[str, Callable[[], object]] = {"cache": lambda: cache.get("entry"), "messages": ring_twenty}
        uses.pop(first)()
        assert server.waits == 1
        for use in uses.values():
            use()
        assert server.waits == 1


def answers_of(user: User, key: str) -> list[int]:
    """The status of each of the requests that use Valkey."""
    signed_in, anonymous = client_of(user), Client()
    bearer = {"Authorization": f"Bearer {key}"}
    name_and = {"username": user.username}
    asked = (
        lambda: anonymous.post(reverse("sign-in"), {**name_and, "password": "wrong"}),
        lambda: anonymous.post(reverse("sign-in"), {**name_and, "password": PASSWORD}),
        lambda: signed_in.get(reverse("overview")),
        lambda: signed_in.get(reverse("integration-list")),
        lambda: anonymous.get("/api/v1/me/", headers=bearer),
        lambda: anonymous.get("/api/v1/integrations/", headers=bearer),
    )
    return [ask().status_code for ask in asked]


@pytest.fixture
def key(admin: User, team: Team) -> str:
    """An API token of an admin whose team has integrations to be read."""
    for _ in range(5):
        make_integration(team=team)
    return tokens.create(actor=admin, team=team, name="test", scope=Scope.READ)[1]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("for_tests", "patient")
def test_pages_api_and_signing_in_wait_once_for_a_server_that_hangs(with_valkey_at: Use, admin: User, key: str) -> None:
    usual = answers_of(admin, key)
    with servers.hanging() as server:
        with_valkey_at(server.url)
        hung = answers_of(admin, key)
        assert server.waits == 1
    assert hung == usual == [200, 302, 200, 200, 200, 200]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("for_tests", "patient")
@pytest.mark.parametrize(
    "broken",
    [["CONFIG", "SET", "maxmemory", "1"], ["REPLICAOF", "127.0.0.1", "1"], ["CLIENT", "PAUSE", "100000", "WRITE"]],
    ids=["full", "read-only", "writes paused"],
)
def test_a_server_that_takes_no_writes_breaks_nothing(
    with_valkey_at: Use, admin: User, key: str, broken: list[str]
) -> None:
    with servers.valkey() as url, servers.client(url) as other:
        with_valkey_at(url)
        cache.set("entry", ["kept"], 60)
        ring_twenty()
        other.execute_command(*broken)
        cache.set("new", 1, 60)
        assert cache.add("newer", 1) is False
        with pytest.raises(ValueError, match="counter"):
            cache.incr("counter:entry")
        ring_twenty()
        # Who waited once asks no more; a refusal comes at once, and is no reason not to ask.
        assert breaker.of(url).closed() is (broken[0] != "CLIENT")
        assert answers_of(admin, key) == [200, 302, 200, 200, 200, 200]


def test_the_breaker_closes_when_the_server_takes_writes_again(
    with_valkey_at: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "SHORTEST_PAUSE", 0.2)
    with servers.valkey() as url, servers.client(url) as other:
        with_valkey_at(url)
        cache.set("entry", "before", 60)
        other.execute_command("CLIENT", "PAUSE", "1000", "ALL")
        assert cache.get("entry") is None
        assert breaker.of(url).closed() is False
        servers.until(lambda: cache.get("entry") == "before")


def test_connections_that_were_reset_are_made_again(with_valkey_at: Use) -> None:
    with servers.valkey() as url, servers.client(url) as other:
        with_valkey_at(url)
        cache.set("entry", 1, 60)
        app.send_task("deployers.tasks.tick")
        for _ in range(3):
            other.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            assert cache.get("entry") == 1
            app.send_task("deployers.tasks.tick")
        assert other.llen("celery") == 4


def test_a_server_that_is_not_there_costs_nothing(with_valkey_at: Use) -> None:
    with_valkey_at("redis://127.0.0.1:1/0")
    assert seconds(lambda: cache.get("entry")) < 0.2
    assert seconds(lambda: cache.set("entry", 1)) < 0.05
