import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from panel.api import pagination
from tests.factories import (
    make_artifact,
    make_delivery,
    make_integration,
    make_operation,
    make_provider,
    make_ssh_key,
    make_stack,
    make_stack_event,
)


def test_pages_follow_each_other_to_the_end(api, team):
    names = [make_provider(team=team, name=f"provider {number}").name for number in range(5)]
    url, seen, counts = "/api/v1/providers/?page_size=2", [], []
    while url:
        page = api.get(url).json()
        seen += [provider["name"] for provider in page["results"]]
        counts.append(page["count"])
        url = page["next"]
    assert seen == names
    assert counts == [5, 5, 5]


def test_previous_page_is_linked_and_a_page_past_the_end_is_empty(api, team):
    make_provider(team=team)
    page = api.get("/api/v1/providers/?page=3&page_size=1").json()
    assert (page["results"], page["next"], page["count"]) == ([], None, 1)
    assert page["previous"].endswith("?page=2&page_size=1")
    assert "page=" not in api.get("/api/v1/providers/?page=2").json()["previous"]


def test_count_stops_where_counting_becomes_dear(api, team, monkeypatch):
    monkeypatch.setattr(pagination, "COUNT_LIMIT", 2)
    for _ in range(4):
        make_provider(team=team)
    page = api.get("/api/v1/providers/?page_size=1").json()
    assert page["count"] is None
    assert page["next"]


def test_list_is_narrowed_by_its_filters(api, team):
    mine, other = make_integration(team=team), make_integration(team=team)
    for integration in (mine, other):
        make_delivery(integration=integration, status="ignored", ref="refs/heads/wip")
        make_delivery(integration=integration)
    found = api.get(f"/api/v1/deliveries/?integration={mine.pk}&status=ignored").json()["results"]
    assert [(row["integration"], row["ref"]) for row in found] == [(str(mine.pk), "refs/heads/wip")]
    of_one = api.get(f"/api/v1/integrations/{mine.pk}/deliveries/?status=stored").json()
    assert [row["status"] for row in of_one["results"]] == ["stored"]
    assert of_one["count"] == 1


def test_list_of_deliveries_leaves_the_request_out_and_the_detail_has_it(api, team):
    delivery = make_delivery(request_body='{"ref": "x"}', request_headers={"x-github-event": "push"})
    listed = api.get("/api/v1/deliveries/").json()["results"][0]
    detail = api.get(f"/api/v1/deliveries/{delivery.pk}/").json()
    assert "request_body" not in listed
    assert detail["request_body"] == '{"ref": "x"}'
    assert detail["request_headers"] == {"x-github-event": "push"}
    assert detail["duration_ms"] == 1000


def test_events_of_a_stack_are_its_own_newest_first(api, team):
    stack = make_stack()
    make_stack_event(stack=make_stack())
    first, last = make_stack_event(stack=stack), make_stack_event(stack=stack)
    found = api.get(f"/api/v1/stacks/{stack.pk}/events/").json()["results"]
    assert [event["event_id"] for event in found] == [last.event_id, first.event_id]


@pytest.mark.parametrize("path", ["integrations/", "deliveries/", "operations/", "stacks/", "artifacts/"])
def test_longer_list_costs_no_more_queries(api, team, path):
    def grow() -> None:
        integration = make_integration(team=team)
        make_ssh_key(integration=integration)
        make_artifact(integration=integration)
        make_operation(stack=make_stack(integration=integration), status="succeeded")

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert api.get(f"/api/v1/{path}").status_code == 200
        return len(captured)

    grow()
    api.get(f"/api/v1/{path}")
    few = queries()
    for _ in range(3):
        grow()
    assert queries() == few
    assert few <= 6


def test_the_stack_of_a_deployer_that_is_not_used_any_more_can_be_deleted(api, viewer_api, team):
    integration = make_integration(team=team)
    stack = make_stack(integration=integration, kind="codedeploy")
    path = f"/api/v1/stacks/{stack.pk}/"
    assert viewer_api.delete(path).status_code == 403
    started = api.delete(path)
    assert (started.status_code, started.json()["kind"], started.json()["stack"]) == (202, "delete", str(stack.pk))
    used = make_stack(integration=make_integration(team=team))
    assert api.delete(f"/api/v1/stacks/{used.pk}/").status_code == 409
