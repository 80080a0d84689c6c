"""The delivery log: search, filters, the story of each delivery, and pages that follow what happens."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks
from rest_framework.test import APIClient

from integrations.models import Delivery, DeliveryStatus, Integration, Method
from panel import delivery_search
from panel.web.delivery_story import story
from teams.models import Team
from tests import factories
from tests.api.conftest import api
from tests.web.scene import make_scene

__all__ = ["api"]
HTMX = {"HX-Request": "true"}
Make = Callable[..., Delivery]


@pytest.fixture
def integration(team: Team) -> Integration:
    """Provisioned, with one delivery that no search below finds."""
    found = make_scene(team).integration
    Delivery.objects.all().update(provider_delivery_id="")
    stack = found.stacks.get()
    stack.outputs |= {"DeliveriesTableName": "deliveries"}
    stack.save()
    return found


def shown(client: Client, **query: str) -> list[Delivery]:
    return list(client.get(reverse("delivery-list"), query).context["rows"])


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("ABCDEF12", {"commit": "abcdef1200000000000000000000000000000000"}),
        ("bcdef", {"commit": "abcdef1200000000000000000000000000000000"}),
        ("elease/2", {"ref": "refs/heads/release/2"}),
        ("checkOUT", {"message": "Fix the checkout"}),
        ("deadbeef", {"message": "Revert deadbeef"}),
        ("grace", {"sender": "Grace"}),
        ("matches none", {"reason": "branch docs matches none of main"}),
        ("72d3162e-cc78", {"provider_delivery_id": "72d3162e-cc78-11e3-81ab-4c9367dc0958"}),
        ("100%_", {"message": "Cover 100%_ of it"}),
    ],
)
def test_a_delivery_is_found_by_what_people_remember(
    text: str, fields: dict[str, str], signed_in: Client, api: APIClient, integration: Integration
) -> None:
    wanted = factories.make_delivery(integration=integration, **fields)
    assert shown(signed_in, q=text) == [wanted]
    found = api.get("/api/v1/deliveries/", {"q": text}).json()["results"]
    assert [row["id"] for row in found] == [str(wanted.pk)]


def test_a_search_reads_the_newest_and_leads_on_to_the_earlier_ones(
    signed_in: Client, integration: Integration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_search, "SEARCHED", 3)
    Delivery.objects.all().delete()
    now = timezone.now()
    rows = [
        factories.make_delivery(
            integration=integration,
            received_at=now - timedelta(hours=number),
            message="needle" if number in {1, 4, 5} else "hay",
        )
        for number in range(8)
    ]
    seen, pages, url = [], 0, f"{reverse('delivery-list')}?q=needle"
    while url:
        page = signed_in.get(url)
        seen += [row.pk for row in page.context["rows"]]
        pages += 1
        url = page.context["page"].later and f"{reverse('delivery-list')}{page.context['page'].later}"
        if pages == 1:
            assert "Search earlier ones" in page.content.decode()
            assert "back to" in page.content.decode()
    assert seen == [rows[number].pk for number in (1, 4, 5)]
    assert pages == 3


def test_filters_narrow_together(signed_in: Client, api: APIClient, integration: Integration) -> None:
    Delivery.objects.all().delete()
    now = timezone.now()
    old = factories.make_delivery(integration=integration, received_at=now - timedelta(days=3))
    pulled = factories.make_delivery(integration=integration, method=Method.GIT_PULL, status=DeliveryStatus.FAILED)
    zipped = factories.make_delivery(integration=integration, method=Method.ZIP_DOWNLOAD)
    assert shown(signed_in, since="day") == [zipped, pulled]
    assert shown(signed_in, since="week", method="git_pull") == [pulled, old]
    assert shown(signed_in, since="week", method="git_pull", status="failed") == [pulled]
    assert shown(signed_in, since="ever", method="carrier-pigeon") == [zipped, pulled, old]

    def listed(**query: str) -> list[str]:
        return [row["id"] for row in api.get("/api/v1/deliveries/", query).json()["results"]]

    yesterday = (now - timedelta(days=1)).isoformat()
    assert listed(until=yesterday) == [str(old.pk)]
    assert listed(since=yesterday, method="zip_download") == [str(zipped.pk)]
    assert api.get("/api/v1/deliveries/", {"since": "yesterday"}).status_code == 400


def test_a_list_that_filters_emptied_says_so_and_offers_to_clear_them(
    signed_in: Client, integration: Integration
) -> None:
    page = signed_in.get(reverse("delivery-list"), {"q": "nothing like this"}).content.decode()
    assert "No such delivery" in page
    assert f'href="{reverse("delivery-list")}">' in page
    assert 'value="nothing like this"' in page


def test_the_story_says_what_came_what_was_decided_and_every_attempt(integration: Integration) -> None:
    delivery = factories.make_delivery(
        integration=integration,
        status=DeliveryStatus.STORED,
        source_ip="140.82.115.1",
        attempts=[
            {"at": "2026-11-23T10:00:00.000000Z", "duration_ms": 512, "error": "502 Bad Gateway"},
            {"at": "2026-11-23T10:01:00.000000Z", "duration_ms": 811, "error": ""},
        ],
    )
    assert [(line.status.label, line.text, line.took) for line in story(delivery)] == [
        ("Received", "A webhook about push by ada, from 140.82.115.1.", None),
        ("Accepted", "To be fetched by git pull.", None),
        ("Failed", "Attempt 1: 502 Bad Gateway", 512),
        ("Succeeded", "Attempt 2: made and stored the zip.", 811),
        ("Stored", "", 1000),
    ]


def test_the_story_of_what_was_ignored_ends_with_the_reason(integration: Integration) -> None:
    delivery = factories.make_delivery(
        integration=integration, status=DeliveryStatus.IGNORED, reason="branch docs matches none of main"
    )
    assert [line.status.label for line in story(delivery)] == ["Received", "Ignored"]
    assert story(delivery)[-1].text == "Branch docs matches none of main"


def test_the_story_of_what_a_worker_ignored_claims_no_zip(integration: Integration) -> None:
    delivery = factories.make_delivery(
        integration=integration,
        status=DeliveryStatus.IGNORED,
        reason="the one changed file matches the ignored paths `docs`",
        attempts=[{"at": "2026-11-23T10:00:00.000000Z", "duration_ms": 80, "error": ""}],
    )
    assert [line.text for line in story(delivery)][1:] == [
        "Attempt 1: compared changed files.",
        "The one changed file matches the ignored paths `docs`",
    ]


def test_what_could_not_be_deployed_says_why_in_its_story_and_in_lists(
    signed_in: Client, integration: Integration, api: APIClient
) -> None:
    why = "appspec.yml names scripts/start.sh, which is not in the artifact."
    delivery = factories.make_delivery(
        integration=integration, status=DeliveryStatus.STORED, deploy_status="refused", deploy_reason=why
    )
    line = story(delivery)[-1]
    assert (line.status.label, line.text, line.moment) == ("Not deployed", why, delivery.updated_at)
    assert why in signed_in.get(reverse("delivery-detail", args=[delivery.pk])).content.decode()
    assert f"Not deployed: {why}" in signed_in.get(reverse("delivery-list")).content.decode()
    answer = api.get(f"/api/v1/deliveries/{delivery.pk}/").json()
    assert (answer["status"], answer["deploy_status"], answer["deploy_reason"]) == ("stored", "refused", why)


@pytest.mark.parametrize(
    ("deployers", "fields", "polls"),
    [
        (["codedeploy"], {}, True),
        (["codedeploy"], {"deploy_status": "waiting"}, True),
        (["codedeploy"], {"deploy_status": "deploying"}, False),
        (["codedeploy"], {"stored_at": None}, False),
        ([], {}, False),
    ],
)
def test_a_page_waits_a_little_for_what_the_deployer_says(
    signed_in: Client, integration: Integration, deployers: list[str], fields: dict[str, Any], polls: bool
) -> None:
    integration.deployers = deployers
    integration.save()
    values = {"status": DeliveryStatus.STORED, "stored_at": timezone.now(), **fields}
    delivery = factories.make_delivery(integration=integration, **values)

    page = signed_in.get(reverse("delivery-detail", args=[delivery.pk])).content.decode()

    assert ('hx-trigger="every 2s"' in page) is polls


def test_a_push_that_no_webhook_brought_says_why_it_exists(signed_in: Client, integration: Integration) -> None:
    why = "The check for missed pushes saw main at 4f3c2e1."
    delivery = factories.make_delivery(integration=integration, event="catch-up", request_body=why, request_headers={})
    page = signed_in.get(reverse("delivery-detail", args=[delivery.pk])).content.decode()
    assert "No webhook brought this push; the check for missed pushes found it." in page
    assert why in page


def test_a_delivery_under_way_is_followed_to_its_end(signed_in: Client, integration: Integration) -> None:
    delivery = factories.make_delivery(integration=integration, status=DeliveryStatus.FETCHING)
    url = reverse("delivery-detail", args=[delivery.pk])
    page = signed_in.get(url).content.decode()
    assert f'hx-get="{url}" hx-trigger="every 2s"' in page
    etag = signed_in.get(url, headers=HTMX)["ETag"]
    assert signed_in.get(url, headers={**HTMX, "If-None-Match": etag}).status_code == 304
    delivery.status, delivery.updated_at = DeliveryStatus.STORED, timezone.now()
    delivery.save()
    end = signed_in.get(url, headers={**HTMX, "If-None-Match": etag})
    assert end.status_code == 286
    assert '<span id="delivery-status" hx-swap-oob="true">' in end.content.decode()
    assert "Stored" in end.content.decode()
    assert "<html" not in end.content.decode()
    assert "hx-trigger" not in signed_in.get(url).content.decode()


@pytest.mark.parametrize("name", ["delivery-list", "integration-deliveries", "integration-detail", "delivery-detail"])
def test_whoever_looks_has_deliveries_read_at_once_but_not_twice(
    name: str,
    signed_in: Client,
    integration: Integration,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    fetching = factories.make_delivery(integration=integration, status=DeliveryStatus.FETCHING)
    key = {"delivery-detail": fetching.pk}.get(name, integration.pk)
    url = reverse(name, args=[] if name == "delivery-list" else [key])
    with django_capture_on_commit_callbacks() as asked:
        signed_in.get(url, headers=HTMX)
    assert len(asked) == 1
    Integration.objects.update(deliveries_synced_at=timezone.now())
    with django_capture_on_commit_callbacks() as asked:
        signed_in.get(url, headers=HTMX)
    assert asked == []


def test_looking_at_a_filtered_list_reads_only_that_integration(
    signed_in: Client,
    api: APIClient,
    integration: Integration,
    team: Team,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    other = make_scene(team, name="other").integration
    other.stacks.update(outputs={"DeliveriesTableName": "deliveries"})
    with django_capture_on_commit_callbacks() as asked:
        shown(signed_in, integration="other")
    assert len(asked) == 1
    with django_capture_on_commit_callbacks() as asked:
        api.get("/api/v1/deliveries/", {"integration": str(other.pk)})
    assert len(asked) == 1
    with django_capture_on_commit_callbacks() as asked:
        shown(signed_in)
    assert len(asked) == 2


def test_a_stranger_has_nobodys_deliveries_read(
    strange: Client, integration: Integration, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks() as asked:
        assert strange.get(reverse("delivery-list"), {"integration": integration.name}).status_code == 200
        assert strange.get(reverse("integration-deliveries", args=[integration.pk])).status_code == 404
    assert asked == []
