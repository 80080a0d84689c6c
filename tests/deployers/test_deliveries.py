"""Deliveries read from the stack's table, and sent again: DynamoDB and SQS by moto."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from django.utils import timezone

from deployers.errors import AwsError
from deployers.models import Artifact, OperationKind
from deployers.services import artifacts, deliveries, stuck
from integrations.models import Delivery, DeliveryStatus, Integration, WebhookState
from lambdas.common.deliveries import DeliveryTable, timestamp
from teams.errors import Forbidden, Refused
from teams.models import Role
from tests.deployers.conftest import TABLE
from tests.factories import COMMIT, make_delivery, make_integration, make_operation, make_stack, make_team, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def integration() -> Integration:
    found = make_integration(webhook_state=WebhookState.INSTALLED)
    make_stack(integration=found, outputs={"DeliveriesTableName": TABLE})
    return found


def item(delivery_id: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": delivery_id,
        "event": "push",
        "repository": "acme/shop",
        "ref": "refs/heads/main",
        "commit": COMMIT,
        "method": "zip_download",
        "status": "queued",
        **fields,
    }


STORED = {
    "status": "stored",
    "artifact_bucket": "output",
    "artifact_key": "acme/shop/main/shop.zip",
    "artifact_version_id": "v1",
    "artifact_size": 1234,
    "content_digest": "d" * 64,
}


def test_what_the_lambdas_wrote_is_read_once(table: DeliveryTable, integration: Integration) -> None:
    table.create(item("one"))
    table.create(item("two", **STORED))

    assert deliveries.sync(integration=integration, force=True) == 2
    assert deliveries.sync(integration=integration, force=True) == 0

    assert set(integration.deliveries.values_list("delivery_id", "status")) == {("one", "queued"), ("two", "stored")}
    artifact = Artifact.objects.get()
    assert (artifact.key, artifact.version_id, artifact.size) == ("acme/shop/main/shop.zip", "v1", 1234)
    assert artifact.delivery is not None
    assert artifact.delivery.delivery_id == "two"
    integration.refresh_from_db()
    assert integration.webhook_state == WebhookState.VERIFIED


def test_a_change_is_read_though_it_is_a_little_older_than_the_newest(
    table: DeliveryTable, integration: Integration
) -> None:
    """The clocks of two Lambdas differ, and the index follows the table."""
    table.create(item("new"))
    deliveries.sync(integration=integration, force=True)
    earlier = timestamp(datetime.now(UTC) - timedelta(seconds=5))
    table.create(item("late", updated_at=earlier))

    assert deliveries.sync(integration=integration, force=True) == 1


def test_a_row_never_goes_back_in_time(table: DeliveryTable, integration: Integration) -> None:
    future = timezone.now() + timedelta(minutes=1)
    make_delivery(integration=integration, delivery_id="one", status=DeliveryStatus.STORED, updated_at=future)
    table.create(item("one"))

    deliveries.sync(integration=integration, force=True)

    assert integration.deliveries.get().status == DeliveryStatus.STORED


def test_many_pages_are_read_and_an_unreadable_item_holds_up_nothing(
    table: DeliveryTable, integration: Integration
) -> None:
    body = "x" * 60_000
    for number in range(40):
        table.create(item(f"d{number}", request_body=body))
    table.create(item("odd", status="no such status"))

    assert deliveries.sync(integration=integration, force=True) == 40
    assert not integration.deliveries.filter(delivery_id="odd").exists()


def test_the_same_content_again_is_the_same_artifact(table: DeliveryTable, integration: Integration) -> None:
    table.create(item("one", **STORED))
    table.create(item("two", **STORED))

    deliveries.sync(integration=integration, force=True)

    assert Artifact.objects.count() == 1
    assert integration.deliveries.count() == 2


def test_a_moment_after_an_answer_nothing_is_asked(table: DeliveryTable, integration: Integration) -> None:
    deliveries.sync(integration=integration)
    table.create(item("one"))

    assert deliveries.sync(integration=integration) == 0
    assert deliveries.sync(integration=integration, force=True) == 1


def test_without_a_stack_there_is_nothing_to_read() -> None:
    assert deliveries.sync(integration=make_integration(), force=True) == 0


def test_a_table_that_is_gone_is_told(moto: None, integration: Integration) -> None:
    with pytest.raises(AwsError):
        deliveries.sync(integration=integration, force=True)


def due_names() -> list[str]:
    keys = deliveries.due(10)
    names = dict(Integration.objects.values_list("pk", "name"))
    return [names[key] for key in keys]


def provisioned(name: str, seconds_ago: float | None) -> Integration:
    at = None if seconds_ago is None else timezone.now() - timedelta(seconds=seconds_ago)
    found = make_integration(name=name, deliveries_synced_at=at)
    make_stack(integration=found, outputs={"DeliveriesTableName": TABLE})
    return found


def test_integrations_where_something_happens_are_read_first_and_more_often() -> None:
    busy = provisioned("busy", 3)
    make_delivery(integration=busy, status=DeliveryStatus.FETCHING, received_at=timezone.now() - timedelta(days=1))
    provisioned("resting-a-moment", 3)
    provisioned("resting", 60)
    provisioned("never-read", None)
    make_delivery(integration=provisioned("read-just-now", 0.5))
    make_integration(name="without-a-stack")
    make_operation(stack=provisioned("being-deleted", 60).stacks.get(), kind=OperationKind.DELETE)

    assert due_names() == ["busy", "never-read", "resting"]


def test_an_integration_that_cannot_be_read_holds_up_no_other(table: DeliveryTable, integration: Integration) -> None:
    broken = make_integration(deliveries_synced_at=None)
    make_stack(integration=broken, outputs={"DeliveriesTableName": "no-such-table"})
    Integration.objects.filter(pk=integration.pk).update(deliveries_synced_at=timezone.now() - timedelta(hours=1))
    table.create(item("one"))

    assert deliveries.sync_due() == 1


def failed_delivery(integration: Integration, queue_url: str, **fields: Any) -> Delivery:
    stack = integration.stacks.get()
    stack.outputs |= {"ZipDownloadQueueUrl": queue_url}
    stack.save()
    values = {"status": DeliveryStatus.FAILED, "updated_at": timezone.now() - timedelta(minutes=1), **fields}
    return make_delivery(integration=integration, delivery_id="one", **values)


def test_a_failed_delivery_is_put_on_its_queue_again(
    table: DeliveryTable, queue_url: str, integration: Integration
) -> None:
    table.create(item("one", status="failed"))
    delivery = failed_delivery(integration, queue_url)
    operator = make_user(team=integration.team, role=Role.OPERATOR)

    deliveries.redeliver(delivery=delivery, actor=operator)

    [message] = boto3.client("sqs", region_name="us-east-1").receive_message(QueueUrl=queue_url)["Messages"]
    body = json.loads(message["Body"])
    assert (body["delivery"], body["commit"], body["method"]) == ("one", delivery.commit, "zip_download")
    deliveries.sync(integration=integration, force=True)
    delivery.refresh_from_db()
    assert (delivery.status, operator.username in delivery.reason) == (DeliveryStatus.QUEUED, True)


def test_two_redeliveries_are_two_messages(table: DeliveryTable, queue_url: str, integration: Integration) -> None:
    table.create(item("one", status="failed"))
    delivery = failed_delivery(integration, queue_url)
    operator = make_user(team=integration.team, role=Role.OPERATOR)
    for _ in range(2):
        deliveries.redeliver(delivery=delivery, actor=operator)

    sqs = boto3.client("sqs", region_name="us-east-1")
    attributes = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["ApproximateNumberOfMessages"])
    assert attributes["Attributes"]["ApproximateNumberOfMessages"] == "2"


@pytest.mark.parametrize(
    ("status", "commit"),
    [
        (DeliveryStatus.STORED, "a" * 40),
        (DeliveryStatus.QUEUED, "a" * 40),
        (DeliveryStatus.REJECTED, ""),
        (DeliveryStatus.IGNORED, ""),
    ],
)
def test_only_a_push_that_failed_got_stuck_or_was_ignored_is_sent_again(
    integration: Integration, status: DeliveryStatus, commit: str
) -> None:
    delivery = make_delivery(integration=integration, status=status, commit=commit)
    with pytest.raises(Refused):
        deliveries.redeliver(delivery=delivery, actor=make_user(team=integration.team))


def test_an_ignored_push_is_decided_about_anew(table: DeliveryTable, queue_url: str, integration: Integration) -> None:
    table.create(item("one", status="ignored", reason="branch `docs` matches none of `main`"))
    integration.refs = ["main"]
    integration.save()
    ignored = {"status": DeliveryStatus.IGNORED, "ref": "refs/heads/docs"}
    delivery = failed_delivery(integration, queue_url, repository=integration.repository.full_name.upper(), **ignored)
    operator = make_user(team=integration.team, role=Role.OPERATOR)
    with pytest.raises(Refused, match="branch docs still matches none of `main`"):
        deliveries.redeliver(delivery=delivery, actor=operator)
    assert (table.get("one") or {})["status"] == "ignored"

    integration.refs = ["main", "docs"]
    integration.save()
    deliveries.redeliver(delivery=delivery, actor=operator)

    [message] = boto3.client("sqs", region_name="us-east-1").receive_message(QueueUrl=queue_url)["Messages"]
    body = json.loads(message["Body"])
    assert (body["delivery"], body["ref"]) == ("one", "refs/heads/docs")
    assert body["repository"] == integration.repository.full_name, "as the artifacts before it are called"
    now = table.get("one") or {}
    assert (now["status"], now["check_paths"]) == ("queued", True)
    with pytest.raises(Refused, match="changed meanwhile"):
        deliveries.redeliver(delivery=delivery, actor=operator)


def test_a_push_to_another_repository_stays_ignored(integration: Integration) -> None:
    delivery = make_delivery(integration=integration, status=DeliveryStatus.IGNORED, repository="acme/other")
    with pytest.raises(Refused, match="not acme/other"):
        deliveries.redeliver(delivery=delivery, actor=make_user(team=integration.team))


@pytest.mark.parametrize(
    ("status", "ago"),
    [
        (DeliveryStatus.RECEIVED, timedelta(seconds=31)),
        (DeliveryStatus.QUEUED, timedelta(minutes=3)),
        (DeliveryStatus.RETRYING, timedelta(0)),
        (DeliveryStatus.FETCHING, timedelta(minutes=16)),
    ],
)
def test_a_delivery_that_got_stuck_may_be_sent_again(
    table: DeliveryTable, queue_url: str, integration: Integration, status: DeliveryStatus, ago: timedelta
) -> None:
    table.create(item("one", status=status.value))
    delivery = failed_delivery(integration, queue_url, status=status, updated_at=timezone.now() - ago)

    deliveries.redeliver(delivery=delivery, actor=make_user(team=integration.team))

    assert (table.get("one") or {})["status"] == "queued"


def stuck_item(queue_url: str, integration: Integration, *, since: timedelta, **fields: Any) -> dict[str, Any]:
    """A push that stands where it stands since then."""
    stack = integration.stacks.get()
    stack.outputs |= {"ZipDownloadQueueUrl": queue_url}
    stack.save()
    then = timestamp(datetime.now(UTC) - since)
    return item("one", received_at=then, updated_at=then, **fields)


@pytest.mark.parametrize(
    ("status", "since", "words"),
    [
        ("received", timedelta(seconds=31), "it was never queued"),
        ("queued", timedelta(minutes=3), "nothing took it up"),
    ],
)
def test_a_push_that_nobody_works_on_is_sent_again_by_itself(
    table: DeliveryTable, queue_url: str, integration: Integration, status: str, since: timedelta, words: str
) -> None:
    table.create(stuck_item(queue_url, integration, since=since, status=status))

    deliveries.sync_due()

    [message] = boto3.client("sqs", region_name="us-east-1").receive_message(QueueUrl=queue_url)["Messages"]
    assert json.loads(message["Body"])["delivery"] == "one"
    now = table.get("one") or {}
    assert (now["status"], now["reason"]) == ("queued", f"Stuck: {words}, so it was sent again")
    assert deliveries.sync(integration=integration, force=True) == 1
    assert integration.deliveries.get().reason == now["reason"], "the page says more than Queued"
    assert stuck.send_again(integration=integration) == 0, "not each time that somebody looks"


@pytest.mark.parametrize(
    ("status", "since"),
    [
        ("received", timedelta(seconds=5)),
        ("queued", timedelta(seconds=90)),
        ("fetching", timedelta(minutes=30)),
        ("retrying", timedelta(minutes=30)),
        ("queued", timedelta(hours=2)),
        ("stored", timedelta(minutes=30)),
    ],
)
def test_what_is_worked_on_or_is_a_persons_to_see_to_is_left_alone(
    table: DeliveryTable, queue_url: str, integration: Integration, status: str, since: timedelta
) -> None:
    table.create(stuck_item(queue_url, integration, since=since, status=status))

    deliveries.sync_due()

    assert "Messages" not in boto3.client("sqs", region_name="us-east-1").receive_message(QueueUrl=queue_url)
    assert (table.get("one") or {})["status"] == status


def test_viewers_and_strangers_cannot_redeliver(integration: Integration) -> None:
    delivery = make_delivery(integration=integration, status=DeliveryStatus.FAILED)
    viewer = make_user(team=integration.team, role=Role.VIEWER)
    stranger = make_user(team=make_team(slug="globex"))
    for user in (viewer, stranger):
        with pytest.raises(Forbidden):
            deliveries.redeliver(delivery=delivery, actor=user)


def test_a_download_address_is_of_exactly_one_version_and_short_lived(moto: None) -> None:
    delivery = make_delivery()
    artifact = Artifact.objects.create(
        integration=delivery.integration,
        bucket="output",
        key="acme/shöp/main/shöp.zip",
        version_id="v7",
        ref="refs/heads/main",
        commit=COMMIT,
        size=1,
        created_at=timezone.now(),
    )
    url = artifacts.download_url(artifact=artifact, actor=make_user(team=artifact.integration.team))
    assert "versionId=v7" in url
    assert f"X-Amz-Expires={artifacts.DOWNLOAD_SECONDS}" in url
    assert "sh-p-4f3c2e1d0b9a.zip" in url
