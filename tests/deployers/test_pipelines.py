"""Runs of a pipeline: what CodePipeline and ECS tell becomes rows, and what people ask becomes calls."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from moto.cloudformation.models import cloudformation_backends
from moto.core import DEFAULT_ACCOUNT_ID as ACCOUNT

from deployers.image_causes import build_cause
from deployers.models import Artifact, Deployment, Stack, StackKind
from deployers.service_causes import service_cause
from deployers.services import deployments
from integrations.models import Deployer
from teams.errors import Forbidden, Refused
from teams.models import AuditEntry, Role, Team, User
from tests import factories
from tests.deployers.codedeploy_api import serving
from tests.deployers.codepipeline_api import AT, PipelineApi, action, seconds

SOURCE = action("Source", "S3", "Succeeded", 0, externalExecutionId="v1")
BUILD = action("Build", "CodeBuild", "Succeeded", 1, externalExecutionId="shop:1")
WAITS = action("Approval", "Manual", "InProgress", 2)
DEPLOY_FAILED = action(
    "Deploy", "CloudFormation", "Failed", 3, errorDetails={"code": "JobFailed", "message": "The stack was rolled back"}
)


@pytest.fixture
def api(moto: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[PipelineApi]:
    found = PipelineApi()
    with serving(found) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_CODEPIPELINE", address)
        for service in ("ECS", "CODEBUILD", "CLOUDWATCH_LOGS"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", address)
        yield found


@pytest.fixture
def stack(team: Team) -> Stack:
    integration = factories.make_integration(deploy_ref="main", deployers=[Deployer.ECS])
    outputs = {"Pipeline": "shop-pipeline", "ECSClusterApp": "shop-cluster", "ServiceStackName": "shop-service"}
    return factories.make_stack(integration=integration, kind=StackKind.ECS, name="shop-ecs", outputs=outputs)


@pytest.fixture
def artifact(stack: Stack) -> Artifact:
    """The one that the runs take."""
    git = factories.make_stack(integration=stack.integration, outputs={"OutputBucketName": "zips"})
    repository = stack.integration.repository
    delivery = factories.make_delivery(integration=stack.integration, received_at=AT - timedelta(minutes=1))
    key = f"{repository.full_name}/main/{repository.name}.zip"
    return factories.make_artifact(delivery=delivery, bucket=git.outputs["OutputBucketName"], key=key, version_id="v1")


@pytest.fixture
def operator(stack: Stack) -> User:
    return factories.make_user(team=stack.integration.team, role=Role.OPERATOR)


def test_a_run_becomes_a_row_with_its_stages_and_is_read_again_until_it_is_over(
    api: PipelineApi, stack: Stack, artifact: Artifact
) -> None:
    api.run("r-1", "InProgress", SOURCE, BUILD)
    assert deployments.sync(stack=stack) == 1
    row = Deployment.objects.get()
    assert (row.status, row.trigger, row.artifact, row.commit) == ("deploying", "push", artifact, artifact.commit)
    assert list(row.steps.order_by("position").values_list("group", "status")) == [
        ("Source", "deployed"),
        ("Build", "deployed"),
    ]

    api.run("r-1", "Succeeded", SOURCE, BUILD)
    assert deployments.sync(stack=stack) == 1
    row.refresh_from_db()
    assert (row.status, row.finished) == ("deployed", True)
    assert row.lead_time == timedelta(minutes=10)

    asked = len(api.asked("ListActionExecutions"))
    assert deployments.sync(stack=stack) == 0
    assert len(api.asked("ListActionExecutions")) == asked


def test_the_run_that_a_new_pipeline_starts_by_itself_is_none(api: PipelineApi, stack: Stack) -> None:
    api.run("r-0", "Failed", version="")
    assert deployments.sync(stack=stack) == 0
    assert not Deployment.objects.exists()


def test_a_run_that_waits_is_approved_by_whoever_may(
    api: PipelineApi, stack: Stack, artifact: Artifact, operator: User
) -> None:
    api.run("r-1", "InProgress", SOURCE, WAITS)
    api.waits("r-1")
    deployments.sync(stack=stack)
    row = Deployment.objects.get()
    assert row.status == "waiting"
    with pytest.raises(Forbidden):
        deployments.approve(deployment=row, actor=factories.make_user(team=stack.integration.team, role=Role.VIEWER))

    deployments.approve(deployment=row, actor=operator, comment="Looks good")

    [answer] = api.asked("PutApprovalResult")
    assert answer["result"] == {"status": "Approved", "summary": f"Looks good ({operator.username}, Sluice)"}
    assert answer["token"] == "a-token"
    entry = AuditEntry.objects.get(action="deployment.approve")
    assert (entry.actor, entry.changes["comment"]) == (operator, "Looks good")
    with pytest.raises(Refused, match="does not wait"):
        deployments.reject(deployment=row, actor=operator)


def test_a_rejected_run_says_so(api: PipelineApi, stack: Stack, artifact: Artifact) -> None:
    rejected = action("Approval", "Manual", "Failed", 2, externalExecutionSummary="Not now (ada, Sluice)")
    api.run("r-1", "Failed", SOURCE, rejected)
    deployments.sync(stack=stack)
    row = Deployment.objects.get()
    assert row.problem == "It was rejected. Not now (ada, Sluice)"


def test_a_failed_build_says_why(api: PipelineApi, stack: Stack, artifact: Artifact) -> None:
    failed = action("Build", "CodeBuild", "Failed", 1, errorDetails={"code": "JobFailed", "message": "exit status 1"})
    api.run("r-1", "Failed", SOURCE, failed)
    deployments.sync(stack=stack)
    row = Deployment.objects.get()
    assert row.problem == "Build failed: exit status 1"
    assert "Retry" in row.remedy


def test_a_build_whose_log_says_why_it_failed_is_explained(api: PipelineApi, stack: Stack, artifact: Artifact) -> None:
    details = {"errorDetails": {"code": "JobFailed", "message": "exit status 1"}, "externalExecutionId": "shop:1"}
    api.build_log = [
        "[Container] Running command docker build .",
        "ERROR: failed to resolve source metadata for docker.io/library/python:3.13: 429 Too Many Requests",
        "toomanyrequests: You have reached your unauthenticated pull rate limit.",
        "[Container] Phase complete: BUILD State: FAILED",
    ]
    api.run("r-1", "Failed", SOURCE, action("Build", "CodeBuild", "Failed", 1, **details))
    deployments.sync(stack=stack)
    row = Deployment.objects.get()
    assert row.problem == f"Build failed: {api.build_log[1]}"
    assert "public.ecr.aws/docker/library/" in row.remedy
    assert row.steps.get(group="Build").log_tail.splitlines() == api.build_log


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("toomanyrequests: You have reached your pull rate limit.", "public.ecr.aws/docker/library/"),
        ("toomanyrequests: Rate exceeded", "public registry of AWS"),
        ("public.ecr.aws/docker/library/node:24: 429 Too Many Requests", "public registry of AWS"),
        ("toomanyrequests: Data limit exceeded", "public registry of AWS"),
        ("no basic auth credentials", "not signed in"),
        ("denied: Your authorization token has expired. Reauthenticate and try again.", "not signed in"),
        ("pull access denied for acme/base, repository does not exist or may require 'docker login'", "FROM"),
        ("manifest for python:3.99 not found: manifest unknown: manifest unknown", "no image with that tag"),
        (
            "The image tag '1' already exists and cannot be overwritten because the repository is immutable.",
            "immutable",
        ),
        ("no match for platform in manifest: not found", "kind of processor"),
        ("exec /bin/sh: exec format error", "another kind of processor"),
        ("write /layer.tar: no space left on device", "disk is full"),
    ],
)
def test_what_registries_say_is_explained_for_builds_and_for_tasks(line: str, words: str) -> None:
    log = f"[Container] Running command docker build .\n  {line}\n[Container] Phase complete: BUILD State: FAILED"
    found = build_cause(log)
    assert found is not None
    assert found[0] == line
    assert words in found[1]
    stopped = service_cause(["(service shop) ECS deployment circuit breaker", f"CannotPullContainerError: {line}"])
    assert stopped is not None
    assert words in stopped.remedy


def test_a_log_without_a_known_cause_explains_nothing() -> None:
    assert build_cause("[Container] Running command make\nmake: *** [all] Error 2") is None


def test_the_failed_stage_of_a_run_is_retried_and_no_other(
    api: PipelineApi, stack: Stack, artifact: Artifact, operator: User
) -> None:
    api.run("r-1", "Failed", SOURCE, BUILD, DEPLOY_FAILED)
    deployments.sync(stack=stack)
    row = Deployment.objects.get()

    deployments.retry(deployment=row, actor=operator)

    [asked] = api.asked("RetryStageExecution")
    assert (asked["stageName"], asked["retryMode"]) == ("Deploy", "ALL_ACTIONS")
    row.refresh_from_db()
    assert row.status == "deploying"
    with pytest.raises(Refused, match="failed stage"):
        deployments.retry(deployment=row, actor=operator)


@pytest.mark.parametrize(("actions", "abandon"), [([SOURCE, BUILD], False), ([SOURCE, WAITS], True)])
def test_a_run_is_stopped_and_one_that_waits_is_abandoned(
    api: PipelineApi, stack: Stack, artifact: Artifact, operator: User, actions: list[dict[str, Any]], abandon: bool
) -> None:
    api.run("r-1", "InProgress", *actions)
    deployments.sync(stack=stack)
    deployments.stop(deployment=Deployment.objects.get(), actor=operator)
    [asked] = api.asked("StopPipelineExecution")
    assert asked["abandon"] is abandon
    assert Deployment.objects.get().status == "cancelled"


def told(minute: int, message: str) -> dict[str, Any]:
    return {"id": "e", "createdAt": seconds(AT + timedelta(minutes=minute)), "message": message}


def test_the_services_own_events_explain_a_deployment_that_failed(
    api: PipelineApi, stack: Stack, artifact: Artifact
) -> None:
    api.services = [
        {
            "serviceName": "shop",
            "events": [
                told(5, "(service shop) (task 1) failed container health checks."),
                told(1, "(service shop) has reached a steady state."),
            ],
            "deployments": [
                {
                    "rolloutState": "FAILED",
                    "rolloutStateReason": "ECS deployment circuit breaker: tasks failed to start.",
                    "updatedAt": seconds(AT + timedelta(minutes=6)),
                }
            ],
        }
    ]
    api.tasks = [
        {
            "taskArn": "arn:aws:ecs:us-east-1:123456789012:task/shop/0123456789abcdef",
            "stoppedAt": seconds(AT + timedelta(minutes=4)),
            "stoppedReason": "Essential container in task exited",
            "containers": [{"name": "app", "exitCode": 1}],
        }
    ]
    api.run("r-1", "Failed", SOURCE, BUILD, DEPLOY_FAILED)
    deployments.sync(stack=stack)

    row = Deployment.objects.get()
    assert row.problem == (
        "Deploy failed: (task 01234567) Essential container in task exited; container app: exit code 1"
    )
    assert "Its own log" in row.remedy
    step = row.steps.get(group="Deploy")
    assert step.log_tail.splitlines() == [
        "12:04:00 (task 01234567) Essential container in task exited; container app: exit code 1",
        "12:05:00 (service shop) (task 1) failed container health checks.",
        "12:06:00 (service shop) ECS deployment circuit breaker: tasks failed to start.",
    ]


def test_an_account_that_may_read_the_service_only_is_told_that_much(
    api: PipelineApi, stack: Stack, artifact: Artifact
) -> None:
    api.denied = {"ListTasks"}
    api.services = [{"serviceName": "shop", "events": [told(5, "(service shop) was unable to place a task.")]}]
    api.run("r-1", "Failed", SOURCE, BUILD, DEPLOY_FAILED)
    deployments.sync(stack=stack)
    row = Deployment.objects.get()
    assert row.problem == "Deploy failed: (service shop) was unable to place a task."
    assert "no room" in row.remedy


def test_where_the_service_says_nothing_its_stack_does(api: PipelineApi, stack: Stack, artifact: Artifact) -> None:
    template = '{"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}'
    made = boto3.client("cloudformation", region_name="us-east-1").create_stack(
        StackName="shop-service", TemplateBody=template
    )["StackId"]
    [found] = [each for each in cloudformation_backends[ACCOUNT]["us-east-1"].stacks.values() if each.stack_id == made]
    found._add_stack_event("UPDATE_FAILED", resource_status_reason="The certificate was not found")
    api.run("r-1", "Failed", SOURCE, BUILD, DEPLOY_FAILED)
    deployments.sync(stack=stack)
    row = Deployment.objects.get()
    assert row.problem.endswith("failed: The certificate was not found")
    assert "Choose an issued certificate" in row.remedy


def test_without_a_word_of_the_service_the_pipelines_own_reason_stays(
    api: PipelineApi, stack: Stack, artifact: Artifact
) -> None:
    api.run("r-1", "Failed", SOURCE, DEPLOY_FAILED)
    deployments.sync(stack=stack)
    assert Deployment.objects.get().problem == "Deploy failed: The stack was rolled back"


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        (["CannotPullContainerError: pull image manifest has been retried 5 time(s)"], "way to ECR"),
        (["ResourceInitializationError: unable to pull secrets or registry auth"], "could not start"),
        (["OutOfMemoryError: Container killed due to memory usage"], "TaskMemory"),
        (["container app: exec format error, exit code 1"], "another kind of processor"),
        (["Task failed ELB health checks in (target-group x)"], "HealthCheckPath"),
        (["(service shop) was unable to place a task because no container instance met the requirements"], "no room"),
        (["ECS deployment circuit breaker: tasks failed to start.", "container app: exit code 2"], "ends by itself"),
        (["ECS deployment circuit breaker: tasks failed to start."], "gave up"),
    ],
)
def test_what_is_closest_to_the_cause_is_told_with_what_to_do(messages: list[str], words: str) -> None:
    found = service_cause(messages)
    assert found is not None
    assert found.message == messages[-1]
    assert words in found.remedy


def test_a_service_that_is_well_explains_nothing() -> None:
    assert service_cause(["(service shop) has reached a steady state."]) is None


def test_the_run_that_a_new_pipeline_starts_is_the_first_deployment(
    api: PipelineApi, stack: Stack, artifact: Artifact
) -> None:
    api.run("r-1", "InProgress", SOURCE, BUILD, by_rule=False, first=True)
    api.run("r-2", "InProgress", SOURCE, BUILD, by_rule=False)
    deployments.sync(stack=stack)
    triggers = {row.external_id: row.get_trigger_display() for row in Deployment.objects.all()}
    assert triggers == {"r-1": "First deployment", "r-2": "Outside Sluice"}
