"""A CodeDeploy stack on the local AWS: versions of the artifact go in, deployments come out."""

import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from deployers import catalog, templates
from sandbox.aws import Aws
from tests.cfn_templates.stack import Packages

pytestmark = pytest.mark.sandbox

KEY = "acme/shop/main/shop.zip"
APPSPEC = """version: 0.0
os: linux
files:
  - source: /
    destination: /srv/shop
hooks:
  ApplicationStart:
    - location: scripts/start.sh
      timeout: 20
"""


def artifact(script: str, appspec: str = APPSPEC) -> bytes:
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w") as archive:
        archive.writestr("appspec.yml", appspec)
        archive.writestr("scripts/start.sh", f"#!/bin/sh\n{script}\n")
    return found.getvalue()


class Deploying:
    """The stack, and what came of what was stored."""

    def __init__(self, aws: Aws, outputs: dict[str, str], bucket: str) -> None:
        self.aws, self.outputs, self.bucket = aws, outputs, bucket
        self.client = aws.client("codedeploy")
        self.group = {
            "applicationName": outputs["CodeDeployApplication"],
            "deploymentGroupName": outputs["CodeDeploymentGroup"],
        }

    def store(self, body: bytes, commit: str) -> str:
        """Put a version; returns its id."""
        answer = self.aws.client("s3").put_object(
            Bucket=self.bucket, Key=KEY, Body=body, Metadata={"commit": commit, "message": "Change"}
        )
        return str(answer["VersionId"])

    def all(self) -> list[dict[str, Any]]:
        ids = self.client.list_deployments(**self.group)["deployments"]
        return list(self.client.batch_get_deployments(deploymentIds=ids)["deploymentsInfo"]) if ids else []

    def of(self, version: str, creator: str = "user") -> dict[str, Any]:
        """The one deployment of a version, once it has ended."""

        def look() -> dict[str, Any] | None:
            found = [
                each
                for each in self.all()
                if each["revision"]["s3Location"].get("version") == version and each["creator"] == creator
            ]
            assert len(found) <= 1
            return found[0] if found and found[0]["status"] in {"Succeeded", "Failed", "Stopped"} else None

        return until(look)

    def targets(self, deployment: dict[str, Any]) -> list[dict[str, Any]]:
        key = deployment["deploymentId"]
        ids = self.client.list_deployment_targets(deploymentId=key)["targetIds"]
        found = self.client.batch_get_deployment_targets(deploymentId=key, targetIds=ids)["deploymentTargets"]
        return [each["instanceTarget"] for each in found]


def until(look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.1)
    raise AssertionError("not within 30 s")


@pytest.fixture(scope="module")
def made(aws: Aws, packages: Packages) -> Iterator[Deploying]:
    s3, cloudformation, ec2 = aws.client("s3"), aws.client("cloudformation"), aws.client("ec2")
    s3.create_bucket(Bucket="shop-artifacts")
    s3.put_bucket_versioning(Bucket="shop-artifacts", VersioningConfiguration={"Status": "Enabled"})
    for source in (catalog.CODEDEPLOY.template, *catalog.CODEDEPLOY.nested):
        s3.put_object(
            Bucket=packages.bucket, Key=f"t/{templates.published_name(source)}", Body=templates.render(source)
        )
    url = f"{aws.endpoint}/{packages.bucket}/t"
    parameters = {
        "Application": "shop",
        "Environment": "test",
        "HealthCheckPort": "8080",
        "RepoBucket": "shop-artifacts",
        "RepoZipPath": KEY,
        "VPC": ec2.describe_vpcs()["Vpcs"][0]["VpcId"],
        "Subnets": ",".join(each["SubnetId"] for each in ec2.describe_subnets()["Subnets"][:2]),
        "TemplatesUrl": url,
        "LambdaArtifactS3Bucket": packages.bucket,
        "LambdaArtifactPrefix": "first",
        "LambdaRuntime": packages.runtime,
        "LambdaArchitecture": packages.architecture,
    }
    cloudformation.create_stack(
        StackName="shop",
        TemplateURL=f"{url}/codedeploy_main.json",
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
    )

    def settled() -> dict[str, Any] | None:
        found: dict[str, Any] = cloudformation.describe_stacks(StackName="shop")["Stacks"][0]
        return None if found["StackStatus"].endswith("IN_PROGRESS") else found

    stack = until(settled)
    assert stack["StackStatus"] == "CREATE_COMPLETE", stack
    yield Deploying(aws, {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}, "shop-artifacts")

    cloudformation.delete_stack(StackName="shop")
    stacks = aws.client("cloudformation")
    until(
        lambda: all(
            each["StackStatus"] == "DELETE_COMPLETE"
            for each in stacks.list_stacks()["StackSummaries"]
            if each["StackName"].split("-")[0] == "shop"
        )
    )
    assert not s3.get_bucket_notification_configuration(Bucket="shop-artifacts").get("LambdaFunctionConfigurations")
    assert not aws.client("codedeploy").list_applications()["applications"]
    assert [each["Key"] for each in s3.list_objects_v2(Bucket="shop-artifacts")["Contents"]] == [KEY]


def test_a_version_is_deployed_once_and_a_failing_script_is_rolled_back(made: Deploying) -> None:
    good = made.store(artifact("echo started"), "a" * 40)
    deployed = made.of(good)
    assert deployed["status"] == "Succeeded"
    assert deployed["description"].startswith("a" * 12)
    assert deployed["deploymentOverview"]["Succeeded"] == 2

    bad = made.store(artifact("echo the port is taken; exit 3"), "b" * 40)
    failed = made.of(bad)
    assert failed["status"] == "Failed"
    [broken] = [each for each in made.targets(failed) if each["status"] == "Failed"]
    [event] = [each for each in broken["lifecycleEvents"] if each["status"] == "Failed"]
    assert event["lifecycleEventName"] == "ApplicationStart"
    assert event["diagnostics"]["errorCode"] == "ScriptFailed"
    assert "the port is taken" in event["diagnostics"]["logTail"]

    rollback = made.of(good, creator="codeDeployRollback")
    assert rollback["status"] == "Succeeded"
    assert rollback["rollbackInfo"]["rollbackTriggeringDeploymentId"] == failed["deploymentId"]
    assert failed["rollbackInfo"]["rollbackDeploymentId"] == rollback["deploymentId"]


def test_the_same_event_many_times_is_one_deployment(made: Deploying) -> None:
    version = made.store(artifact("true"), "c" * 40)
    made.of(version)
    event = {
        "Records": [
            {
                "eventSource": "aws:s3",
                "eventName": "ObjectCreated:Put",
                "s3": {"bucket": {"name": made.bucket}, "object": {"key": KEY, "versionId": version}},
            }
        ]
    }
    for _ in range(3):
        answer = made.aws.client("lambda").invoke(
            FunctionName=made.outputs["DeployFunctionName"], Payload=json.dumps(event).encode()
        )
        assert "FunctionError" not in answer, answer["Payload"].read()
    assert made.of(version)["status"] == "Succeeded"


def test_an_artifact_without_a_valid_appspec_is_not_deployed(made: Deploying) -> None:
    version = made.store(artifact("true", appspec="version: 0.0\nos: solaris\n"), "d" * 40)
    table, key = made.outputs["DeploymentsTableName"], f"{'/'.join(made.group.values())}#{version}"
    dynamodb = made.aws.client("dynamodb")

    def refused() -> dict[str, Any] | None:
        found: dict[str, Any] = dynamodb.get_item(TableName=table, Key={"id": {"S": key}}).get("Item", {})
        return found if found.get("state", {}).get("S") == "refused" else None

    item = until(refused)
    assert "solaris" in item["reason"]["S"]
    assert version not in {each["revision"]["s3Location"].get("version") for each in made.all()}


def test_two_versions_at_once_end_with_the_newest(made: Deploying) -> None:
    made.store(artifact("sleep 1"), "e" * 40)
    newest = made.store(artifact("true"), "f" * 40)
    assert made.of(newest)["status"] == "Succeeded"


def test_a_deployment_that_runs_is_stopped(made: Deploying) -> None:
    slow = made.store(artifact("sleep 2"), "1" * 40)
    running = until(lambda: [each for each in made.all() if each["status"] == "InProgress"])[0]
    made.client.stop_deployment(deploymentId=running["deploymentId"])
    stopped = made.of(slow)
    assert stopped["status"] == "Stopped"
    assert stopped["errorInformation"]["code"] == "MANUAL_STOP"


def test_requests_are_authorized(made: Deploying) -> None:
    iam = made.aws.client("iam")
    iam.create_user(UserName="reader")
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    import boto3

    client = boto3.client(
        "codedeploy",
        endpoint_url=made.aws.endpoint,
        region_name="us-east-1",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )
    with pytest.raises(ClientError, match="AccessDenied"):
        client.list_deployments(**made.group)
