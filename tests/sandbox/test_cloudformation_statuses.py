"""Statuses in which AWS refuses a call are refused by the local AWS, in the same words."""

import re
from collections.abc import Callable
from typing import Any

import botocore.session
import pytest
from ministack.services import cloudformation
from ministack.services.cloudformation import handlers

from sandbox import cloudformation_statuses

STATUSES: list[str] = (
    botocore.session.get_session().get_service_model("cloudformation").shape_for("StackStatus").enum  # type: ignore[attr-defined]
)
STACK_ID = "arn:aws:cloudformation:us-east-1:111122223333:stack/shop/6f5d"
CHANGE_SET_ID = "arn:aws:cloudformation:us-east-1:111122223333:changeSet/change/1a2b"
REFUSED = ("REVIEW_IN_PROGRESS", "DELETE_COMPLETE")

Call = Callable[..., str]


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls that were let through."""
    done: list[str] = []

    def note(name: str) -> Callable[[dict[str, Any]], Any]:
        return lambda _params: done.append(name) or (200, {}, b"")

    monkeypatch.setattr(handlers, "_ACTION_HANDLERS", {name: note(name) for name in handlers._ACTION_HANDLERS})
    cloudformation_statuses.install()
    return done


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, done: list[str]) -> Call:
    """Calls on a stack named `shop` in a status; returns the message of the refusal, or nothing."""

    def act(action: str, status: str, **params: str) -> str:
        stack = {"StackName": "shop", "StackId": STACK_ID, "StackStatus": status}
        change_set = {
            "ChangeSetId": CHANGE_SET_ID,
            "ChangeSetName": "change",
            "StackId": STACK_ID,
            "StackName": "shop",
            "Status": "CREATE_COMPLETE",
            "ExecutionStatus": params.pop("ExecutionStatus", "AVAILABLE"),
        }
        monkeypatch.setattr(cloudformation, "_stacks", {"shop": stack})
        monkeypatch.setattr(cloudformation, "_change_sets", {CHANGE_SET_ID: change_set})
        done.clear()
        given = {"StackName": "shop", **params}
        code, _, body = handlers._ACTION_HANDLERS[action]({name: [value] for name, value in given.items()})
        assert (code == 200) == (done == [action])
        if code == 200:
            return ""
        found = re.search(r"<Message>(.*)</Message>", body.decode() if isinstance(body, bytes) else body)
        assert found
        return found[1].replace("&apos;", "'")

    return act


def not_updatable(status: str) -> str:
    """What AWS says to an update of a stack in the status; nothing where it takes it."""
    if status == "REVIEW_IN_PROGRESS":
        return "Stack [shop] does not exist"
    takes = {"CREATE_FAILED", "UPDATE_FAILED"} | {each for each in STATUSES if each.endswith("_COMPLETE")}
    if status in takes - {"ROLLBACK_COMPLETE"}:
        return ""
    return f"Stack:{STACK_ID} is in {status} state and can not be updated."


@pytest.mark.parametrize("status", STATUSES)
def test_an_update(call: Call, status: str) -> None:
    assert call("UpdateStack", status) == not_updatable(status)


@pytest.mark.parametrize("status", STATUSES)
def test_a_change_set_of_an_update(call: Call, status: str) -> None:
    assert call("CreateChangeSet", status, ChangeSetName="next") == not_updatable(status)


@pytest.mark.parametrize("status", STATUSES)
def test_a_change_set_of_a_creation(call: Call, status: str) -> None:
    expected = (
        ""
        if status in REFUSED
        else "Stack [shop] already exists and cannot be created again with the changeSet [next]."
    )
    assert call("CreateChangeSet", status, ChangeSetName="next", ChangeSetType="CREATE") == expected


@pytest.mark.parametrize("status", STATUSES)
def test_a_creation(call: Call, status: str) -> None:
    assert call("CreateStack", status) == ("" if status == "DELETE_COMPLETE" else "Stack [shop] already exists")


@pytest.mark.parametrize("status", STATUSES)
def test_a_deletion(call: Call, status: str) -> None:
    at_update = status.startswith(("UPDATE_", "IMPORT_")) and status.endswith("_IN_PROGRESS")
    expected = f"Stack [{STACK_ID}] cannot be deleted while in status {status}" if at_update else ""
    assert call("DeleteStack", status) == expected


@pytest.mark.parametrize("status", STATUSES)
def test_a_change_set_of_a_stack_that_went_on_is_not_executed(call: Call, status: str) -> None:
    expected = "" if status in REFUSED else not_updatable(status)
    assert call("ExecuteChangeSet", status, ChangeSetName=CHANGE_SET_ID) == expected


@pytest.mark.parametrize(
    ("execution", "said"),
    [("UNAVAILABLE", "CREATE_COMPLETE"), ("EXECUTE_IN_PROGRESS", "EXECUTE_IN_PROGRESS"), ("OBSOLETE", "OBSOLETE")],
)
def test_a_change_set_that_is_not_available_is_not_executed(call: Call, execution: str, said: str) -> None:
    expected = f"ChangeSet [{CHANGE_SET_ID}] cannot be executed in its current status of [{said}]"
    assert call("ExecuteChangeSet", "UPDATE_COMPLETE", ChangeSetName="change", ExecutionStatus=execution) == expected
