"""A push that was caught when its ref was not mirrored, and is sent again when it is."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from lambdas.webhook_receiver import handler as receiver_handler
from tests.lambdas import github_payloads as github
from tests.lambdas.conftest import SECRET, Stack
from tests.lambdas.webhook_receiver.conftest import Configure

DELIVERY = "72d3162e-cc78-11e3-81ab-4c9367dc0958"
DOUBT = "Queued for git pull, if the provider says that this is its newest commit"
Post = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def post(configure: Configure) -> Post:
    def send(payload: object, **options: Any) -> tuple[int, dict[str, Any]]:
        answer = receiver_handler.handler(github.event(payload, **{"secret": SECRET, **options}), None)
        return answer["statusCode"], json.loads(answer["body"])

    return send


@pytest.mark.parametrize("delivery", [DELIVERY, "made-up"])
def test_a_push_to_a_ref_that_was_excluded_is_doubted_once_the_ref_is_mirrored(
    post: Post, stack: Stack, configure: Configure, delivery: str
) -> None:
    configure(REFS="release/*")
    assert post(github.push())[1]["status"] == "ignored"
    configure(REFS="main")

    code, answer = post(github.push(), delivery=delivery)

    assert (code, answer["reason"]) == (202, DOUBT)
    assert (stack.table.get(delivery) or {})["doubted"] is True
    assert stack.table.head("acme/site", "refs/heads/main").delivery_id == "", "until the provider says so"


def test_a_push_that_was_ignored_is_doubted_beside_a_newer_one(post: Post, stack: Stack, configure: Configure) -> None:
    """Though it starts where the newest one ended: the branch went back, and the caught push goes on from there."""
    configure(REFS="release/*")
    post(github.push())
    configure(REFS="main")
    post(github.push(before="a" * 40, after=github.BEFORE, forced=True), delivery="back")

    assert post(github.push(), delivery="made-up")[1]["reason"] == DOUBT


def test_the_first_push_of_a_ref_needs_no_question(post: Post, stack: Stack, configure: Configure) -> None:
    configure(REFS="release/*")
    post(github.push())
    configure(REFS="main")

    assert post(github.push(after="b" * 40), delivery="new")[1]["reason"] == "Queued for git pull"
