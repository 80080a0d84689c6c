"""What became of a push is shown beside its commit: GitHub at the socket."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone
from pytest_django.fixtures import Settings

from integrations import tasks
from integrations.models import Delivery, DeliveryStatus, Integration, Repository
from integrations.services import commit_statuses
from tests import factories
from tests.integrations.providers.fake_github import FakeGitHub


@pytest.fixture(autouse=True)
def _panel(settings: Settings):
    settings.PANEL_URL = "https://sluice.example.com/"
    cache.clear()


@pytest.fixture
def telling(integration: Integration) -> Integration:
    """An integration whose commits are marked."""
    integration.commit_statuses = True
    integration.save()
    return integration


def move(delivery: Delivery, status: DeliveryStatus, **fields: object) -> None:
    Delivery.objects.filter(pk=delivery.pk).update(status=status, updated_at=timezone.now(), **fields)


def told(github: FakeGitHub) -> list[str]:
    return [str(status["state"]) for status in github.statuses]


def test_a_push_is_pending_and_then_stored(telling: Integration, github: FakeGitHub):
    delivery = factories.make_delivery(integration=telling, status=DeliveryStatus.QUEUED)
    assert commit_statuses.tell_due() == 1
    move(delivery, DeliveryStatus.FETCHING)
    assert commit_statuses.tell_due() == 0
    move(delivery, DeliveryStatus.STORED)
    tasks.tell_commit_statuses()
    tasks.tell_commit_statuses()
    assert github.statuses == [
        {
            "state": state,
            "target_url": f"https://sluice.example.com/deliveries/{delivery.pk}/",
            "description": description,
            "context": "sluice/shop",
        }
        for state, description in (("pending", "On its way into the bucket"), ("success", "Stored as an artifact"))
    ]


def test_a_failure_says_why_in_as_many_words_as_there_is_room(telling: Integration, github: FakeGitHub):
    factories.make_delivery(integration=telling, status=DeliveryStatus.FAILED, reason="The token expired. " * 20)
    commit_statuses.tell_due()
    [status] = github.statuses
    assert status["state"] == "failure"
    assert str(status["description"]).startswith("Not stored: The token expired.")


def test_a_superseded_commit_does_not_stay_pending(telling: Integration, github: FakeGitHub):
    factories.make_delivery(integration=telling, status=DeliveryStatus.SUPERSEDED)
    delivery = factories.make_delivery(integration=telling, status=DeliveryStatus.QUEUED)
    commit_statuses.tell_due()
    move(delivery, DeliveryStatus.SUPERSEDED)
    commit_statuses.tell_due()
    assert told(github) == ["pending", "success"]


@pytest.mark.parametrize(
    "fields",
    [
        {"status": DeliveryStatus.IGNORED},
        {"status": DeliveryStatus.REJECTED},
        {"commit": ""},
        {"updated_at": timezone.now() - timedelta(hours=2)},
    ],
    ids=["ignored", "rejected", "without a commit", "of old"],
)
def test_what_concerns_no_commit_of_now_is_not_told(telling: Integration, github: FakeGitHub, fields: dict):
    factories.make_delivery(integration=telling, **fields)
    assert commit_statuses.tell_due() == 0
    assert github.statuses == []


def test_nothing_is_told_unless_it_was_asked_for(integration: Integration, github: FakeGitHub):
    factories.make_delivery(integration=integration)
    assert commit_statuses.tell_due() == 0


def test_a_refusal_is_noted_and_not_repeated_and_a_success_clears_it(telling: Integration, github: FakeGitHub):
    Repository.objects.update(full_name="acme/gone")
    factories.make_delivery(integration=telling)
    commit_statuses.tell_due()
    telling.refresh_from_db()
    assert telling.commit_status_problem
    assert commit_statuses.due().count() == 0
    Repository.objects.update(full_name="acme/shop")
    factories.make_delivery(integration=telling)
    commit_statuses.tell_due()
    telling.refresh_from_db()
    assert telling.commit_status_problem == ""


def test_a_provider_that_is_down_is_told_later(telling: Integration, github: FakeGitHub):
    factories.make_delivery(integration=telling)
    factories.make_delivery(integration=telling)
    github.mock.reset()
    assert commit_statuses.tell_due() == 0
    assert len(github.mock.calls) == 1  # the second is not tried
    github.install()
    cache.clear()
    assert commit_statuses.tell_due() == 2


def test_two_workers_tell_a_state_once(telling: Integration, github: FakeGitHub):
    delivery = factories.make_delivery(integration=telling)
    same = Delivery.objects.get(pk=delivery.pk)
    assert commit_statuses.tell(delivery)
    assert not commit_statuses.tell(same)
    assert told(github) == ["success"]
