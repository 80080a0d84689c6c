"""A stack with a pipeline, and what asks it, for the tests of the local CodePipeline."""

import io
import json
import zipfile
from typing import Any

from sandbox.aws import ACCOUNT_ID, REGION, Aws
from tests.sandbox.conftest import eventually

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
            "RoleArn": {"Fn::GetAtt": ["ServiceRole", "Arn"]},
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
            (["iam:PassRole"], {"Fn::GetAtt": ["ServiceRole", "Arn"]}),
        ),
        # The stack is made with it, and by nobody else.
        "ServiceRole": role("cloudformation", (["sqs:*"], "*")),
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
    "Outputs": {
        "Pipeline": {"Value": {"Ref": "Pipeline"}},
        "PipelineRole": {"Value": {"Ref": "PipelineRole"}},
        "Topic": {"Value": {"Ref": "Topic"}},
    },
}


class Pipeline:
    """The stack's pipeline, and the bucket it takes its source from."""

    def __init__(self, aws: Aws, outputs: dict[str, str]) -> None:
        self.aws, self.name, self.topic = aws, outputs["Pipeline"], outputs["Topic"]
        self.role = outputs["PipelineRole"]
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
