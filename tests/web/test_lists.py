"""Lists: filters, pages that join without gaps, search."""

from datetime import timedelta

import pytest
import responses
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from integrations.models import Delivery, DeliveryStatus, Repository
from panel.web import paging
from teams.models import Team
from tests import factories
from tests.api.github import answer_as_github
from tests.web.scene import make_scene


def test_pages_by_time_hold_every_row_once_even_at_the_same_moment(team: Team) -> None:
    integration = factories.make_integration(team=team)
    now = timezone.now()
    for number in range(11):
        factories.make_delivery(integration=integration, received_at=now - timedelta(minutes=number // 4))
    seen, url = [], "/"
    while url:
        page = paging.by_time(RequestFactory().get(url), Delivery.objects.all(), field="received_at", size=3)
        seen += [row.pk for row in page.rows]
        url = page.later
    assert seen == list(Delivery.objects.order_by("-received_at", "-pk").values_list("pk", flat=True))


@pytest.mark.parametrize("cursor", ["", "nonsense", "2026-01-01T00:00:00_x", "2026-01-01T00:00:00+00:00_1"])
def test_a_cursor_that_cannot_be_shows_the_newest(cursor: str, team: Team) -> None:
    factories.make_delivery(integration=factories.make_integration(team=team))
    request = RequestFactory().get("/", {"before": cursor})
    page = paging.by_time(request, Delivery.objects.all(), field="received_at")
    assert (page.first, len(page.rows)) == (True, 1)


def test_numbered_pages_keep_the_rest_of_the_query(team: Team) -> None:
    provider = factories.make_provider(team=team)
    for _ in range(5):
        factories.make_repository(provider=provider)
    request = RequestFactory().get("/", {"q": "shop", "page": "2"})
    page = paging.numbered(request, Repository.objects.order_by("full_name"), size=2)
    assert (page.earlier, page.later, page.summary) == ("?q=shop&page=1", "?q=shop&page=3", "3 to 4 of 5")


def test_deliveries_are_filtered_by_status_branch_and_integration(signed_in: Client, team: Team) -> None:
    shop, blog = make_scene(team, name="shop"), make_scene(team, name="blog")
    for scene in (shop, blog):
        factories.make_delivery(
            integration=scene.integration,
            status=DeliveryStatus.FAILED,
            ref="refs/tags/v1",
            message=f"Tag {scene.integration}",
        )
    url = reverse("delivery-list")
    found = {
        name: [row.message for row in signed_in.get(url, query).context["rows"]]
        for name, query in {
            "failed": {"status": "failed"},
            "tag": {"ref": "v1"},
            "shop": {"integration": "shop", "status": "failed"},
            "nonsense": {"status": "exploded"},
        }.items()
    }
    assert sorted(found["failed"]) == sorted(found["tag"]) == ["Tag blog", "Tag shop"]
    assert found["shop"] == ["Tag shop"]
    assert len(found["nonsense"]) == 4


def test_a_delivery_that_is_unreadable_can_still_be_looked_at(signed_in: Client, team: Team) -> None:
    delivery = factories.make_delivery(
        integration=factories.make_integration(team=team),
        status=DeliveryStatus.REJECTED,
        reason="the body is no JSON",
        event="",
        ref="",
        commit="",
        message="",
        method="",
        request_body="<script>alert(1)</script>",
        request_headers={"user-agent": "curl/8"},
        attempts=[],
    )
    page = signed_in.get(reverse("delivery-detail", args=[delivery.pk])).content.decode()
    assert "The body is no JSON" in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert "Redeliver" not in page


def test_the_reason_and_attempts_of_a_failed_delivery_are_on_its_page(signed_in: Client, team: Team) -> None:
    delivery = factories.make_delivery(
        integration=factories.make_integration(team=team),
        status=DeliveryStatus.FAILED,
        reason="GitHub answered 404.",
        attempts=[{"at": "2026-11-23T10:00:00.000000Z", "duration_ms": 512, "error": "404 Not Found"}],
    )
    page = signed_in.get(reverse("delivery-detail", args=[delivery.pk])).content.decode()
    for text in ("GitHub answered 404.", "404 Not Found", "512 ms", "2026-11-23 10:00:00 UTC", "Redeliver"):
        assert text in page


@pytest.mark.parametrize(
    ("status", "offered"),
    [
        (DeliveryStatus.FAILED, True),
        (DeliveryStatus.FETCHING, True),
        (DeliveryStatus.IGNORED, True),
        (DeliveryStatus.STORED, False),
    ],
)
def test_only_a_delivery_that_failed_may_be_stuck_or_was_ignored_can_be_sent_again(
    status: DeliveryStatus, offered: bool, signed_in: Client, team: Team
) -> None:
    delivery = factories.make_delivery(integration=factories.make_integration(team=team), status=status)
    page = signed_in.get(reverse("delivery-detail", args=[delivery.pk])).content.decode()
    assert (reverse("delivery-redeliver", args=[delivery.pk]) in page) == offered


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("shop-git", ["Provider"]),
        ("acme/shop", ["Repository"]),
        ("SHOP-ACC", ["AWS account"]),
        ("sluice-shop", ["Stack"]),
        (factories.COMMIT[:8], ["Delivery", "Deployment"]),
    ],
)
def test_search_finds(text: str, kinds: list[str], signed_in: Client, team: Team) -> None:
    make_scene(team)
    hits = signed_in.get(reverse("search"), {"q": text}).context["hits"]
    assert [hit.kind for hit in hits] == kinds


def test_search_for_nothing_and_for_what_is_not_there(signed_in: Client, team: Team) -> None:
    make_scene(team)
    assert signed_in.get(reverse("search"), {"q": " "}).context["hits"] == []
    assert "Nothing found" in signed_in.get(reverse("search"), {"q": "zzz"}).content.decode()


def test_the_log_of_a_stack_downloads_as_text(signed_in: Client, team: Team) -> None:
    scene = make_scene(team)
    factories.make_stack_event(stack=scene.stack, status="CREATE_FAILED", reason="It's <taken>")
    answer = signed_in.get(reverse("stack-events", args=[scene.stack.pk]))
    assert answer["Content-Type"].startswith("text/plain")
    assert "CREATE_FAILED ZipDownloadQueue AWS::SQS::Queue It's <taken>" in answer.content.decode()


def test_the_sidebar_counts_integrations_and_failures_of_a_day(signed_in: Client, team: Team) -> None:
    scene = make_scene(team)
    old = timezone.now() - timedelta(days=2)
    factories.make_delivery(integration=scene.integration, status=DeliveryStatus.FAILED)
    factories.make_delivery(integration=scene.integration, status=DeliveryStatus.FAILED, received_at=old)
    links = {
        link.label: link for _, group in signed_in.get(reverse("overview")).context["navigation"] for link in group
    }
    assert (links["Integrations"].count, links["Deliveries"].count) == (1, 1)
    assert links["Deliveries"].alarming
    assert [link.label for link in links.values() if link.current] == ["Overview"]


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("search", {"q": "a\x00b"}),
        ("integration-list", {"q": "\x00"}),
        ("repository-list", {"q": "\x00", "page": "-1"}),
        ("delivery-list", {"ref": "\x00", "integration": "\x00", "status": "\x00", "before": "\x00"}),
        ("operation-list", {"status": "\x00", "before": "2026-01-01T00:00:00Z_\x00"}),
        ("repository-add", {"provider": "\x00", "q": "\x00", "page": "\u0662" * 30}),
        ("integration-add", {"repository": "\x00"}),
    ],
)
def test_nothing_that_can_be_written_into_an_address_breaks_a_page(
    name: str, query: dict[str, str], signed_in: Client, team: Team
) -> None:
    make_scene(team)
    with responses.RequestsMock(assert_all_requests_are_fired=False) as http:
        answer_as_github(http)
        assert signed_in.get(reverse(name), query).status_code == 200
