"""Deployments: what CodeDeploy tells becomes rows, and what people ask becomes calls."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from django.utils import timezone

from deployers.models import Artifact, Deployment, OperationKind, Stack, StackKind, Trigger
from deployers.services import deployments, reconcile, ticks
from deployers.services.steps import remove
from deployers.states import DeploymentStatus, OperationStatus, Step
from integrations.models import Deployer, Integration
from teams.errors import Forbidden, Refused
from teams.models import AuditEntry, Role, Team, User
from tests import factories
from tests.deployers.codedeploy_api import CodeDeployApi, serving

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def api(moto: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[CodeDeployApi]:
    found = CodeDeployApi()
    with serving(found) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_CODEDEPLOY", address)
        yield found


@pytest.fixture
def stack(team: Team) -> Stack:
    integration = factories.make_integration(deploy_ref="main", deployers=[Deployer.CODEDEPLOY])
    return factories.make_stack(
        integration=integration,
        kind=StackKind.CODEDEPLOY,
        name="shop-codedeploy",
        outputs={"CodeDeployApplication": "shop", "CodeDeploymentGroup": "production"},
    )


@pytest.fixture
def artifact(stack: Stack, moto: None) -> Artifact:
    """One that lies in the bucket."""
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="zips")
    s3.put_bucket_versioning(Bucket="zips", VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket="zips", Key="shop.zip", Body=b"zip")["VersionId"]
    delivery = factories.make_delivery(integration=stack.integration, received_at=AT - timedelta(minutes=1))
    return factories.make_artifact(delivery=delivery, bucket="zips", key="shop.zip", version_id=version)


def told(artifact: Artifact, key: str, status: str, **fields: Any) -> dict[str, Any]:
    """What CodeDeploy says of a deployment of an artifact that began at AT."""
    return {
        "deploymentId": key,
        "status": status,
        "creator": "user",
        "createTime": AT.timestamp(),
        "startTime": AT.timestamp(),
        "description": f"{artifact.commit[:12]} Compute",
        "revision": {
            "revisionType": "S3",
            "s3Location": {"bucket": artifact.bucket, "key": artifact.key, "version": artifact.version_id},
        },
        **fields,
    }


def test_a_push_long_ago_becomes_a_row_with_its_commit_and_lead_time(
    api: CodeDeployApi, stack: Stack, artifact: Artifact
) -> None:
    end = (AT + timedelta(minutes=2)).timestamp()
    api.deployments["d-1"] = told(artifact, "d-1", "Succeeded", completeTime=end)
    assert deployments.sync(stack=stack) == 1
    row = Deployment.objects.get()
    assert (row.status, row.trigger, row.commit, row.artifact) == ("deployed", "push", artifact.commit, artifact)
    assert row.lead_time == timedelta(minutes=3)
    assert deployments.sync(stack=stack) == 0


def test_one_that_has_not_started_is_queued_and_holds_up_no_other(
    api: CodeDeployApi, stack: Stack, artifact: Artifact
) -> None:
    api.deployments = {"d-2": told(artifact, "d-2", "Queued"), "d-1": told(artifact, "d-1", "Succeeded")}
    api.targets["d-2"] = None
    deployments.sync(stack=stack)
    assert dict(Deployment.objects.values_list("external_id", "status")) == {"d-1": "deployed", "d-2": "queued"}


def test_a_failure_tells_the_script_and_is_rolled_back_by_what_comes_later(
    api: CodeDeployApi, stack: Stack, artifact: Artifact
) -> None:
    api.deployments["d-1"] = told(artifact, "d-1", "Failed")
    event = {
        "lifecycleEventName": "ApplicationStart",
        "status": "Failed",
        "diagnostics": {
            "errorCode": "ScriptFailed",
            "scriptName": "start.sh",
            "message": "exit code 3",
            "logTail": "port",
        },
    }
    api.targets["d-1"] = [
        {"deploymentTargetType": "InstanceTarget"}
        | {"instanceTarget": {"targetId": "i-0a", "status": "Failed", "lifecycleEvents": [event]}}
    ]
    deployments.sync(stack=stack)
    failed = Deployment.objects.get()
    assert failed.status == DeploymentStatus.FAILED
    assert failed.problem == "start.sh failed at ApplicationStart on i-0a: exit code 3"
    assert failed.steps.get().log_tail == "port"

    api.deployments["d-2"] = told(
        artifact,
        "d-2",
        "InProgress",
        creator="codeDeployRollback",
        rollbackInfo={"rollbackTriggeringDeploymentId": "d-1"},
    )
    deployments.sync(stack=stack)
    failed.refresh_from_db()
    rollback = failed.rollbacks.get()
    assert (failed.status, rollback.trigger, rollback.status) == ("rolled_back", "rollback", "deploying")


def test_an_answer_that_comes_late_takes_no_row_back(api: CodeDeployApi, stack: Stack, artifact: Artifact) -> None:
    for status in ("InProgress", "Queued"):
        api.deployments["d-1"] = told(artifact, "d-1", status)
        deployments.sync(stack=stack)
        assert Deployment.objects.get().status == DeploymentStatus.DEPLOYING


def test_a_redeployment_asked_for_twice_is_one(
    api: CodeDeployApi, stack: Stack, artifact: Artifact, admin: User
) -> None:
    first = deployments.redeploy(artifact=artifact, actor=admin)
    assert deployments.redeploy(artifact=artifact, actor=admin) == first
    (body,) = api.asked("CreateDeployment")
    assert body["revision"]["s3Location"]["version"] == artifact.version_id
    assert (body["applicationName"], body["deploymentGroupName"]) == ("shop", "production")
    assert AuditEntry.objects.get(action="deployment.redeploy").actor == admin
    deployments.sync(stack=stack)
    row = Deployment.objects.get()
    assert (row.trigger, row.requested_by, row.commit) == (Trigger.REDEPLOY, admin, artifact.commit)


def test_what_cannot_be_redeployed_says_what_to_do(
    api: CodeDeployApi, stack: Stack, artifact: Artifact, admin: User
) -> None:
    api.busy = True
    with pytest.raises(Refused, match="Another deployment runs") as refused:
        deployments.redeploy(artifact=artifact, actor=admin)
    assert "stop it" in refused.value.remedy
    boto3.client("s3", region_name="us-east-1").delete_object(
        Bucket="zips", Key="shop.zip", VersionId=artifact.version_id
    )
    with pytest.raises(Refused, match="not in the bucket any more"):
        deployments.redeploy(artifact=artifact, actor=admin)
    stack.delete()
    with pytest.raises(Refused, match="no stack to deploy to"):
        deployments.redeploy(artifact=artifact, actor=admin)
    assert not Deployment.objects.exists()


def test_viewers_start_and_stop_nothing(api: CodeDeployApi, stack: Stack, artifact: Artifact) -> None:
    viewer = factories.make_user(role=Role.VIEWER)
    running = factories.make_deployment(artifact=artifact, stack=stack, status="deploying", finished_at=None)
    with pytest.raises(Forbidden):
        deployments.redeploy(artifact=artifact, actor=viewer)
    with pytest.raises(Forbidden):
        deployments.roll_back(integration=stack.integration, actor=viewer)
    with pytest.raises(Forbidden):
        deployments.stop(deployment=running, actor=viewer)
    assert api.calls == []


def test_a_rollback_deploys_the_last_other_version_that_ran(
    api: CodeDeployApi, stack: Stack, artifact: Artifact, admin: User
) -> None:
    bad = factories.make_artifact(delivery=artifact.delivery, bucket="zips", key="shop.zip", version_id="bad")
    now = timezone.now()
    with pytest.raises(Refused, match="no earlier artifact"):
        deployments.roll_back(integration=stack.integration, actor=admin)
    factories.make_deployment(artifact=artifact, stack=stack, status="deployed", created_at=now - timedelta(hours=1))
    factories.make_deployment(artifact=bad, stack=stack, status="failed", created_at=now)
    started = deployments.roll_back(integration=stack.integration, actor=admin)
    assert (started.artifact, started.trigger) == (artifact, Trigger.ROLLBACK)
    assert api.asked("CreateDeployment")[0]["revision"]["s3Location"]["version"] == artifact.version_id


def test_stopping_reads_at_once_how_it_ended(api: CodeDeployApi, stack: Stack, artifact: Artifact, admin: User) -> None:
    started = deployments.redeploy(artifact=artifact, actor=admin)
    stopped = deployments.stop(deployment=started, actor=admin, roll_back=True)
    assert api.asked("StopDeployment") == [{"deploymentId": started.external_id, "autoRollbackEnabled": True}]
    assert stopped.status == DeploymentStatus.CANCELLED
    with pytest.raises(Refused, match="is over"):
        deployments.stop(deployment=stopped, actor=admin)


def test_what_had_not_ended_ends_with_its_stack_and_the_rest_stays(
    api: CodeDeployApi, stack: Stack, artifact: Artifact
) -> None:
    done = factories.make_deployment(artifact=artifact, stack=stack, status="deployed", problem="")
    running = factories.make_deployment(artifact=artifact, stack=stack, status="deploying", finished_at=None)
    operation = factories.make_operation(
        stack=stack,
        kind=OperationKind.DELETE,
        status=OperationStatus.QUEUED,
        step=Step.FORGET,
        options={"only": True},
    )
    ticks.run(operation.pk)
    assert not Stack.objects.exists()
    done.refresh_from_db()
    running.refresh_from_db()
    assert (done.status, done.problem) == ("deployed", "")
    assert (running.status, running.problem) == ("cancelled", "It had not ended when its stack was deleted.")
    assert running.finished_at is not None


def test_an_integration_is_forgotten_with_its_deployments_in_turns(
    api: CodeDeployApi, stack: Stack, artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remove, "BATCH", 1)
    for _ in range(2):
        factories.make_deployment(artifact=artifact, stack=stack, status="deployed")
    git = factories.make_stack(integration=stack.integration)
    operation = factories.make_operation(
        stack=git, kind=OperationKind.DELETE, status=OperationStatus.QUEUED, step=Step.FORGET
    )
    assert reconcile.advance(operation)
    assert Deployment.objects.count() == 1
    ticks.run(operation.pk)
    assert not Integration.objects.exists()
    assert not Deployment.objects.exists()
