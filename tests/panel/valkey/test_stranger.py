"""Somebody who can write to Valkey: nothing of theirs runs, nothing breaks, and no lie of theirs is believed."""

import os
import pickle
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis
from allauth.core.internal import ratelimit
from django.core.cache import cache
from django.test import Client, RequestFactory
from django.urls import reverse

from integrations.models import Integration
from panel.valkey.cache import COUNTER
from teams.models import Scope, Team, User
from teams.services import tokens
from tests.factories import make_integration
from tests.web.conftest import client_of, for_tests  # noqa: F401 - static files without a manifest

PASSWORD = "correct horse battery"


class Nothing:
    """What no value is."""


class Payload:
    """Makes a directory when it is unpickled."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self):
        return os.mkdir, (str(self.proof),)


@pytest.fixture
def proof(tmp_path: Path) -> Path:
    """There once code of the stranger ran."""
    return tmp_path / "ran"


def lies(proof: Path) -> list[bytes]:
    """What a stranger may write as a string."""
    return [
        pickle.dumps(Payload(proof)),
        pickle.dumps(Payload(proof), 0),
        b"",
        b"\x00\xff\xfe",
        b"{",
        b"null",
        b"true",
        b"[]",
        b'{"vpcs": 1, "problems": []}',
        b'"text"',
        b"1e400",
        b"-1",
        b"9" * 18,
        b"9" * 5000,
        b" 1 ",
        b"1_000",
        b"[" * 100_000,
        b"0" * 64 + b"{}",
        "\ud800".encode("utf-8", "surrogatepass") * 64,
    ]


def poison(server: redis.Redis, key: bytes, lie: bytes) -> None:
    server.set(key, lie)


def wrong_types(server: redis.Redis, key: bytes) -> Iterator[str]:
    """Each other type that Valkey knows, written under the key one after the other."""
    kinds = {
        "list": lambda: server.lpush(key, "x"),
        "hash": lambda: server.hset(key, "x", "y"),
        "set": lambda: server.sadd(key, "x"),
        "zset": lambda: server.zadd(key, {"x": 1}),
        "stream": lambda: server.xadd(key, {"x": "y"}),
    }
    for kind, write in kinds.items():
        server.delete(key)
        write()
        yield kind


def test_no_lie_runs_or_breaks_a_call_of_the_cache(written_by_others: redis.Redis, proof: Path) -> None:

    def use(name: str, believed: type) -> None:
        assert isinstance(cache.get(name), believed | None)
        assert all(isinstance(value, believed) for value in cache.get_many([name, "other"]).values())
        cache.has_key(name)
        cache.add(name, 0, 60)
        cache.touch(name, 60)
        with suppress(ValueError):
            cache.incr(name)

    for name, believed, ours in (("entry", Nothing, {"ours": [1]}), (f"{COUNTER}entry", int, 7)):
        key = cache.make_key(name).encode()
        for lie in lies(proof):
            poison(written_by_others, key, lie)
            use(name, believed)
            cache.set(name, ours, 60)
            assert cache.get(name) == ours
        for _ in wrong_types(written_by_others, key):
            use(name, believed)
            assert cache.delete(name) is True
    assert not proof.exists()


def test_django_allauth_s_limits_take_no_number_for_their_list(written_by_others: redis.Redis) -> None:
    """Settings leave counting to panel.sign_in_limits; should one be switched on, a number ends no request."""
    request = RequestFactory().post("/")
    limits = {"app": "account", "action": "login", "config": {"login": "2/m/key"}, "key": "ada"}
    assert ratelimit.consume(request, **limits)
    [name] = written_by_others.keys("*allauth*")
    for lie in (b"7", b"-1", b"0"):
        poison(written_by_others, name, lie)
        assert ratelimit.consume(request, **limits)
    assert ratelimit.consume(request, **limits)
    assert ratelimit.consume(request, **limits) is None


def test_an_entry_is_believed_under_its_own_name_only(written_by_others: redis.Redis) -> None:
    cache.set("team-a", ["vpc-of-a"], 60)
    written_by_others.copy(cache.make_key("team-a"), cache.make_key("team-b"))
    assert (cache.get("team-a"), cache.get("team-b")) == (["vpc-of-a"], None)


def test_a_counter_holds_a_whole_number_only(written_by_others: redis.Redis) -> None:
    for wrong in (True, "7", 1.5, 10**30, [1]):
        with pytest.raises(ValueError, match="whole number"):
            cache.set(f"{COUNTER}entry", wrong, 60)
    cache.set("entry", 1, 60)
    with pytest.raises(ValueError, match="counter"):
        cache.incr("entry")
    cache.add(f"{COUNTER}entry", -1, 60)
    assert (cache.incr(f"{COUNTER}entry", 3), cache.decr(f"{COUNTER}entry")) == (2, 1)
    assert written_by_others.get(cache.make_key(f"{COUNTER}entry")) == b"1"


@pytest.mark.parametrize("value", [0, -5, 10**30, True, None, "", "7", 1.5, [1, {"a": None}], {"ä": "€"}])
def test_what_is_stored_comes_back(written_by_others: redis.Redis, value: object) -> None:
    cache.set("entry", value, 60)
    assert (cache.get("entry", "missing"), type(cache.get("entry"))) == (value, type(value))
    cache.set_many({"a": value, "b": value}, 60)
    assert cache.get_many(["a", "b"]) == {"a": value, "b": value}
    assert cache.get("nothing", "missing") == "missing"


def pages_before_and_after_signing_in(user: User, key: str) -> list[int]:
    """Answers of pages and API that read the cache, and of signing in."""
    signed_in, anonymous = client_of(user), Client()
    integration = Integration.objects.get()
    answers = [
        anonymous.get(reverse("sign-in")),
        anonymous.post(reverse("sign-in"), {"username": user.username, "password": "wrong"}),
        anonymous.post(reverse("sign-in"), {"username": user.username, "password": PASSWORD}),
        anonymous.get("/healthz"),
        signed_in.get(reverse("overview")),
        signed_in.get(reverse("integration-list")),
        signed_in.get(reverse("integration-detail", args=[integration.pk])),
        anonymous.get("/api/v1/me/", headers={"Authorization": f"Bearer {key}"}),
        anonymous.get("/api/v1/integrations/", headers={"Authorization": f"Bearer {key}"}),
    ]
    return [answer.status_code for answer in answers]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("for_tests")
def test_pages_and_api_go_on_with_every_key_overwritten(
    written_by_others: redis.Redis, proof: Path, admin: User, team: Team
) -> None:
    make_integration(team=team)
    _, key = tokens.create(actor=admin, team=team, name="test", scope=Scope.READ)
    pages_before_and_after_signing_in(admin, key)
    known = written_by_others.keys("*")
    assert known, "the pages read nothing"
    for lie in lies(proof):
        for each in {*known, *written_by_others.keys("*")}:
            written_by_others.delete(each)
            poison(written_by_others, each, lie)
        statuses = pages_before_and_after_signing_in(admin, key)
        assert max(statuses) < 500, (lie[:40], statuses)
    for each in known:
        for kind in wrong_types(written_by_others, each):
            statuses = pages_before_and_after_signing_in(admin, key)
            assert max(statuses) < 500, (each, kind, statuses)
    assert not proof.exists()
