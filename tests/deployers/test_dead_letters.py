"""What was tried too often is tried once more: DynamoDB and SQS by moto."""

import json
from dataclasses import asdict, replace

import boto3
import pytest
from django.core.cache import cache

from deployers.services import dead_letters, deliveries
from integrations.models import Integration, Method
from lambdas.common.deliveries import DeliveryTable
from lambdas.common.queue import FetchRequest
from teams.errors import Forbidden, Refused
from teams.models import AuditEntry, Role
from tests.deployers.conftest import TABLE
from tests.deployers.test_deliveries import item
from tests.factories import COMMIT, make_integration, make_stack, make_user

pytestmark = pytest.mark.django_db

REQUEST = FetchRequest("one", "acme/shop", "refs/heads/main", COMMIT, "2026-11-23T10:00:00.000000Z", "zip_download")


@pytest.fixture
def dead_url(moto: None) -> str:
    cache.clear()
    client = boto3.client("sqs", region_name="us-east-1")
    url: str = client.create_queue(QueueName="dead.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    return url


@pytest.fixture
def git_url(moto: None) -> str:
    client = boto3.client("sqs", region_name="us-east-1")
    url: str = client.create_queue(QueueName="git.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    return url


@pytest.fixture
def integration(table: DeliveryTable, queue_url: str, git_url: str, dead_url: str) -> Integration:
    found = make_integration()
    queues = {"ZipDownloadQueueUrl": queue_url, "GitPullQueueUrl": git_url, "DeadLetterQueueUrl": dead_url}
    make_stack(integration=found, outputs={"DeliveriesTableName": TABLE, **queues})
    return found


def bury(url: str, *requests: FetchRequest, body: str = "") -> None:
    client = boto3.client("sqs", region_name="us-east-1")
    for number, request in enumerate(requests):
        client.send_message(
            QueueUrl=url,
            MessageBody=body or json.dumps(asdict(request)),
            MessageGroupId=request.delivery,
            MessageDeduplicationId=f"{request.delivery}-{number}",
        )


def bodies(url: str) -> list[str]:
    answer = boto3.client("sqs", region_name="us-east-1").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    return [message["Body"] for message in answer.get("Messages", [])]


def test_dead_letters_go_back_to_the_queue_of_their_method(
    integration: Integration, table: DeliveryTable, dead_url: str, queue_url: str, git_url: str
) -> None:
    by_git = replace(REQUEST, delivery="two", ref="refs/heads/dev", method=Method.GIT_PULL.value)
    for request in (REQUEST, by_git):
        table.create(item(request.delivery, status="failed"))
    bury(dead_url, REQUEST, by_git)
    assert dead_letters.count(integration=integration) == 2
    operator = make_user(team=integration.team, role=Role.OPERATOR)

    assert dead_letters.redrive(integration=integration, actor=operator) == 2

    assert [json.loads(body) for body in bodies(queue_url)] == [asdict(REQUEST)]
    assert [json.loads(body) for body in bodies(git_url)] == [asdict(by_git)]
    assert dead_letters.count(integration=integration) == 0
    deliveries.sync(integration=integration, force=True)
    rows = integration.deliveries.values_list("status", "reason")
    assert set(rows) == {("queued", f"put on its queue again by {operator.username}")}
    assert AuditEntry.objects.get(action="integration.redrive").changes == {"moved": 2}


@pytest.mark.parametrize("status", ["stored", "superseded", ""], ids=["stored", "superseded", "expired"])
def test_what_needs_no_fetch_any_more_is_dropped(
    integration: Integration, table: DeliveryTable, dead_url: str, queue_url: str, status: str
) -> None:
    if status:
        table.create(item("one", status=status))
    bury(dead_url, REQUEST)
    assert dead_letters.redrive(integration=integration, actor=make_user(team=integration.team)) == 0
    assert bodies(queue_url) == []
    assert dead_letters.count(integration=integration) == 0
    known = table.get("one")
    assert (known["status"] if known else "") == status


def test_a_message_that_cannot_be_read_stays(integration: Integration, dead_url: str) -> None:
    bury(dead_url, REQUEST, body="not one of ours")
    assert dead_letters.redrive(integration=integration, actor=make_user(team=integration.team)) == 0
    attributes = boto3.client("sqs", region_name="us-east-1").get_queue_attributes(
        QueueUrl=dead_url, AttributeNames=["ApproximateNumberOfMessagesNotVisible"]
    )
    assert attributes["Attributes"] == {"ApproximateNumberOfMessagesNotVisible": "1"}


def test_more_than_a_batch_is_moved(
    integration: Integration, table: DeliveryTable, dead_url: str, queue_url: str
) -> None:
    requests = [replace(REQUEST, delivery=f"d{n}", ref=f"refs/heads/b{n}") for n in range(13)]
    for request in requests:
        table.create(item(request.delivery, status="failed"))
    bury(dead_url, *requests)
    assert dead_letters.redrive(integration=integration, actor=make_user(team=integration.team)) == 13


def test_the_count_is_asked_for_once_in_a_while(integration: Integration, dead_url: str) -> None:
    assert dead_letters.count(integration=integration) == 0
    bury(dead_url, REQUEST)
    assert dead_letters.count(integration=integration) == 0


def test_viewers_redrive_nothing_and_without_a_stack_there_is_nothing(integration: Integration) -> None:
    with pytest.raises(Forbidden):
        dead_letters.redrive(integration=integration, actor=make_user(team=integration.team, role=Role.VIEWER))
    fresh = make_integration(team=integration.team)
    assert dead_letters.count(integration=fresh) == 0
    with pytest.raises(Refused, match="stack"):
        dead_letters.redrive(integration=fresh, actor=make_user(team=integration.team))
