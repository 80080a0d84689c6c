"""How a deployment stands is shown beside its commit: GitHub at the socket."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import responses
from django.core.cache import cache
from django.utils import timezone
from pytest_django.fixtures import Settings

from deployers import tasks
from deployers.models import Deployment
from deployers.services.deployments import told
from deployers.states import DeploymentStatus
from integrations.models import Deployer, Integration
from tests import factories
from tests.factories import COMMIT
from tests.integrations.providers.contract import REPOSITORY
from tests.integrations.providers.fake_github import FakeGitHub

pytestmark = pytest.mark.django_db


@pytest.fixture
def github(settings: Settings) -> Iterator[FakeGitHub]:
    settings.PANEL_URL = "https://sluice.example.com/"
    cache.clear()
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield FakeGitHub(mock)


@pytest.fixture
def integration(github: FakeGitHub) -> Integration:
    """Its commits are marked."""
    repository = factories.make_repository(full_name=REPOSITORY)
    return factories.make_integration(repository=repository, name="shop", commit_statuses=True)


def deployment(integration: Integration, status: DeploymentStatus, **fields: Any) -> Deployment:
    values = {"external_id": "d-1", "commit": COMMIT, "created_at": timezone.now(), **fields}
    return Deployment.objects.create(integration=integration, deployer=Deployer.CODEDEPLOY, status=status, **values)


def test_a_deployment_is_pending_until_it_is_deployed(integration: Integration, github: FakeGitHub) -> None:
    row = deployment(integration, DeploymentStatus.QUEUED)
    tasks.tell_deployments()
    Deployment.objects.update(status=DeploymentStatus.DEPLOYING)
    tasks.tell_deployments()
    Deployment.objects.update(status=DeploymentStatus.DEPLOYED, finished_at=timezone.now())
    tasks.tell_deployments()
    tasks.tell_deployments()
    assert github.statuses == [
        {
            "state": state,
            "target_url": f"https://sluice.example.com/deployments/{row.pk}/",
            "description": description,
            "context": "sluice/shop/deploy",
        }
        for state, description in (("pending", "Queued"), ("success", "Deployed"))
    ]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (DeploymentStatus.FAILED, "failure"),
        (DeploymentStatus.ROLLED_BACK, "failure"),
        (DeploymentStatus.CANCELLED, "error"),
    ],
)
def test_what_went_wrong_is_told_with_the_reason(
    integration: Integration, github: FakeGitHub, status: DeploymentStatus, state: str
) -> None:
    deployment(integration, status, finished_at=timezone.now(), problem="A script ended with 1. " * 20)
    assert told.tell_due() == 1
    [only] = github.statuses
    assert only["state"] == state
    assert str(only["description"]).startswith(f"{status.label}: A script ended with 1.")
    assert len(str(only["description"])) == 140


def test_nothing_is_told_where_nobody_asked_or_of_what_ended_long_ago(
    integration: Integration, github: FakeGitHub
) -> None:
    deployment(integration, DeploymentStatus.DEPLOYED, finished_at=timezone.now() - told.WINDOW - timedelta(minutes=1))
    deployment(integration, DeploymentStatus.DEPLOYED, finished_at=timezone.now(), external_id="d-2", commit="")
    assert told.tell_due() == 0
    deployment(integration, DeploymentStatus.DEPLOYING, external_id="d-3")
    Integration.objects.update(commit_statuses=False)
    assert told.tell_due() == 0
    assert github.statuses == []


def test_a_provider_that_asks_for_fewer_calls_is_told_later(integration: Integration, github: FakeGitHub) -> None:
    github.limit_rate(60)
    deployment(integration, DeploymentStatus.DEPLOYING)
    assert told.tell_due() == 0
    calls = len(github.mock.calls)
    assert told.tell_due() == 0
    assert len(github.mock.calls) == calls
    cache.clear()
    github.mock.reset()
    github.install()
    assert told.tell_due() == 1
    integration.refresh_from_db()
    assert integration.commit_status_problem == ""
