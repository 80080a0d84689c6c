"""Pushes that did not arrive: asked for, found and tried again from the pages and over the API.

The provider answers at the socket, AWS by moto.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict

import boto3
import pytest
import responses
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from integrations.models import DeliveryStatus, Integration
from lambdas.common.deliveries import DeliveryTable
from lambdas.common.queue import FetchRequest
from teams.models import Team
from tests import factories
from tests.api.conftest import api, stranger_api, viewer_api
from tests.deployers.conftest import TABLE, fresh_clients, moto, queue_url, table
from tests.deployers.test_catch_up import NEW, Repository
from tests.deployers.test_deliveries import item
from tests.integrations.providers.contract import REPOSITORY

__all__ = ["api", "fresh_clients", "moto", "queue_url", "stranger_api", "table", "viewer_api"]
HTMX = {"HX-Request": "true"}
THEIRS = "0b989ba4-242f-11e5-81e1-c7b6966d2516"  # of the fake's recent deliveries


@pytest.fixture
def github(moto: None) -> Iterator[Repository]:
    cache.clear()
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield Repository(mock)


@pytest.fixture
def dead_url(moto: None) -> str:
    client = boto3.client("sqs", region_name="us-east-1")
    url: str = client.create_queue(QueueName="dead.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    return url


@pytest.fixture
def integration(github: Repository, table: DeliveryTable, queue_url: str, dead_url: str, team: Team) -> Integration:
    """Its webhook is at the provider, which remembers a delivery."""
    github.hooks["7"] = {"url": "https://hook.example/zipdl"}
    repository = factories.make_repository(team=team, full_name=REPOSITORY)
    found = factories.make_integration(repository=repository, webhook_remote_id="7")
    queues = {"ZipDownloadQueueUrl": queue_url, "DeadLetterQueueUrl": dead_url}
    factories.make_stack(integration=found, outputs={"DeliveriesTableName": TABLE, **queues})
    return found


@pytest.fixture
def given_up(integration: Integration, table: DeliveryTable, dead_url: str) -> str:
    """A push that was tried too often; the id of its delivery."""
    request = FetchRequest("one", REPOSITORY, "refs/heads/main", NEW, "2026-11-23T10:00:00.000000Z", "zip_download")
    boto3.resource("dynamodb", region_name="us-east-1").Table(TABLE).put_item(Item=item("one", status="failed"))
    boto3.client("sqs", region_name="us-east-1").send_message(
        QueueUrl=dead_url,
        MessageBody=json.dumps(asdict(request)),
        MessageGroupId=request.delivery,
        MessageDeduplicationId="one",
    )
    return "one"


def queued(url: str) -> list[str]:
    """Deliveries on a queue."""
    answer = boto3.client("sqs", region_name="us-east-1").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    return [json.loads(message["Body"])["delivery"] for message in answer.get("Messages", [])]


def test_an_operator_checks_for_missed_pushes(
    operator: Client, integration: Integration, github: Repository, queue_url: str
) -> None:
    url = reverse("integration-catch-up", args=[integration.pk])
    assert "Nothing was missed" in operator.post(url, follow=True).content.decode()
    github.branches |= {"main": NEW}
    assert "1 missed push found" in operator.post(url, follow=True).content.decode()
    assert len(queued(queue_url)) == 1


def test_why_the_check_failed_stays_on_the_page(
    signed_in: Client, integration: Integration, github: Repository
) -> None:
    integration.heads_problem = "GitHub does not accept the token."
    integration.commit_status_problem = "The token may not write statuses."
    integration.save()
    page = signed_in.get(reverse("integration-detail", args=[integration.pk])).content.decode()
    assert "GitHub does not accept the token." in page
    assert "Commit statuses cannot be shown: The token may not write statuses." in page


def test_what_was_given_up_is_counted_and_redriven(
    operator: Client, viewer: Client, integration: Integration, given_up: str, queue_url: str
) -> None:
    url = reverse("integration-dead-letters", args=[integration.pk])
    fragment = operator.get(url, headers=HTMX).content.decode()
    assert "1 push failed after" in fragment
    assert "<html" not in fragment
    seen = viewer.get(url).content.decode()
    assert "1 push failed after" in seen
    assert "Redrive" not in seen
    redrive = reverse("integration-redrive", args=[integration.pk])
    assert redrive in fragment
    assert "1 push put on the queue again." in operator.post(redrive, follow=True).content.decode()
    assert queued(queue_url) == [given_up]
    assert "No failed pushes." in operator.get(url, headers=HTMX).content.decode()


def test_a_page_without_a_script_leads_to_what_was_given_up(signed_in: Client, integration: Integration) -> None:
    page = signed_in.get(reverse("integration-detail", args=[integration.pk])).content.decode()
    assert f'<a href="{reverse("integration-dead-letters", args=[integration.pk])}"' in page


def test_aws_saying_no_is_told_in_place_of_the_count(
    signed_in: Client, integration: Integration, monkeypatch: pytest.MonkeyPatch
) -> None:
    boto3.client("sqs", region_name="us-east-1").delete_queue(
        QueueUrl=integration.stacks.get().outputs["DeadLetterQueueUrl"]
    )
    page = signed_in.get(reverse("integration-dead-letters", args=[integration.pk]), headers=HTMX)
    assert page.status_code == 200
    assert "Cannot read the dead-letter queue" in page.content.decode()


def test_the_provider_is_asked_where_it_can_be(
    operator: Client, viewer: Client, integration: Integration, github: Repository
) -> None:
    failed = factories.make_delivery(
        integration=integration, provider_delivery_id=THEIRS, status=DeliveryStatus.REJECTED
    )
    stored = factories.make_delivery(integration=integration, provider_delivery_id=THEIRS)
    address = {row: reverse("delivery-detail", args=[row.pk]) for row in (failed, stored)}
    assert "Ask GitHub to send it again" in operator.get(address[failed]).content.decode()
    assert "Ask GitHub" not in operator.get(address[stored]).content.decode()
    assert "Ask GitHub" not in viewer.get(address[failed]).content.decode()
    answer = operator.post(reverse("delivery-ask", args=[failed.pk]))
    assert answer["Location"] == f"{address[failed]}?watch=1"
    assert github.redelivered == ["12345678"]
    assert 'hx-trigger="every 2s"' in operator.get(answer["Location"]).content.decode()


def test_what_the_provider_no_longer_has_is_said(operator: Client, integration: Integration) -> None:
    old = factories.make_delivery(
        integration=integration, provider_delivery_id="of-last-month", status=DeliveryStatus.FAILED
    )
    page = operator.post(reverse("delivery-ask", args=[old.pk]), follow=True).content.decode()
    assert "GitHub does not have this delivery any more." in page


def test_the_api_recovers_what_did_not_arrive(
    api: APIClient, viewer_api: APIClient, integration: Integration, github: Repository, given_up: str, queue_url: str
) -> None:
    url = f"/api/v1/integrations/{integration.pk}/"
    assert viewer_api.get(f"{url}dead-letters/").json() == {"count": 1}
    for action in ("catch-up", "redrive"):
        assert viewer_api.post(f"{url}{action}/").status_code == 403
    assert api.post(f"{url}catch-up/").json() == {"queued": 0}
    github.branches |= {"release/1": NEW}
    assert api.post(f"{url}catch-up/").json() == {"queued": 1}
    assert api.get(url).json()["heads_checked_at"]
    assert api.post(f"{url}redrive/").json() == {"queued": 1}
    assert given_up in queued(queue_url)


def test_the_api_asks_the_provider(api: APIClient, integration: Integration, github: Repository) -> None:
    failed = factories.make_delivery(integration=integration, provider_delivery_id=THEIRS, status=DeliveryStatus.FAILED)
    stored = factories.make_delivery(integration=integration, provider_delivery_id=THEIRS)
    assert api.post(f"/api/v1/deliveries/{failed.pk}/ask-provider/").status_code == 202
    assert github.redelivered == ["12345678"]
    refused = api.post(f"/api/v1/deliveries/{stored.pk}/ask-provider/")
    assert (refused.status_code, refused.json()["code"]) == (409, "refused")


def test_before_the_stack_is_there_nothing_can_be_recovered(operator: Client, team: Team) -> None:
    new = factories.make_integration(team=team)
    for name in ("integration-catch-up", "integration-redrive"):
        assert (
            "Provision the integration first."
            in operator.post(reverse(name, args=[new.pk]), follow=True).content.decode()
        )
