"""Deployments on the pages: what the filters leave, what polls answer, what the charts draw, what is asked first."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from deployers.models import Deployment
from panel.web import charts
from teams.models import Team
from tests import factories
from tests.web.scene import Scene, make_scene

HTMX = {"HX-Request": "true"}


@pytest.fixture
def scene(team: Team) -> Scene:
    found = make_scene(team)
    Deployment.objects.all().delete()
    return found


def shown(client: Client, **query: str) -> list[Deployment]:
    return list(client.get(reverse("deployment-list"), query).context["rows"])


def test_the_list_is_narrowed_by_each_filter_and_so_is_its_csv(signed_in: Client, scene: Scene) -> None:
    now = timezone.now()
    wanted = factories.make_deployment(
        artifact=scene.artifact, status="deployed", ref="refs/heads/main", message="=1+1"
    )
    old = factories.make_deployment(
        artifact=scene.artifact,
        status="failed",
        ref="refs/heads/other",
        commit="b" * 40,
        created_at=now - timedelta(days=3),
    )
    assert shown(signed_in) == [wanted, old]
    for query in ({"status": "deployed"}, {"ref": "main"}, {"since": "day"}, {"q": wanted.external_id}):
        assert shown(signed_in, **query) == [wanted]
    assert shown(signed_in, q="bbbb") == [old]
    assert shown(signed_in, integration="nobody") == []
    response = signed_in.get(reverse("deployment-list"), {"status": "deployed", "format": "csv"})
    heading, line, rest = b"".join(response.streaming_content).decode().split("\r\n")  # type: ignore[attr-defined]
    assert heading.startswith("deployment,integration,status")
    assert line.startswith(f"{wanted.external_id},shop,deployed")
    assert ",'=1+1," in line
    assert rest == ""


def test_a_page_follows_a_deployment_until_it_ends(signed_in: Client, scene: Scene) -> None:
    running = factories.make_deployment(artifact=scene.artifact, status="deploying", finished_at=None, problem="")
    url = reverse("deployment-detail", args=[running.pk])
    first = signed_in.get(url, headers=HTMX)
    assert first.status_code == 200
    assert signed_in.get(url, headers={**HTMX, "If-None-Match": first["ETag"]}).status_code == 304
    Deployment.objects.filter(pk=running.pk).update(status="failed", finished_at=timezone.now())
    last = signed_in.get(url, headers={**HTMX, "If-None-Match": first["ETag"]})
    assert last.status_code == 286
    assert "the port is taken" in last.content.decode()


def test_the_overview_of_an_integration_shows_and_follows_its_latest(signed_in: Client, scene: Scene) -> None:
    url = reverse("integration-detail", args=[scene.integration.pk])
    assert "Deployments per day" not in signed_in.get(url).content.decode()
    factories.make_deployment(artifact=scene.artifact, status="deployed")
    page = signed_in.get(url)
    assert "1 deployed, 0 failed" in page.content.decode()
    assert not re.search(r"\sstyle=", page.content.decode())
    poll = reverse("integration-deployments", args=[scene.integration.pk]) + "?latest=1"
    tag = page.context["deployments_tag"]
    assert signed_in.get(poll, headers={**HTMX, "If-None-Match": tag}).status_code == 304


def test_charts_count_failures_and_take_the_median_of_pushes(scene: Scene) -> None:
    now = timezone.now()
    for minutes, status, trigger in (
        (1, "deployed", "push"),
        (2, "deployed", "push"),
        (9, "deployed", "push"),
        (50, "deployed", "redeploy"),
        (50, "failed", "push"),
    ):
        factories.make_deployment(
            artifact=scene.artifact,
            steps=False,
            status=status,
            trigger=trigger,
            created_at=now,
            pushed_at=now - timedelta(minutes=minutes),
            finished_at=now,
        )
    for ahead in (timedelta(days=-40), timedelta(days=1)):  # long ago, and by a clock that is ahead
        factories.make_deployment(artifact=scene.artifact, steps=False, created_at=now + ahead)
    found = charts.of(scene.integration)
    assert found is not None
    last = found.bars[-1]
    assert (len(found.bars), found.deployed, found.failed, found.lead) == (30, 4, 1, timedelta(minutes=2))
    assert (last.good, last.bad) == (4, 1)
    assert last.good_height == pytest.approx(4 * last.bad_height)
    assert last.top + last.good_height == pytest.approx(last.bad_top)


def test_search_finds_a_deployment_by_its_id_and_its_commit(signed_in: Client, scene: Scene) -> None:
    wanted = factories.make_deployment(artifact=scene.artifact, external_id="d-ABC123")
    for text in ("d-abc123", wanted.commit[:8]):
        page = signed_in.get(reverse("search"), {"q": text})
        assert reverse("deployment-detail", args=[wanted.pk]) in page.content.decode()


def test_strangers_and_viewers_change_nothing(viewer: Client, scene: Scene, stranger: object) -> None:
    running = factories.make_deployment(artifact=scene.artifact, status="deploying", finished_at=None)
    assert viewer.post(reverse("deployment-stop", args=[running.pk])).status_code == 403
    assert viewer.get(reverse("artifact-redeploy", args=[scene.artifact.pk])).status_code == 403
    assert viewer.post(reverse("integration-roll-back", args=[scene.integration.pk])).status_code == 403
    page = viewer.get(reverse("deployment-detail", args=[running.pk])).content.decode()
    assert reverse("deployment-stop", args=[running.pk]) not in page
    other = Client()
    other.force_login(stranger)  # type: ignore[arg-type]
    assert other.get(reverse("deployment-detail", args=[running.pk])).status_code == 404
    assert other.post(reverse("deployment-stop", args=[running.pk])).status_code == 404


def test_stopping_and_rolling_back_are_asked_first_and_a_get_does_neither(operator: Client, scene: Scene) -> None:
    now = timezone.now()
    good = factories.make_deployment(
        artifact=scene.artifact, status="deployed", created_at=now - timedelta(hours=1), steps=False
    )
    other = factories.make_artifact(delivery=scene.delivery, version_id="v-other", message="Break it")
    running = factories.make_deployment(artifact=other, status="deploying", finished_at=None, steps=False)
    stop = operator.get(reverse("deployment-stop", args=[running.pk])).content.decode()
    assert "Stop and roll back" in stop
    assert "half done" in stop
    back = operator.get(reverse("integration-roll-back", args=[scene.integration.pk])).content.decode()
    assert f"Roll back to {good.commit[:7]}" in back
    assert Deployment.objects.count() == 2
    assert operator.get(reverse("deployment-stop", args=[good.pk])).status_code == 302
    refused = operator.post(reverse("integration-roll-back", args=[scene.integration.pk]), follow=True)
    assert "There is no stack to deploy to." in refused.content.decode()


def test_artifacts_show_how_they_were_last_deployed(signed_in: Client, scene: Scene) -> None:
    url = reverse("integration-artifacts", args=[scene.integration.pk])
    assert "Deployment</th>" not in signed_in.get(url).content.decode()
    now = timezone.now()
    old = factories.make_deployment(artifact=scene.artifact, status="failed", created_at=now - timedelta(hours=1))
    new = factories.make_deployment(artifact=scene.artifact, status="deployed", created_at=now)
    page = signed_in.get(url).content.decode()
    assert reverse("deployment-detail", args=[new.pk]) in page
    assert reverse("deployment-detail", args=[old.pk]) not in page


def test_an_integration_with_ecs_offers_files_to_begin_with(signed_in: Client, team: Team) -> None:
    plain = factories.make_integration(team=team)
    ecs = factories.make_integration(team=team, deployers=["ecs"], deploy_ref="main")
    page = signed_in.get(reverse("integration-detail", args=[ecs.pk])).content.decode()
    assert 'id="sample-dockerfile"' in page
    assert "docker build" in page
    assert 'id="samples"' not in signed_in.get(reverse("integration-detail", args=[plain.pk])).content.decode()


def test_a_run_that_waits_is_answered_by_who_may(signed_in: Client, viewer: Client, team: Team) -> None:
    artifact = factories.make_artifact(delivery=factories.make_delivery())
    waiting = factories.make_deployment(artifact=artifact, status="waiting", deployer="ecs", finished_at=None)
    url = reverse("deployment-answer", args=[waiting.pk])
    assert "Approve" in signed_in.get(url).content.decode()
    assert viewer.get(url).status_code == 403
    assert viewer.post(url, {"answer": "approve"}).status_code == 403


def test_only_a_failed_run_offers_a_retry_of_its_stage(signed_in: Client, viewer: Client, team: Team) -> None:
    artifact = factories.make_artifact(delivery=factories.make_delivery())
    failed = factories.make_deployment(artifact=artifact, status="failed", deployer="ecs")
    detail, retry = (reverse(f"deployment-{name}", args=[failed.pk]) for name in ("detail", "retry"))
    assert retry in signed_in.get(detail).content.decode()
    assert retry not in viewer.get(detail).content.decode()
    assert viewer.post(retry).status_code == 403
