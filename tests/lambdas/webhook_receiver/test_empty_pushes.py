"""Pushes that list no change, or an empty one beside good ones, as both kinds of Bitbucket send them."""

from typing import Any

import pytest

from tests.lambdas.conftest import Stack
from tests.lambdas.webhook_receiver.conftest import Configure, Send
from tests.lambdas.webhooks import Webhook, push, secret_of

EMPTY: dict[str, list[Any]] = {
    "bitbucket_cloud": [{}, None, {"new": None, "old": None, "forced": False}],
    "bitbucket_server": [{}, None, {"ref": None, "type": "UPDATE"}],
}


@pytest.fixture
def configured(configure: Configure, stack: Stack) -> Configure:
    configure(REPOSITORY="")
    return configure


def with_changes(kind: str, changes: object) -> Webhook:
    """The kind's plain push with other changes."""
    webhook = push(kind)
    payload = webhook.payload
    if kind == "bitbucket_cloud":
        payload["push"]["changes"] = changes
    else:
        payload["changes"] = changes
    return webhook.with_payload(payload)


def changes_of(kind: str) -> list[Any]:
    payload = push(kind).payload
    changes: list[Any] = payload["push"]["changes"] if kind == "bitbucket_cloud" else payload["changes"]
    return changes


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize("kind", EMPTY)
@pytest.mark.parametrize("empty", ["none", "null", "empty"])
def test_a_push_that_lists_no_change_is_answered_and_logged(kind: str, empty: str, send: Send, stack: Stack) -> None:
    changes = {"none": [], "null": None, "empty": EMPTY[kind]}[empty]
    stack.set_secret(webhook_secret=secret_of(kind))

    code, answer = send(with_changes(kind, changes).signed(secret_of(kind)))

    assert (code, answer["status"]) == (200, "ignored")
    assert answer["reason"].endswith(": the push lists no change")
    assert stack.messages() == []


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize("kind", EMPTY)
def test_the_good_changes_beside_an_empty_one_are_taken(kind: str, send: Send, stack: Stack) -> None:
    stack.set_secret(webhook_secret=secret_of(kind))

    code, _ = send(with_changes(kind, [*EMPTY[kind], *changes_of(kind)]).signed(secret_of(kind)))

    assert code == 202
    assert len(stack.messages()) == 1


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize("kind", EMPTY)
@pytest.mark.parametrize("changes", ["text", {"a": 1}, [{"new": 1, "ref": 1}]])
def test_changes_that_are_none_are_a_bad_request(kind: str, changes: object, send: Send, stack: Stack) -> None:
    stack.set_secret(webhook_secret=secret_of(kind))

    assert send(with_changes(kind, changes).signed(secret_of(kind)))[0] == 400
