"""The steps of a rotation inside the stack, each asked for twice."""

import json
import uuid
from typing import Any

import pytest
from botocore.stub import Stubber

from lambdas.create_ssh_key import handler as create_ssh_key
from tests.lambdas.create_ssh_key.conftest import expect_key_pair, value_of
from tests.lambdas.custom_resources import answers

ROTATION = str(uuid.uuid4())


@pytest.fixture
def current(secret: str, kms: Stubber) -> str:
    """The fingerprint of the key that the stack began with."""
    expect_key_pair(kms)
    with answers() as made:
        create_ssh_key.handler(made.request("Create"), None)
    return str(value_of(secret)["current"]["fingerprint"])


def act(action: str, **arguments: str) -> dict[str, Any]:
    answer = create_ssh_key.handler({"action": action, **arguments}, None)
    assert answer is not None
    assert "PRIVATE" not in json.dumps(answer)
    return answer


def test_a_rotation_makes_one_key_however_often_it_is_asked(secret: str, kms: Stubber, current: str) -> None:
    expect_key_pair(kms)

    first, second = act("make_pending", rotation=ROTATION), act("make_pending", rotation=ROTATION)

    assert first == second
    assert first["current"]["Fingerprint"] == current
    assert first["pending"]["Fingerprint"] not in {"", current}
    assert value_of(secret)["current"]["fingerprint"] == current


def test_the_pending_key_becomes_the_current_one_once(secret: str, kms: Stubber, current: str) -> None:
    expect_key_pair(kms)
    new = act("make_pending", rotation=ROTATION)["pending"]["Fingerprint"]

    first, second = act("promote", fingerprint=new), act("promote", fingerprint=new)

    assert first == second
    assert (first["current"]["Fingerprint"], first["pending"]) == (new, None)
    assert current not in json.dumps(value_of(secret))
    assert act("make_pending", rotation=ROTATION) == first  # a step that is repeated late makes no third key


def test_another_rotation_takes_the_place_of_a_pending_key_that_was_left(kms: Stubber, current: str) -> None:
    expect_key_pair(kms)
    left = act("make_pending", rotation=ROTATION)["pending"]
    expect_key_pair(kms)

    assert act("make_pending", rotation=str(uuid.uuid4()))["pending"] != left


def test_a_forgotten_pending_key_leaves_the_current_one(kms: Stubber, current: str) -> None:
    expect_key_pair(kms)
    new = act("make_pending", rotation=ROTATION)["pending"]["Fingerprint"]

    first, second = act("forget", fingerprint=new), act("forget", fingerprint=new)

    assert first == second == act("describe")
    assert (first["current"]["Fingerprint"], first["pending"]) == (current, None)


def test_without_a_current_key_an_update_makes_one(secret: str, kms: Stubber, current: str) -> None:
    assert act("forget", fingerprint=current) == {"current": None, "pending": None}
    expect_key_pair(kms)

    with answers() as made:
        request = made.request("Update", physical_id=create_ssh_key.PHYSICAL_ID)
        create_ssh_key.handler(request | {"RequestId": str(uuid.uuid4())}, None)

    assert made.bodies[0]["Data"]["Fingerprint"] == value_of(secret)["current"]["fingerprint"] != current


@pytest.mark.parametrize(
    ("event", "error"),
    [
        ({"action": "promote", "fingerprint": "SHA256:unknown"}, "no_such_key"),
        ({"action": "promote"}, "argument_missing"),
        ({"action": "make_pending", "rotation": "tomorrow"}, "bad_argument"),
        ({"action": "show"}, "unknown_action"),
    ],
)
def test_what_cannot_be_done_is_answered_in_words(current: str, event: dict[str, str], error: str) -> None:
    answer = create_ssh_key.handler(event, None)

    assert answer is not None
    assert answer["error"] == error
    assert answer["message"]
