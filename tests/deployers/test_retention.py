"""Old rows go, but for those that something still goes by."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from deployers.models import Artifact, Deployment, StackEvent
from deployers.services import retention
from deployers.services.deployments.requests import last_good
from deployers.states import DeploymentStatus, OperationStatus
from integrations.models import Delivery, DeliveryStatus
from tests.factories import (
    make_artifact,
    make_delivery,
    make_deployment,
    make_integration,
    make_operation,
    make_stack,
    make_stack_event,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _hundred_days(settings: Settings) -> None:
    settings.DELIVERY_RETENTION_DAYS = settings.DEPLOYMENT_RETENTION_DAYS = settings.STACK_EVENT_RETENTION_DAYS = 100


def ago(days: float) -> datetime:
    return timezone.now() - timedelta(days=days)


def test_old_deliveries_go_but_for_the_newest_of_each_ref() -> None:
    integration = make_integration()
    wanted = {
        make_delivery(integration=integration, received_at=ago(300)).pk,  # the newest of main
        make_delivery(integration=integration, received_at=ago(99), ref="refs/tags/v2").pk,
        make_delivery(integration=integration, received_at=ago(900), ref="refs/tags/v1", status="failed").pk,
        make_delivery(integration=integration, received_at=ago(950), ref="refs/tags/v1", status="fetching").pk,
        make_delivery(received_at=ago(500)).pk,  # of another integration
    }
    for days, status in ((301, "stored"), (400, "failed"), (200, "rejected"), (150, "superseded"), (350, "ignored")):
        make_delivery(integration=integration, received_at=ago(days), status=status)
    make_delivery(integration=integration, received_at=ago(101), ref="", status=DeliveryStatus.REJECTED)
    assert retention.forget_old()["deliveries"] == 6
    assert set(Delivery.objects.values_list("pk", flat=True)) == wanted


def deployed(integration, days: float, status: str = DeploymentStatus.DEPLOYED) -> Deployment:
    artifact = make_artifact(integration=integration, created_at=ago(days))
    return make_deployment(artifact=artifact, created_at=ago(days), status=status)


def test_old_deployments_go_but_for_the_newest_and_what_a_rollback_goes_back_to() -> None:
    integration = make_integration()
    good = deployed(integration, 500)
    for day in range(20):
        deployed(integration, 499 - day, DeploymentStatus.FAILED)
    runs = deployed(integration, 600, DeploymentStatus.DEPLOYING)
    target = last_good(integration)
    assert target == good.artifact
    assert retention.forget_old()["deployments"] == 10
    left = integration.deployments.order_by("-created_at")
    assert left.count() == retention.NEWEST_DEPLOYMENTS + 2
    assert {good, runs} < set(left)
    assert last_good(integration) == target
    assert not Deployment.objects.filter(artifact=None).exists()


def test_old_artifacts_go_but_for_the_newest_of_each_ref_and_those_of_deployments() -> None:
    integration = make_integration()
    newest = make_artifact(integration=integration, created_at=ago(400))
    old = deployed(integration, 450).artifact
    make_artifact(integration=integration, created_at=ago(460))
    make_artifact(integration=integration, created_at=ago(401))
    assert retention.forget_old()["artifacts"] == 2
    assert set(Artifact.objects.all()) == {newest, old}


def test_the_logs_of_stacks_keep_their_marks_and_those_at_work_all() -> None:
    stack, busy = make_stack(), make_stack()
    make_operation(stack=busy, status=OperationStatus.RUNNING)
    own = {"resource_type": "AWS::CloudFormation::Stack", "logical_id": stack.name, "physical_id": stack.stack_id}
    for each in (stack, busy):
        for day in (400, 300, 200, 50):
            make_stack_event(stack=each, timestamp=ago(day))
    make_stack_event(stack=stack, timestamp=ago(399), **own)
    mark = make_stack_event(stack=stack, timestamp=ago(199), **own)
    nested = {**own, "logical_id": "Roles", "physical_id": "nested-stack"}
    other = make_stack_event(stack=stack, timestamp=ago(500), **nested)
    assert retention.forget_old()["stack events"] == 4
    left = list(stack.events.exclude(timestamp__gt=ago(100)).order_by("pk"))
    assert left == [mark, other]
    assert busy.events.count() == 4


def test_many_rows_go_in_batches_and_within_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    stack = make_stack()
    for _ in range(10):
        make_stack_event(stack=stack, timestamp=ago(400))
    assert retention.forget_old(seconds=0) == {"deployments": 0, "artifacts": 0, "deliveries": 0, "stack events": 0}
    assert retention.forget_old()["stack events"] == 10
    assert not StackEvent.objects.exists()


def test_zero_keeps_everything(settings: Settings) -> None:
    settings.DELIVERY_RETENTION_DAYS = settings.DEPLOYMENT_RETENTION_DAYS = settings.STACK_EVENT_RETENTION_DAYS = 0
    integration = make_integration()
    for days in (5000, 4000):
        deployed(integration, days)
        make_stack_event(timestamp=ago(days))
    assert not any(retention.forget_old().values())
