"""The overview: what failed is counted, and each integration says what it deployed last and what runs where."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from deployers.models import Deployment
from integrations.models import Deployer
from teams.models import Team
from tests import factories
from tests.web.scene import Scene, make_scene


@pytest.fixture
def scene(team: Team) -> Scene:
    found = make_scene(team)
    Deployment.objects.all().delete()
    return found


def figures(client: Client) -> dict[str, int]:
    html = client.get(reverse("overview")).content.decode()
    return {words: int(number) for number, words in re.findall(r"<b[^>]*>(\d+)</b>([^<]+)</a>", html)}


def test_failed_deployments_are_counted_as_the_sidebar_does(signed_in: Client, scene: Scene) -> None:
    for _ in range(3):
        factories.make_deployment(artifact=scene.artifact)
    factories.make_deployment(artifact=scene.artifact, status="deployed", problem="")
    factories.make_deployment(artifact=scene.artifact, created_at=timezone.now() - timedelta(days=2))
    factories.make_delivery(integration=scene.integration, status="failed")
    assert figures(signed_in) == {
        "pushes stored in 24 hours": 1,
        "pushes failed in 24 hours": 1,
        "deployed in 24 hours": 1,
        "deployments failed in 24 hours": 3,
        "operations running": 0,
    }
    assert "3 failed today" in signed_in.get(reverse("overview")).content.decode()


def test_each_integration_says_what_was_deployed_last_and_what_runs(
    signed_in: Client, scene: Scene, stranger: object
) -> None:
    other = make_scene(scene.integration.team, name="never")
    Deployment.objects.filter(integration=other.integration).delete()
    now = timezone.now()
    made = {
        name: factories.make_deployment(
            artifact=scene.artifact,
            steps=False,
            commit=name[0] * 40,
            created_at=now - timedelta(hours=hours),
            status=status,
            deployer=deployer,
        )
        for name, hours, status, deployer in (
            ("a first", 5, "deployed", Deployer.CODEDEPLOY),
            ("b second", 4, "deployed", Deployer.CODEDEPLOY),
            ("c on ecs", 3, "deployed", Deployer.ECS),
            ("d broken", 1, "failed", Deployer.CODEDEPLOY),
        )
    }
    rows = {row.integration.name: row for row in signed_in.get(reverse("overview")).context["integrations"]}
    assert rows["shop"].last == made["d broken"]
    assert rows["shop"].runs == [made["b second"], made["c on ecs"]]
    assert (rows["never"].last, rows["never"].runs) == (None, [])
    html = signed_in.get(reverse("overview")).content.decode()
    assert "bbbbbbb" in html
    assert "ccccccc" in html
    assert "aaaaaaa" not in html
    assert "only stores artifacts" in html
