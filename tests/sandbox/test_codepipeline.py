"""The local CodePipeline: from a version in S3 over a function, a simulated build and an approval to a stack."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.aws import ACCOUNT_ID, REGION, Aws
from tests.sandbox.conftest import eventually
from tests.sandbox.pipeline import NAME, TEMPLATE, Pipeline

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    with Aws(tmp_path_factory.mktemp("aws")) as aws:
        s3, cloudformation = aws.client("s3"), aws.client("cloudformation")
        s3.create_bucket(Bucket=NAME)
        s3.put_bucket_versioning(Bucket=NAME, VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_notification_configuration(
            Bucket=NAME, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        cloudformation.create_stack(
            StackName="pipeline", TemplateBody=json.dumps(TEMPLATE), Capabilities=["CAPABILITY_IAM"]
        )

        def made() -> dict[str, Any] | None:
            stack: dict[str, Any] = cloudformation.describe_stacks(StackName="pipeline")["Stacks"][0]
            assert "FAILED" not in stack["StackStatus"], stack
            assert "ROLLBACK" not in stack["StackStatus"], cloudformation.describe_stack_events(StackName="pipeline")
            return stack if stack["StackStatus"] == "CREATE_COMPLETE" else None

        outputs = {each["OutputKey"]: each["OutputValue"] for each in eventually(made)["Outputs"]}
        yield Pipeline(aws, outputs)


def test_a_version_is_built_approved_and_deployed(pipeline: Pipeline) -> None:
    aws = pipeline.aws
    first = pipeline.executions()[-1]
    assert first["trigger"]["triggerType"] == "CreatePipeline"
    assert pipeline.end(first)["status"] == "Failed"
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:approvals"
    allowed = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    queue = aws.client("sqs").create_queue(QueueName="approvals", Attributes={"Policy": policy})["QueueUrl"]
    aws.client("sns").subscribe(TopicArn=pipeline.topic, Protocol="sqs", Endpoint=arn)
    events = aws.client("events")
    states = ["STARTED", "SUCCEEDED"]
    pattern = {"source": ["aws.codepipeline"], "detail": {"state": states, "pipeline": [pipeline.name]}}
    aws.client("sqs").create_queue(QueueName="states")
    events.put_rule(Name="states", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="states", Targets=[{"Id": "q", "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:states"}])

    version = pipeline.push("c0ffee")
    execution = pipeline.of(version)
    token = pipeline.token(execution)
    trigger = pipeline.executions()[0]["trigger"]
    assert trigger["triggerType"] == "CloudWatchEvent"
    assert ":rule/" in trigger["triggerDetail"]
    message = aws.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"][0]
    approval = json.loads(json.loads(message["Body"])["Message"])["approval"]
    assert (approval["token"], approval["customData"]) == (token, "c0ffee?")
    with pytest.raises(ClientError, match="InvalidApprovalToken"):
        pipeline.api.put_approval_result(
            pipelineName=pipeline.name,
            stageName="Approve",
            actionName="Approve",
            token="00000000-0000-0000-0000-000000000000",
            result={"status": "Approved", "summary": ""},
        )
    pipeline.answer(execution, "Approved", "looks good")

    assert pipeline.end(execution)["status"] == "Succeeded"
    actions = pipeline.actions(execution)
    assert {each["status"] for each in actions.values()} == {"Succeeded"}
    assert actions["Approve"]["output"]["executionResult"]["externalExecutionSummary"] == "looks good"
    assert actions["Build"]["input"]["resolvedConfiguration"]["EnvironmentVariables"].count("c0ffee") == 1
    (stack,) = aws.client("cloudformation").describe_stacks(StackName="service")["Stacks"]
    assert {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]} == {"Image": "c0ffee", "Color": "red"}
    image = aws.client("ecr").describe_images(repositoryName=NAME, imageIds=[{"imageTag": "c0ffee"}])
    assert image["imageDetails"][0]["imageTags"] == ["c0ffee"]
    build = actions["Build"]["output"]["executionResult"]["externalExecutionId"]
    (record,) = aws.client("codebuild").batch_get_builds(ids=[build])["builds"]
    logs = record["logs"]
    lines = aws.client("logs").get_log_events(logGroupName="builds", logStreamName=logs["streamName"])["events"]
    assert record["buildStatus"] == "SUCCEEDED"
    assert "Simulated build" in lines[0]["message"]
    url = aws.client("sqs").get_queue_url(QueueName="states")["QueueUrl"]
    kinds: set[str] = set()
    while "CodePipeline Pipeline Execution State Change" not in kinds:
        found = aws.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=5)["Messages"]
        kinds |= {json.loads(each["Body"])["detail-type"] for each in found}


def test_a_rejected_approval_fails_and_deploys_nothing(pipeline: Pipeline) -> None:
    execution = pipeline.of(pipeline.push("bad1dea"))

    pipeline.answer(execution, "Rejected", "not on a Friday")

    assert pipeline.end(execution)["status"] == "Failed"
    assert "not on a Friday" in pipeline.error(execution, "Approve")["message"]
    assert "Deploy" not in pipeline.actions(execution)


_BUILDSPEC = "version: 0.2\nphases:\n  build:\n    commands:\n      - {}\n{}\n"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"README": ""}, "failed to read dockerfile"),
        ({"Dockerfile": "RUN make\n"}, "no build stage"),
        ({"Dockerfile": "FROM scratch\n", "buildspec.yml": "version: [\n"}, "YAML_FILE_ERROR"),
        ({"buildspec.yml": _BUILDSPEC.format("make image", "")}, "no matching artifact paths"),
        ({"buildspec.yml": _BUILDSPEC.format("make image", "artifacts: {files: [taskdef.json]}")}, "no matching"),
        (
            {"taskdef.json": "{}", "buildspec.yml": _BUILDSPEC.format("make", "artifacts: {files: [taskdef.json]}")},
            "no build.json",
        ),
        ({"buildspec.yml": _BUILDSPEC.format("docker push it", "artifacts: {files: build.json}")}, "writes build.json"),
        (
            {"buildspec.yml": _BUILDSPEC.format("echo '{}' >build.json", "artifacts: {files: ['*.json']}")},
            "never pushed",
        ),
    ],
    ids=[
        "no Dockerfile",
        "no FROM",
        "broken buildspec",
        "no artifacts",
        "artifacts that are not there",
        "other artifacts",
        "build.json not written",
        "IMAGE_TAG not used",
    ],
)
def test_a_broken_source_fails_its_build(pipeline: Pipeline, files: dict[str, str], message: str) -> None:
    execution = pipeline.of(pipeline.push("b0ken", files))

    assert pipeline.end(execution)["status"] == "Failed"
    assert message in pipeline.error(execution, "Build")["message"]


def test_a_buildspec_whose_script_may_do_it_is_built(pipeline: Pipeline) -> None:
    files = {"buildspec.yml": _BUILDSPEC.format("./ci/image.sh", "artifacts: {files: [build.json]}")}
    execution = pipeline.of(pipeline.push("5c21b7", files))

    pipeline.answer(execution, "Rejected", "it was built, which is enough")
    assert pipeline.end(execution)["status"] == "Failed"
    assert pipeline.actions(execution)["Build"]["status"] == "Succeeded"


def test_what_the_function_refuses_fails_and_can_be_tried_again(pipeline: Pipeline) -> None:
    execution = pipeline.of(pipeline.push("dead", refuse="yes"))
    assert pipeline.end(execution)["status"] == "Failed"
    assert pipeline.error(execution, "Manifest") == {"code": "JobFailed", "message": "refused"}

    pipeline.api.retry_stage_execution(
        pipelineName=pipeline.name,
        stageName="Manifest",
        pipelineExecutionId=execution["pipelineExecutionId"],
        retryMode="FAILED_ACTIONS",
    )

    assert pipeline.end(execution)["status"] == "Failed"
    wanted = {"pipelineExecutionId": execution["pipelineExecutionId"]}
    found = pipeline.api.list_action_executions(pipelineName=pipeline.name, filter=wanted)["actionExecutionDetails"]
    assert [each["actionName"] for each in found] == ["Manifest", "Manifest", "Source"]


def test_an_execution_that_waits_can_be_stopped(pipeline: Pipeline) -> None:
    execution = pipeline.of(pipeline.push("5109"))
    pipeline.token(execution)

    pipeline.api.stop_pipeline_execution(
        pipelineName=pipeline.name,
        pipelineExecutionId=execution["pipelineExecutionId"],
        abandon=True,
        reason="enough",
    )

    ended = pipeline.end(execution)
    assert (ended["status"], ended["statusSummary"]) == ("Stopped", "enough")
    with pytest.raises(ClientError, match="NotStoppable"):
        pipeline.api.stop_pipeline_execution(
            pipelineName=pipeline.name, pipelineExecutionId=execution["pipelineExecutionId"]
        )


def test_a_newer_version_supersedes_one_that_waits_for_a_stage(pipeline: Pipeline) -> None:
    holding = pipeline.of(pipeline.push("1"))
    pipeline.token(holding)
    waiting = pipeline.of(pipeline.push("2"))
    eventually(lambda: "Build" in (found := pipeline.actions(waiting)) and found["Build"]["status"] == "Succeeded")
    newest = pipeline.of(pipeline.push("3"))

    assert pipeline.end(waiting)["status"] == "Superseded"
    pipeline.answer(holding, "Rejected")
    pipeline.answer(newest, "Approved")
    assert pipeline.end(newest)["status"] == "Succeeded"


def test_an_older_version_is_deployed_when_asked_and_what_a_role_lacks_is_told(pipeline: Pipeline) -> None:
    older = pipeline.push("aaaa", {"README": ""})
    newer = pipeline.push("bbbb", {"README": ""})
    for each in (pipeline.of(newer), pipeline.of(older)):
        pipeline.end(each)
    revision = {"actionName": "Source", "revisionType": "S3_OBJECT_VERSION_ID", "revisionValue": older}
    key = pipeline.api.start_pipeline_execution(name=pipeline.name, sourceRevisions=[revision])["pipelineExecutionId"]
    again = {"pipelineExecutionId": key}
    pipeline.end(again)
    detail = pipeline.api.get_pipeline_execution(pipelineName=pipeline.name, **again)["pipelineExecution"]
    assert [each["revisionId"] for each in detail["artifactRevisions"]] == [older]

    elsewhere = {"actionName": "Source", "revisionType": "S3_OBJECT_KEY", "revisionValue": "other.zip"}
    pipeline.aws.client("s3").put_object(Bucket=NAME, Key="other.zip", Body=b"")
    key = pipeline.api.start_pipeline_execution(name=pipeline.name, sourceRevisions=[elsewhere])["pipelineExecutionId"]
    denied = {"pipelineExecutionId": key}

    assert pipeline.end(denied)["status"] == "Failed"
    assert pipeline.error(denied, "Source")["code"] == "PermissionError"


def test_the_deploy_action_must_be_allowed_to_pass_its_role(pipeline: Pipeline) -> None:
    iam = pipeline.aws.client("iam")
    deny = {"Effect": "Deny", "Action": "iam:PassRole", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    iam.put_role_policy(RoleName=pipeline.role, PolicyName="deny", PolicyDocument=document)
    try:
        execution = pipeline.of(pipeline.push("f00d"))
        pipeline.answer(execution, "Approved")

        assert pipeline.end(execution)["status"] == "Failed"
        assert (
            "is not authorized to perform: iam:PassRole on resource: " in pipeline.error(execution, "Deploy")["message"]
        )
    finally:
        iam.delete_role_policy(RoleName=pipeline.role, PolicyName="deny")


def test_the_history_survives_a_restart_and_what_ran_has_failed(pipeline: Pipeline) -> None:
    execution = pipeline.of(pipeline.push("e1d"))
    pipeline.token(execution)
    count = len(pipeline.executions())
    pipeline.aws.stop()

    pipeline.aws.start()

    ended = pipeline.end(execution)
    assert ended["status"] == "Failed"
    assert len(pipeline.executions()) == count
    pipeline.aws.client("cloudformation").delete_stack(StackName="pipeline")
    eventually(lambda: not pipeline.api.list_pipelines()["pipelines"])


def test_a_pipeline_that_is_not_there_is_said(pipeline: Pipeline) -> None:
    for ask in (pipeline.api.get_pipeline, pipeline.api.get_pipeline_state, pipeline.api.start_pipeline_execution):
        with pytest.raises(ClientError, match="PipelineNotFound"):
            ask(name="unknown")


def test_state_is_kept_apart_from_the_functions_secrets(pipeline: Pipeline) -> None:
    state = Path(pipeline.aws.state_dir / "state" / "codepipeline.json").read_text()

    assert "artifactCredentials" not in state
