"""What became of a push is told wherever it is listed: overtaken by which one, and how its deployment ended."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from deployers.models import Deployment
from integrations.models import Delivery, DeliveryStatus, DeployStatus
from teams.models import Team
from tests import factories
from tests.web.scene import Scene, make_scene

HTMX = {"HX-Request": "true"}


@pytest.fixture
def scene(team: Team) -> Scene:
    found = make_scene(team)
    Delivery.objects.all().delete()
    Deployment.objects.all().delete()
    return found


def lists(scene: Scene) -> list[str]:
    return [
        reverse("overview"),
        reverse("delivery-list"),
        reverse("integration-detail", args=[scene.integration.pk]),
        reverse("integration-deliveries", args=[scene.integration.pk]),
    ]


@pytest.mark.parametrize(
    "state",
    [
        {"status": DeliveryStatus.SUPERSEDED, "reason": "superseded"},
        {"status": DeliveryStatus.STORED, "deploy_status": DeployStatus.SKIPPED},
    ],
)
def test_an_overtaken_push_names_and_links_the_one_that_overtook_it(
    signed_in: Client, scene: Scene, state: dict[str, str]
) -> None:
    now = timezone.now()
    old, _other_ref, _ignored, newer, _newest = (
        factories.make_delivery(
            integration=scene.integration,
            received_at=now - timedelta(minutes=minutes),
            commit=letter * 40,
            **{"ref": "refs/heads/main", **more},
        )
        for minutes, letter, more in (
            (9, "a", state),
            (8, "b", {"ref": "refs/heads/other"}),
            (7, "c", {"status": DeliveryStatus.IGNORED}),
            (6, "d", {}),
            (5, "e", {}),
        )
    )
    link = f'Superseded by <a href="{reverse("delivery-detail", args=[newer.pk])}"><code>ddddddd</code></a>'
    for url in lists(scene):
        assert link in signed_in.get(url).content.decode(), url
    page = signed_in.get(reverse("delivery-detail", args=[old.pk])).content.decode()
    assert f'<a href="{reverse("delivery-detail", args=[newer.pk])}">Superseded by ddddddd</a>' in page


def test_a_push_that_came_late_was_overtaken_by_the_one_before_it(signed_in: Client, scene: Scene) -> None:
    now = timezone.now()
    factories.make_delivery(integration=scene.integration, received_at=now - timedelta(minutes=2), commit="d" * 40)
    factories.make_delivery(integration=scene.integration, received_at=now, status=DeliveryStatus.SUPERSEDED)
    assert "<code>ddddddd</code></a>" in signed_in.get(reverse("delivery-list")).content.decode()


def test_a_delivery_follows_its_deployment_to_the_end(signed_in: Client, scene: Scene) -> None:
    delivery = factories.make_delivery(
        integration=scene.integration, deploy_status=DeployStatus.DEPLOYING, deployment_external_id="d-FOLLOWED"
    )
    page = reverse("delivery-detail", args=[delivery.pk])
    deployment = factories.make_deployment(
        artifact=factories.make_artifact(delivery=delivery),
        steps=False,
        external_id="d-FOLLOWED",
        status="deploying",
        finished_at=None,
        problem="",
    )
    tags = set()
    for status, words in (("deploying", "Deploying"), ("rolled_back", "Rolled back"), ("deployed", "Deployed")):
        deployment.status = status
        deployment.finished_at = None if status == "deploying" else timezone.now()
        deployment.save()
        for url in (*lists(scene), page):
            html = signed_in.get(url).content.decode()
            assert f'href="{reverse("deployment-detail", args=[deployment.pk])}"' in html
            assert f">{words}</span>" in html
            assert "Deployment started" not in html
        tags.add(signed_in.get(reverse("delivery-list"), headers=HTMX)["ETag"])
        answer = signed_in.get(page, headers=HTMX)
        assert answer.status_code == (200 if status == "deploying" else 286), "polls until the end"
    assert len(tags) == 3


def test_a_pipelines_run_is_found_by_the_version_of_its_artifact(signed_in: Client, scene: Scene) -> None:
    delivery = factories.make_delivery(integration=scene.integration, artifact_version_id="v-1")
    factories.make_deployment(
        artifact=factories.make_artifact(delivery=delivery, version_id="v-1"), steps=False, deployer="ecs"
    )
    assert ">Failed</span>" in signed_in.get(reverse("delivery-list")).content.decode()


def test_a_strangers_deployment_of_the_same_name_is_not_shown(signed_in: Client, scene: Scene) -> None:
    factories.make_delivery(integration=scene.integration, artifact_version_id="v-1", deployment_external_id="d-1")
    theirs = make_scene(factories.make_team(slug="theirs"), name="theirs")
    other = factories.make_deployment(artifact=theirs.artifact, steps=False, external_id="d-1")
    assert str(other.pk) not in signed_in.get(reverse("delivery-list")).content.decode()
