"""Stacks follow the networks that their provider publishes: GitHub at the socket."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import responses
from django.core.cache import cache
from django.utils import timezone

from deployers import tasks
from deployers.models import Operation, OperationKind, Stack
from deployers.services import allowlists
from deployers.states import OperationStatus
from integrations.models import Integration, Provider
from teams.models import AuditEntry
from tests.factories import make_integration, make_operation, make_stack
from tests.integrations.providers.fake_github import FakeGitHub

pytestmark = pytest.mark.django_db

PUBLISHED = ["140.82.112.0/20", "192.30.252.0/22", "2a0a:a440::/29"]


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    cache.clear()
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield FakeGitHub(mock)


@pytest.fixture
def stack(db: None) -> Stack:
    """Of an integration that takes webhooks from its provider's networks only, and knows old ones."""
    return make_stack(integration=make_integration(restrict_source_ips=True, applied_networks=["10.0.0.0/8"]))


def test_a_stack_with_other_networks_is_updated_by_the_system(github: FakeGitHub, stack: Stack) -> None:
    assert allowlists.refresh_due() == 1
    operation = Operation.objects.get()
    assert (operation.kind, operation.stack, operation.requested_by) == (OperationKind.UPDATE, stack, None)
    provider = Provider.objects.get()
    assert provider.webhook_networks == PUBLISHED
    assert provider.webhook_networks_at is not None
    entry = AuditEntry.objects.get()
    assert (entry.actor_name, "networks" in entry.changes["reason"]) == ("system", True)
    assert allowlists.refresh_due() == 0


def test_a_stack_that_knows_the_networks_is_left_alone(github: FakeGitHub, stack: Stack) -> None:
    Integration.objects.update(applied_networks=PUBLISHED)
    assert allowlists.refresh_due() == 0
    assert not Operation.objects.exists()


def test_networks_are_read_once_an_hour(github: FakeGitHub, stack: Stack) -> None:
    tasks.refresh_allowlists()
    tasks.refresh_allowlists()
    assert len(github.mock.calls) == 1
    Provider.objects.update(webhook_networks_at=timezone.now() - timedelta(hours=2))
    tasks.refresh_allowlists()
    assert len(github.mock.calls) == 2


def test_nothing_is_read_for_integrations_that_did_not_ask(github: FakeGitHub, stack: Stack) -> None:
    Integration.objects.update(restrict_source_ips=False)
    assert allowlists.refresh_due() == 0
    assert len(github.mock.calls) == 0


@pytest.mark.parametrize(
    ("aws_status", "operation"),
    [
        ("UPDATE_IN_PROGRESS", OperationStatus.RUNNING),
        ("UPDATE_COMPLETE", OperationStatus.QUEUED),
        ("UPDATE_ROLLBACK_FAILED", OperationStatus.FAILED),
        ("CREATE_COMPLETE", OperationStatus.FAILED),
        ("DELETE_COMPLETE", OperationStatus.SUCCEEDED),
    ],
)
def test_a_stack_that_is_not_at_rest_or_failed_waits(
    github: FakeGitHub, stack: Stack, aws_status: str, operation: OperationStatus
) -> None:
    Stack.objects.update(aws_status=aws_status)
    make_operation(stack=stack, kind=OperationKind.UPDATE, status=operation)
    assert allowlists.refresh_due() == 0
    assert Operation.objects.count() == 1


def test_a_provider_that_publishes_nothing_any_more_changes_nothing(github: FakeGitHub, stack: Stack) -> None:
    github.meta = {}
    Provider.objects.update(webhook_networks=["10.0.0.0/8"])
    assert allowlists.refresh_due() == 0
    assert Provider.objects.get().webhook_networks == ["10.0.0.0/8"]


def test_a_provider_that_asks_for_fewer_calls_is_left_alone(github: FakeGitHub, stack: Stack) -> None:
    github.limit_rate(120)
    Provider.objects.update(webhook_networks=["10.0.0.0/8"])
    assert allowlists.refresh_due() == 0
    calls = len(github.mock.calls)
    assert allowlists.refresh_due() == 0
    assert len(github.mock.calls) == calls > 0
