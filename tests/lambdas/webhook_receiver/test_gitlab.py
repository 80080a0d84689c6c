"""What only GitLab sends."""

from typing import Any

import pytest

from tests.lambdas.conftest import Stack
from tests.lambdas.webhook_receiver.conftest import Send
from tests.lambdas.webhooks import push, secret_of


def test_a_system_hook_is_told_as_what_it_is(send: Send, stack: Stack) -> None:
    stack.set_secret(webhook_secret=secret_of("gitlab"))
    webhook = push("gitlab").with_headers(x_gitlab_event="System Hook").signed(secret_of("gitlab"))

    code, answer = send(webhook)

    assert (code, answer["status"]) == (200, "ignored")
    assert "add a webhook to the project instead" in answer["reason"]


@pytest.mark.parametrize(
    ("said", "sender"),
    [
        ({"user_username": "ada", "user_name": "Ada Lovelace"}, "ada"),
        ({"user_name": "Ada Lovelace"}, "Ada Lovelace"),
        ({"user_username": None, "user": {"username": "ada"}}, "ada"),
        ({"user": {"name": "Ada Lovelace"}}, "Ada Lovelace"),
        ({}, ""),
    ],
)
def test_who_pushed_is_told_though_the_user_name_is_missing(
    said: dict[str, Any], sender: str, send: Send, stack: Stack
) -> None:
    stack.set_secret(webhook_secret=secret_of("gitlab"))
    payload = {name: value for name, value in push("gitlab").payload.items() if not name.startswith("user")}

    code, answer = send(push("gitlab").with_payload(payload | said).signed(secret_of("gitlab")))

    assert code == 202
    assert (stack.table.get(answer["delivery"]) or {})["sender"] == sender
