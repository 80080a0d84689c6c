"""The local CodePipeline: from a version in S3 over a function, a simulated build and an approval to a stack."""

import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.aws import ACCOUNT_ID, REGION, Aws

pytestmark = pytest.mark.sandbox

SECONDS = 30.0
NAME = "shop"
SERVICE = {
    "Parameters": {"ECRImageTag": {"Type": "String"}, "Color": {"Type": "String"}},
    "Resources": {"Queue": {"Type": "AWS::SQS::Queue"}},
    "Outputs": {"Image": {"Value": {"Ref": "ECRImageTag"}}, "Color": {"Value": {"Ref": "Color"}}},
}
MANIFEST = f"""
import io, json, zipfile
import boto3

def handler(event, context):
    job = event["CodePipeline.job"]
    data = job["data"]
    pipeline = boto3.client("codepipeline")
    version = json.loads(data["actionConfiguration"]["configuration"]["UserParameters"])["version"]
    source = boto3.client("s3").get_object(Bucket="{NAME}", Key="source.zip", VersionId=version)
    if source["Metadata"].get("refuse"):
        details = {{"type": "JobFailed", "message": "refused"}}
        return pipeline.put_job_failure_result(jobId=job["id"], failureDetails=details)
    keys = data["artifactCredentials"]
    place = data["outputArtifacts"][0]["location"]["s3Location"]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("service.json", {json.dumps(SERVICE)!r})
        archive.writestr("parameters.json", json.dumps({{"Parameters": {{"ECRImageTag": "none", "Color": "red"}}}}))
    artifacts = boto3.client("s3", aws_access_key_id=keys["accessKeyId"], aws_secret_access_key=keys["secretAccessKey"],
                             aws_session_token=keys["sessionToken"])
    artifacts.put_object(Bucket=place["bucketName"], Key=place["objectKey"], Body=buffer.getvalue())
    pipeline.put_job_success_result(jobId=job["id"], outputVariables={{"ImageTag": source["Metadata"]["commit"]}})
"""


def role(service: str, *statements: tuple[Any, Any]) -> dict[str, Any]:
    trust = {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}
    allowed = [{"Effect": "Allow", "Action": actions, "Resource": resource} for actions, resource in statements]
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
            "Policies": [{"PolicyName": "it", "PolicyDocument": {"Version": "2012-10-17", "Statement": allowed}}],
        },
    }


def action(name: str, category: str, provider: str, configuration: dict[str, Any], **more: Any) -> dict[str, Any]:
    kind = {"Category": category, "Owner": "AWS", "Provider": provider, "Version": "1"}
    stage = {"Name": name, "ActionTypeId": kind, "Configuration": configuration, **more}
    return {"Name": name, "Actions": [stage]}


PIPELINE_ARN = {"Fn::Sub": "arn:aws:codepipeline:${AWS::Region}:${AWS::AccountId}:${Pipeline}"}
STAGES = [
    action(
        "Source",
        "Source",
        "S3",
        {"S3Bucket": NAME, "S3ObjectKey": "source.zip", "PollForSourceChanges": "false"},
        Namespace="Source",
        OutputArtifacts=[{"Name": "Source"}],
    ),
    action(
        "Manifest",
        "Invoke",
        "Lambda",
        {"FunctionName": {"Ref": "Function"}, "UserParameters": '{"version":"#{Source.VersionId}"}'},
        Namespace="Manifest",
        InputArtifacts=[{"Name": "Source"}],
        OutputArtifacts=[{"Name": "Manifest"}],
    ),
    action(
        "Build",
        "Build",
        "CodeBuild",
        {
            "ProjectName": {"Ref": "Project"},
            "EnvironmentVariables": '[{"name":"IMAGE_TAG","value":"#{Manifest.ImageTag}","type":"PLAINTEXT"}]',
        },
        InputArtifacts=[{"Name": "Source"}],
        OutputArtifacts=[{"Name": "Build"}],
    ),
    action(
        "Approve", "Approval", "Manual", {"NotificationArn": {"Ref": "Topic"}, "CustomData": "#{Manifest.ImageTag}?"}
    ),
    action(
        "Deploy",
        "Deploy",
        "CloudFormation",
        {
            "ActionMode": "CREATE_UPDATE",
            "StackName": "service",
            "TemplatePath": "Manifest::service.json",
            "TemplateConfiguration": "Manifest::parameters.json",
            "ParameterOverrides": '{"ECRImageTag":{"Fn::GetParam":["Build","build.json","tag"]}}',
        },
        InputArtifacts=[{"Name": "Manifest"}, {"Name": "Build"}],
    ),
]
TEMPLATE = {
    "Resources": {
        "Topic": {"Type": "AWS::SNS::Topic"},
        "Repository": {"Type": "AWS::ECR::Repository", "Properties": {"RepositoryName": NAME}},
        "Store": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": f"{NAME}-store"}},
        "Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "builds"}},
        "FunctionRole": role(
            "lambda", (["codepipeline:PutJob*"], "*"), (["s3:GetObject*"], f"arn:aws:s3:::{NAME}/source.zip")
        ),
        "Function": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Runtime": "python3.11",
                "Handler": "index.handler",
                "Timeout": 30,
                "Role": {"Fn::GetAtt": ["FunctionRole", "Arn"]},
                "Code": {"ZipFile": MANIFEST},
            },
        },
        "BuildRole": role("codebuild", (["ecr:DescribeImages", "ecr:PutImage"], {"Fn::GetAtt": ["Repository", "Arn"]})),
        "Project": {
            "Type": "AWS::CodeBuild::Project",
            "Properties": {
                "ServiceRole": {"Fn::GetAtt": ["BuildRole", "Arn"]},
                "Artifacts": {"Type": "CODEPIPELINE"},
                "Source": {"Type": "CODEPIPELINE"},
                "LogsConfig": {"CloudWatchLogs": {"Status": "ENABLED", "GroupName": {"Ref": "Logs"}}},
                "Environment": {
                    "Type": "LINUX_CONTAINER",
                    "ComputeType": "BUILD_GENERAL1_SMALL",
                    "Image": "any",
                    "EnvironmentVariables": [{"Name": "REPOSITORY_NAME", "Value": {"Ref": "Repository"}}],
                },
            },
        },
        "PipelineRole": role(
            "codepipeline",
            (["s3:GetObject*"], f"arn:aws:s3:::{NAME}/source.zip"),
            (["s3:GetObject*", "s3:PutObject"], f"arn:aws:s3:::{NAME}-store/*"),
            (["lambda:InvokeFunction"], {"Fn::GetAtt": ["Function", "Arn"]}),
            (["codebuild:StartBuild"], {"Fn::GetAtt": ["Project", "Arn"]}),
            (["sns:Publish"], {"Ref": "Topic"}),
            (
                ["cloudformation:CreateStack", "cloudformation:DescribeStacks", "cloudformation:UpdateStack"],
                f"arn:aws:cloudformation:{REGION}:{ACCOUNT_ID}:stack/service/*",
            ),
            (["sqs:*"], "*"),
        ),
        "Pipeline": {
            "Type": "AWS::CodePipeline::Pipeline",
            "Properties": {
                "PipelineType": "V2",
                "ExecutionMode": "SUPERSEDED",
                "RoleArn": {"Fn::GetAtt": ["PipelineRole", "Arn"]},
                "ArtifactStore": {"Type": "S3", "Location": {"Ref": "Store"}},
                "Stages": STAGES,
            },
        },
        "TriggerRole": role("events", (["codepipeline:StartPipelineExecution"], PIPELINE_ARN)),
        "Trigger": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "EventPattern": {
                    "source": ["aws.s3"],
                    "detail-type": ["Object Created"],
                    "detail": {"bucket": {"name": [NAME]}, "object": {"key": ["source.zip"]}},
                },
                "Targets": [
                    {
                        "Id": "Pipeline",
                        "Arn": PIPELINE_ARN,
                        "RoleArn": {"Fn::GetAtt": ["TriggerRole", "Arn"]},
                        "InputTransformer": {
                            "InputPathsMap": {"version": "$.detail.object.version-id"},
                            "InputTemplate": '{"sourceRevisions": [{"actionName": "Source", "revisionType": '
                            '"S3_OBJECT_VERSION_ID", "revisionValue": <version>}]}',
                        },
                    }
                ],
            },
        },
    },
    "Outputs": {"Pipeline": {"Value": {"Ref": "Pipeline"}}, "Topic": {"Value": {"Ref": "Topic"}}},
}


def eventually(holds: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + SECONDS
    while not (found := holds()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


class Pipeline:
    """The stack's pipeline, and the bucket it takes its source from."""

    def __init__(self, aws: Aws, outputs: dict[str, str]) -> None:
        self.aws, self.name, self.topic = aws, outputs["Pipeline"], outputs["Topic"]
        self.api = aws.client("codepipeline")

    def push(self, commit: str, files: dict[str, str] | None = None, **metadata: str) -> str:
        """Put a version into the bucket; its id."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, text in ({"Dockerfile": "FROM scratch\n"} if files is None else files).items():
                archive.writestr(name, text)
        body, told = buffer.getvalue(), {"commit": commit, **metadata}
        found: str = self.aws.client("s3").put_object(Bucket=NAME, Key="source.zip", Body=body, Metadata=told)[
            "VersionId"
        ]
        return found

    def executions(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.api.list_pipeline_executions(pipelineName=self.name)[
            "pipelineExecutionSummaries"
        ]
        return found

    def of(self, version: str) -> dict[str, Any]:
        """The execution of a version, once it has taken it."""
        found: dict[str, Any] = eventually(
            lambda: next(
                (e for e in self.executions() if version in [r["revisionId"] for r in e["sourceRevisions"]]), None
            )
        )
        return found

    def end(self, execution: dict[str, Any]) -> dict[str, Any]:
        key, done = execution["pipelineExecutionId"], ("Succeeded", "Failed", "Stopped", "Superseded")

        def ended() -> dict[str, Any] | None:
            return next((e for e in self.executions() if e["pipelineExecutionId"] == key and e["status"] in done), None)

        found: dict[str, Any] = eventually(ended)
        return found

    def actions(self, execution: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """By name, the latest run of each."""
        wanted = {"pipelineExecutionId": execution["pipelineExecutionId"]}
        found = self.api.list_action_executions(pipelineName=self.name, filter=wanted)["actionExecutionDetails"]
        return {each["actionName"]: each for each in reversed(found)}

    def token(self, execution: dict[str, Any]) -> str:
        """Of the approval, once the execution waits for it."""

        def waiting() -> str | None:
            stage = self.api.get_pipeline_state(name=self.name)["stageStates"][3]
            mine = stage.get("latestExecution", {}).get("pipelineExecutionId") == execution["pipelineExecutionId"]
            token: str | None = stage["actionStates"][0].get("latestExecution", {}).get("token")
            return token if mine else None

        found: str = eventually(waiting)
        return found

    def answer(self, execution: dict[str, Any], status: str, summary: str = "") -> None:
        self.api.put_approval_result(
            pipelineName=self.name,
            stageName="Approve",
            actionName="Approve",
            token=self.token(execution),
            result={"status": status, "summary": summary},
        )

    def error(self, execution: dict[str, Any], name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.actions(execution)[name]["output"]["executionResult"]["errorDetails"]
        return found


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


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"README": ""}, "failed to read dockerfile"),
        ({"Dockerfile": "RUN make\n"}, "no build stage"),
        ({"Dockerfile": "FROM scratch\n", "buildspec.yml": "version: [\n"}, "YAML_FILE_ERROR"),
    ],
    ids=["no Dockerfile", "no FROM", "broken buildspec"],
)
def test_a_broken_source_fails_its_build(pipeline: Pipeline, files: dict[str, str], message: str) -> None:
    execution = pipeline.of(pipeline.push("b0ken", files))

    assert pipeline.end(execution)["status"] == "Failed"
    assert message in pipeline.error(execution, "Build")["message"]


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
