"""Pushes that may be old ones are doubted, and taken over nothing before the provider was asked."""

import hashlib
import json

from tests.lambdas import github_payloads as github
from tests.lambdas.conftest import Stack
from tests.lambdas.webhook_receiver.conftest import DELIVERY, OTHER, Post

DOUBT = "Queued for git pull, if the provider says that this is its newest commit"


def test_a_push_that_comes_after_its_successor_is_doubted_and_takes_nothing_over(post: Post, stack: Stack) -> None:
    post(github.push(before=github.AFTER, after="a" * 40), delivery=OTHER)

    code, answer = post(github.push())

    assert (code, answer["reason"]) == (202, DOUBT)
    assert (stack.table.get(DELIVERY) or {})["doubted"] is True
    assert stack.table.head("acme/site", "refs/heads/main").delivery_id == OTHER, "until the provider says so"


def test_a_caught_push_sent_again_under_another_id_is_doubted(post: Post, stack: Stack) -> None:
    first = github.push()
    post(first)
    post(github.push(before=github.AFTER, after="a" * 40), delivery=OTHER)
    post(github.push(before="a" * 40, after=github.BEFORE, forced=True), delivery="back")

    code, answer = post(first, delivery="made-up")

    assert (code, answer["reason"]) == (202, DOUBT), "though it starts where the newest push ended"
    assert [(stack.table.get(each) or {})["doubted"] for each in (DELIVERY, OTHER, "back", "made-up")] == [
        False,
        False,
        False,
        True,
    ]
    assert stack.table.head("acme/site", "refs/heads/main").delivery_id == "back"


def test_a_caught_push_of_what_is_newest_anyway_needs_no_question(post: Post, stack: Stack) -> None:
    post(github.push())

    assert post(github.push(), delivery="made-up")[1]["reason"] == "Queued for git pull"


def test_the_providers_own_redelivery_is_a_repeat_and_no_doubt(post: Post, stack: Stack) -> None:
    post(github.push())
    post(github.push(before=github.AFTER, after="a" * 40), delivery=OTHER)

    code, answer = post(github.push())

    assert (code, answer["status"]) == (200, "queued")
    assert len(stack.messages()) == 2


def test_a_branch_made_again_at_an_older_commit_is_not_dropped(post: Post, stack: Stack) -> None:
    post(github.push(before=github.BEFORE, after=github.AFTER))
    post(github.push(before=github.AFTER, after=github.ZERO), delivery="deleted")

    code, answer = post(github.push(before=github.ZERO, after=github.BEFORE, created=True), delivery="again")

    assert (code, answer["reason"]) == (202, DOUBT)


def test_what_was_sent_before_is_kept_no_longer_than_its_delivery(post: Post, stack: Stack) -> None:
    body = json.dumps(github.push()).encode()
    post(body.decode())

    kept = stack.table.get(f"body#{hashlib.sha256(body).hexdigest()}")
    assert kept
    assert kept["delivery_id"] == DELIVERY
    assert abs(kept["expires_at"] - (stack.table.get(DELIVERY) or {})["expires_at"]) <= 5


def test_pushing_the_old_commit_again_is_a_new_push(post: Post, stack: Stack) -> None:
    post(github.push())

    code, _ = post(github.push(before=github.AFTER, after=github.BEFORE, forced=True), delivery=OTHER)

    assert code == 202
