"""Pushes that no webhook brought: the provider at the socket, DynamoDB and SQS by moto."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
import responses
from django.core.cache import cache
from django.utils import timezone

from deployers import tasks
from deployers.models import OperationKind
from deployers.services import catch_up, deliveries
from integrations.errors import CredentialsRejected
from integrations.models import DeliveryStatus, Integration, Method
from integrations.services import integrations
from lambdas.common.deliveries import DeliveryTable
from teams.errors import Forbidden, Refused
from teams.models import AuditEntry, Role
from tests.deployers.conftest import TABLE
from tests.factories import make_delivery, make_integration, make_operation, make_repository, make_stack, make_user
from tests.integrations.providers.contract import REPOSITORY
from tests.integrations.providers.fake_github import FakeGitHub, Result

pytestmark = pytest.mark.django_db

OLD, NEW = "a" * 40, "b" * 40
NOW = timedelta(0)


class Repository(FakeGitHub):
    """acme/shop, whose refs the test moves."""

    def __init__(self, mock: responses.RequestsMock) -> None:
        self.branches = {"main": OLD, "release/1": OLD}
        self.tags = {"v1": OLD}
        super().__init__(mock)

    def _serve(self, method: str, url: str, answer: Callable[[Any], Result]) -> None:
        moving: dict[str, Callable[[Any], Result]] = {
            "/branches": lambda _: self._refs(self.branches),
            "/tags": lambda _: self._refs(self.tags),
            "/commits/(heads/main|tags/v1)": lambda _: (200, {}, self.branches["main"]),
        }
        super()._serve(method, url, next((moving[end] for end in moving if url.endswith(end)), answer))

    @staticmethod
    def _refs(refs: dict[str, str]) -> Result:
        return 200, {}, json.dumps([{"name": name, "commit": {"sha": commit}} for name, commit in refs.items()])


@pytest.fixture
def github(moto: None) -> Iterator[Repository]:
    cache.clear()
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield Repository(mock)


@pytest.fixture
def integration(table: DeliveryTable, queue_url: str) -> Integration:
    found = make_integration(repository=make_repository(full_name=REPOSITORY))
    make_stack(integration=found, outputs={"DeliveriesTableName": TABLE, "ZipDownloadQueueUrl": queue_url})
    return found


def messages(queue_url: str) -> list[dict[str, Any]]:
    sqs = boto3.client("sqs", region_name="us-east-1")
    answer = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def came(integration: Integration) -> dict[str, str]:
    """Ref to commit of the deliveries that the check made."""
    deliveries.sync(integration=integration, force=True)
    return dict(integration.deliveries.filter(event="catch-up").values_list("ref", "commit"))


def test_what_was_there_before_the_mirror_is_not_fetched(github: Repository, integration: Integration) -> None:
    assert catch_up.check(integration, patience=NOW) == 0
    assert set(integration.known_heads.values_list("ref", "commit")) == {
        ("refs/heads/main", OLD),
        ("refs/heads/release/1", OLD),
    }
    assert catch_up.check(integration, patience=NOW) == 0


def test_all_refs_that_moved_while_the_receiver_was_down_are_caught_up_by_one_check(
    github: Repository, integration: Integration, queue_url: str
) -> None:
    integration.refs = ["**", "tags:v*"]
    integration.save()
    catch_up.check(integration)
    github.branches |= {"main": NEW, "feature": NEW}
    github.tags["v2"] = NEW

    assert catch_up.check(integration, patience=NOW) == 3

    missed = {"refs/heads/main": NEW, "refs/heads/feature": NEW, "refs/tags/v2": NEW}
    assert {message["ref"]: message["commit"] for message in messages(queue_url)} == missed
    assert came(integration) == missed
    delivery = integration.deliveries.get(ref="refs/heads/main")
    assert (delivery.status, delivery.method) == (DeliveryStatus.QUEUED, Method.ZIP_DOWNLOAD)
    assert (delivery.author, delivery.message) == ("Ada", "Fix it")
    assert delivery.reason.startswith("No webhook brought this push")
    assert OLD in delivery.request_body
    assert catch_up.check(integration, patience=NOW) == 0


def test_a_missed_push_is_written_as_a_worker_reads_it(
    github: Repository, integration: Integration, table: DeliveryTable, queue_url: str
) -> None:
    integration.paths = ["src/**"]
    integration.parameters = {"git_intgrtn_aws_s3": {"DeliveryRetentionDays": "7"}}
    integration.save()
    catch_up.check(integration)
    github.branches["main"] = NEW
    catch_up.check(integration, patience=NOW)

    [message] = messages(queue_url)
    item = table.get(message["delivery"])
    assert item is not None
    assert (item["commit"], item["before"], item["check_paths"]) == (NEW, OLD, True)
    week = (timezone.now() + timedelta(days=7)).timestamp()
    assert abs(item["expires_at"] - week) < 60
    head = table.head(REPOSITORY, "refs/heads/main")
    assert (head.delivery_id, head.commit, head.received_at) == (item["id"], NEW, message["received_at"])


def test_a_webhook_is_given_time_to_come(github: Repository, integration: Integration) -> None:
    catch_up.check(integration)
    github.branches["main"] = NEW
    assert catch_up.check(integration) == 0
    assert integration.heads_due_at is not None
    assert integration.heads_due_at - timezone.now() <= catch_up.PATIENCE
    make_delivery(integration=integration, commit=NEW)
    integration.known_heads.filter(ref="refs/heads/main").update(missing_since=timezone.now() - catch_up.PATIENCE)
    assert catch_up.check(integration) == 0
    assert not integration.known_heads.exclude(missing="").exists()


def test_what_still_did_not_come_is_missed(github: Repository, integration: Integration) -> None:
    catch_up.check(integration)
    github.branches["main"] = NEW
    catch_up.check(integration)
    integration.known_heads.filter(ref="refs/heads/main").update(missing_since=timezone.now() - catch_up.PATIENCE)
    assert catch_up.check(integration) == 1
    assert came(integration) == {"refs/heads/main": NEW}


@pytest.mark.parametrize("status", [DeliveryStatus.STORED, DeliveryStatus.IGNORED, DeliveryStatus.FAILED])
def test_what_a_webhook_brought_is_not_fetched_again_whatever_became_of_it(
    github: Repository, integration: Integration, status: DeliveryStatus
) -> None:
    catch_up.check(integration)
    github.branches["main"] = NEW
    make_delivery(integration=integration, commit=NEW, status=status)
    assert catch_up.check(integration, patience=NOW) == 0


def test_a_forged_delivery_hides_no_push(github: Repository, integration: Integration) -> None:
    catch_up.check(integration)
    github.branches["main"] = NEW
    make_delivery(integration=integration, commit=NEW, status=DeliveryStatus.REJECTED)
    assert catch_up.check(integration, patience=NOW) == 1


def test_a_branch_that_was_set_back_is_fetched_at_the_old_commit(
    github: Repository, integration: Integration, queue_url: str
) -> None:
    hour_ago = timezone.now() - timedelta(hours=1)
    make_delivery(integration=integration, commit=OLD, received_at=hour_ago)
    make_delivery(integration=integration, commit=NEW)
    assert catch_up.check(integration, patience=NOW) == 1
    assert [message["commit"] for message in messages(queue_url)] == [OLD]


def test_a_push_that_came_out_of_order_is_no_gap(github: Repository, integration: Integration) -> None:
    github.branches["main"] = NEW
    minute_ago = timezone.now() - timedelta(minutes=1)
    make_delivery(integration=integration, commit=NEW, received_at=minute_ago)
    make_delivery(integration=integration, commit=OLD, status=DeliveryStatus.SUPERSEDED)
    assert catch_up.check(integration, patience=NOW) == 0


def test_a_push_to_another_repository_says_nothing_of_this_one(github: Repository, integration: Integration) -> None:
    catch_up.check(integration)
    github.branches["main"] = NEW
    make_delivery(integration=integration, commit=NEW, repository="acme/else", status=DeliveryStatus.IGNORED)
    assert catch_up.check(integration, patience=NOW) == 1


def test_widening_the_mirror_misses_nothing(github: Repository, integration: Integration) -> None:
    integration.refs = ["main"]
    integration.save()
    catch_up.check(integration)
    admin = make_user(team=integration.team)
    integrations.update(integration=integration, actor=admin, refs=["**"])
    github.branches["main"] = NEW

    assert catch_up.check(integration, patience=NOW) == 1

    assert came(integration) == {"refs/heads/main": NEW}


def test_a_ref_that_is_named_in_full_is_asked_for_alone(github: Repository, integration: Integration) -> None:
    integration.refs = ["main"]
    integration.save()
    catch_up.check(integration)
    assert [call.request.path_url for call in github.mock.calls] == [f"/repos/{REPOSITORY}/commits/heads/main"]


def test_a_deleted_branch_is_forgotten(github: Repository, integration: Integration) -> None:
    catch_up.check(integration)
    del github.branches["release/1"]
    catch_up.check(integration)
    assert [head.ref for head in integration.known_heads.all()] == ["refs/heads/main"]


def test_two_checks_at_once_make_one_delivery(github: Repository, integration: Integration, queue_url: str) -> None:
    catch_up.check(integration)
    github.branches["main"] = NEW
    catch_up.check(integration, patience=NOW)
    # As the other one saw it, before the first had stored anything in the panel.
    integration.deliveries.all().delete()
    Integration.objects.update(deliveries_cursor="9999-01-01T00:00:00.000000Z")
    integration.known_heads.update(commit=OLD)
    integration.refresh_from_db()
    catch_up.check(integration, patience=NOW)
    assert len(messages(queue_url)) == 1


def test_a_check_that_died_before_it_sent_the_message_is_completed(
    github: Repository, integration: Integration, table: DeliveryTable, queue_url: str
) -> None:
    catch_up.check(integration)
    github.branches["main"] = NEW
    sent = boto3.client("sqs", region_name="us-east-1")
    catch_up.check(integration, patience=NOW)
    [message] = messages(queue_url)
    sent.purge_queue(QueueUrl=queue_url)
    boto3.client("dynamodb", region_name="us-east-1").update_item(
        TableName=TABLE,
        Key={"id": {"S": message["delivery"]}},
        UpdateExpression="SET #s = :s",
        ExpressionAttributeNames={"#s": "status"},
        ExpressionAttributeValues={":s": {"S": "received"}},
    )
    integration.known_heads.update(commit=OLD)
    Integration.objects.update(deliveries_cursor="9999-01-01T00:00:00.000000Z")
    integration.refresh_from_db()

    catch_up.check(integration, patience=NOW)

    assert [each["delivery"] for each in messages(queue_url)] == [message["delivery"]]


def test_a_refusal_is_told_on_the_integration_and_a_good_check_clears_it(
    github: Repository, integration: Integration
) -> None:
    github.reject_credentials()
    with pytest.raises(CredentialsRejected):
        catch_up.check(integration)
    integration.refresh_from_db()
    assert "does not accept the token" in integration.heads_problem
    assert integration.heads_checked_at is None
    github.mock.reset()
    github.install()
    catch_up.check(integration)
    integration.refresh_from_db()
    assert integration.heads_problem == ""


def test_the_clock_checks_what_is_due_and_no_more(github: Repository, integration: Integration) -> None:
    make_integration(name="without-a-stack")
    leaving = make_integration()
    stack = make_stack(integration=leaving, outputs={"DeliveriesTableName": TABLE})
    make_operation(stack=stack, kind=OperationKind.DELETE)
    assert catch_up.due(9) == [integration.pk]
    tasks.catch_up_missed_pushes()
    assert catch_up.due(9) == []
    Integration.objects.update(heads_due_at=timezone.now() - timedelta(seconds=1))
    assert catch_up.due(9) == [integration.pk]


def test_a_provider_that_asks_for_fewer_calls_is_left_alone(github: Repository, integration: Integration) -> None:
    github.limit_rate(120)
    catch_up.check_due()
    calls = len(github.mock.calls)
    assert calls > 0
    Integration.objects.update(heads_due_at=None)
    catch_up.check_due()
    assert len(github.mock.calls) == calls


def test_people_check_at_once(github: Repository, integration: Integration) -> None:
    catch_up.check(integration)
    github.branches["main"] = NEW
    operator = make_user(team=integration.team, role=Role.OPERATOR)
    assert catch_up.catch_up(integration=integration, actor=operator) == 1
    assert AuditEntry.objects.get(action="integration.catch_up").changes == {"found": 1}


def test_viewers_do_not_check_and_nothing_is_checked_without_a_stack(integration: Integration) -> None:
    viewer = make_user(team=integration.team, role=Role.VIEWER)
    with pytest.raises(Forbidden):
        catch_up.catch_up(integration=integration, actor=viewer)
    with pytest.raises(Refused, match="stack"):
        catch_up.catch_up(integration=make_integration(team=integration.team), actor=make_user(team=integration.team))
