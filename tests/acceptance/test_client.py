"""What the panel says of a push is read as a person would."""

import pytest
import responses

from acceptance.client import Panel
from acceptance.errors import Conflict, NotFound, StepFailed

BASE = "http://127.0.0.1:9/api/v1"


@pytest.fixture
def panel() -> Panel:
    return Panel(BASE, "slu_1", poll=0.01)


def delivery(status: str, *artifacts: str) -> dict[str, object]:
    return {"id": status, "status": status, "artifacts": artifacts, "reason": "because", "attempts": []}


@responses.activate
def test_a_push_that_was_told_twice_is_the_one_that_went_on(panel: Panel) -> None:
    url = f"{BASE}/integrations/1/deliveries/"
    responses.get(url, json={"results": [delivery("superseded"), delivery("fetching")]})
    responses.get(url, json={"results": [delivery("superseded"), delivery("stored")]})
    responses.get(url, json={"results": [delivery("superseded"), delivery("stored", "a1")]})
    assert panel.stored({"id": "1"}, "abc", "zip", 5)["artifacts"] == ["a1"]
    assert len(responses.calls) == 3


@responses.activate
def test_a_push_that_failed_ends_the_step_with_the_reason(panel: Panel) -> None:
    responses.get(f"{BASE}/integrations/1/deliveries/", json={"results": [delivery("failed")]})
    with pytest.raises(StepFailed, match="The delivery is failed: because"):
        panel.stored({"id": "1"}, "abc", "zip", 5)


@responses.activate
def test_all_pages_of_a_list_are_read(panel: Panel) -> None:
    responses.get(f"{BASE}/providers/", json={"results": [{"name": "a"}], "next": "page 2"})
    responses.get(f"{BASE}/providers/", json={"results": [{"name": "b"}], "next": None})
    assert [each["name"] for each in panel.every("/providers/")] == ["a", "b"]
    assert ["page=1" in str(call.request.url) for call in responses.calls] == [True, False]


@responses.activate
@pytest.mark.parametrize(("status", "kind"), [(404, NotFound), (409, Conflict), (403, StepFailed), (500, StepFailed)])
def test_answers_are_told_apart(panel: Panel, status: int, kind: type[StepFailed]) -> None:
    responses.delete(f"{BASE}/providers/1/", status=status, body="why")
    with pytest.raises(kind, match=f"answered {status}: why") as raised:
        panel.delete("/providers/1/")
    assert type(raised.value) is kind
    assert "slu_1" not in str(raised.value)


@responses.activate
def test_a_page_in_place_of_the_api_is_told(panel: Panel) -> None:
    responses.get(f"{BASE}/me/", body="<html>")
    with pytest.raises(StepFailed, match="is this the address of the API"):
        panel.get("/me/")
