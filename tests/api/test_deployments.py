from datetime import timedelta

from django.utils import timezone

from teams.models import Role
from tests.api.conftest import client_of
from tests.factories import make_artifact, make_deployment, make_user


def test_list_is_narrowed_by_its_filters_and_so_is_the_export(api, team):
    now = timezone.now()
    artifact = make_artifact()
    wanted = make_deployment(artifact=artifact, status="deployed", created_at=now)
    make_deployment(artifact=artifact, status="failed", commit="b" * 40, created_at=now - timedelta(days=2))
    make_deployment(artifact=make_artifact(), ref="refs/heads/other", created_at=now - timedelta(days=2))
    moment = (now - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for query in (
        "status=deployed",
        f"commit={wanted.commit}&integration={artifact.integration_id}",
        f"ref=refs/heads/main&since={moment}",
    ):
        found = api.get(f"/api/v1/deployments/?{query}").json()
        assert [row["id"] for row in found["results"]] == [str(wanted.pk)], query
    assert len(api.get(f"/api/v1/deployments/?until={moment}").json()["results"]) == 2
    of_one = api.get(f"/api/v1/integrations/{artifact.integration_id}/deployments/?status=deployed").json()
    assert [row["id"] for row in of_one["results"]] == [str(wanted.pk)]
    lines = b"".join(api.get("/api/v1/deployments/export/?status=deployed").streaming_content).decode().splitlines()
    assert [line.split(",")[0] for line in lines] == ["deployment", wanted.external_id]
    assert api.get("/api/v1/deployments/?state=deployed").status_code == 400


def test_export_holds_nothing_of_another_team(stranger_api, team):
    make_deployment(artifact=make_artifact())
    lines = b"".join(stranger_api.get("/api/v1/deployments/export/").streaming_content).decode().splitlines()
    assert len(lines) == 1


def test_steps_tell_the_last_lines_of_a_script(api, team):
    deployment = make_deployment(artifact=make_artifact())
    steps = api.get(f"/api/v1/deployments/{deployment.pk}/steps/").json()["results"]
    assert [(step["group"], step["status"]) for step in steps] == [("i-0a", "deployed"), ("i-0b", "failed")]
    assert steps[1]["log_tail"] == "[stderr]the port is taken"


def test_refusals_are_problems_that_say_what_to_do_and_viewers_start_nothing(api, team):
    deployment = make_deployment(artifact=make_artifact())
    artifact = f"/api/v1/artifacts/{deployment.artifact_id}/redeploy/"
    refused = api.post(artifact)
    assert refused.status_code == 409
    assert "provision" in refused.json()["remedy"]
    assert api.post(f"/api/v1/deployments/{deployment.pk}/stop/").status_code == 409
    viewer = client_of(make_user(team=team, role=Role.VIEWER), team)
    for url in (artifact, f"/api/v1/deployments/{deployment.pk}/stop/"):
        assert viewer.post(url).status_code == 403


def test_a_run_of_a_pipeline_is_answered_and_retried_by_who_may(api, team):
    deployment = make_deployment(artifact=make_artifact(), deployer="ecs", status="waiting", finished_at=None)
    viewer = client_of(make_user(team=team, role=Role.VIEWER), team)
    for action in ("approve", "reject", "retry"):
        url = f"/api/v1/deployments/{deployment.pk}/{action}/"
        assert viewer.post(url, {}, format="json").status_code == 403
        refused = api.post(url, {}, format="json")  # its stack is gone
        assert (refused.status_code, refused.json()["code"]) == (409, "refused"), action
    assert (
        api.post(f"/api/v1/deployments/{deployment.pk}/reject/", {"comment": 7, "x": 1}, format="json").status_code
        == 400
    )
