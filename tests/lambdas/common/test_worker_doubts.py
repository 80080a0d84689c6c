"""Pushes that may be old ones: the provider is asked where their ref stands."""

from typing import Any

import pytest

from lambdas.common.deliveries import timestamp
from lambdas.common.errors import TemporaryFailure
from tests.lambdas.common.bench import Bench

OLD = "2026-11-23T09:00:00.000000Z"


def doubted(bench: Bench, **options: Any) -> dict[str, Any]:
    """A push that may be an old one, after one that was stored."""
    bench.run(bench.deliver("newest", received_at="2026-11-23T08:00:00.000000Z"))
    return bench.deliver("a", doubted=True, **{"received_at": OLD, **options})


@pytest.mark.parametrize(
    ("stands_at", "words"),
    [("d" * 40, "points at dddddddddddd"), ("", "is not there")],
)
def test_a_push_whose_ref_stands_elsewhere_is_not_stored(bench: Bench, stands_at: str, words: str) -> None:
    message, bench.stands_at = doubted(bench), stands_at

    assert bench.run(message) == []
    assert (bench.asked, bench.fetched) == (["refs/heads/main"], ["newest"])
    item = bench.item("a")
    assert item["status"] == "superseded"
    assert item["reason"].startswith(f"The provider says that the branch main {words}")
    assert bench.stack.table.head("acme/site", "refs/heads/main").delivery_id == "newest"


def test_a_push_whose_ref_stands_there_is_stored_over_a_newer_commit(bench: Bench) -> None:
    message = doubted(bench)

    assert bench.run(message) == []
    assert bench.status("a") == "stored"
    assert bench.stack.table.head("acme/site", "refs/heads/main").delivery_id == "a"


def test_a_provider_that_lags_behind_its_own_webhook_is_asked_again(bench: Bench) -> None:
    message = doubted(bench, received_at=timestamp())
    bench.stands_at = "d" * 40

    assert bench.run(message) == ["a"]
    assert bench.visibility[-1] == ("a", 3)
    bench.stands_at = "c" * 40
    assert bench.run(message, attempt=2) == []
    assert bench.status("a") == "stored"


def test_a_provider_that_does_not_tell_where_a_ref_stands_stores_nothing(bench: Bench) -> None:
    message, bench.stands_at = doubted(bench), TemporaryFailure("api.github.com answered 503")

    assert bench.run(message) == ["a"]
    assert bench.status("a") == "retrying"
    assert bench.fetched == ["newest"]


def test_a_push_that_nobody_doubts_costs_no_question(bench: Bench) -> None:
    assert bench.run(bench.deliver("a")) == []
    assert bench.asked == []
