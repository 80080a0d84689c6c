"""An application of CodeDeploy with its bucket and its instances, for the tests of the local CodeDeploy."""

import io
import uuid
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.aws import ACCOUNT_ID, REGION, Aws
from tests.sandbox.conftest import eventually

APPSPEC = """version: 0.0
os: linux
files:
  - source: /page.html
    destination: /srv
hooks:
  ApplicationStart:
    - location: start.sh
"""
GOOD = "#!/bin/sh\necho $LIFECYCLE_EVENT of $APPLICATION_NAME; cp srv/page.html started.html\n"
BAD = "#!/bin/sh\necho cannot bind port 80\nexit 3\n"
STACK = {
    "Resources": {
        "Config": {
            "Type": "AWS::CodeDeploy::DeploymentConfig",
            "Properties": {"MinimumHealthyHosts": {"Type": "FLEET_PERCENT", "Value": 50}},
        },
        "Application": {"Type": "AWS::CodeDeploy::Application", "Properties": {"ComputePlatform": "Server"}},
        "Group": {
            "Type": "AWS::CodeDeploy::DeploymentGroup",
            "Properties": {
                "ApplicationName": {"Ref": "Application"},
                "DeploymentConfigName": {"Ref": "Config"},
                "ServiceRoleArn": f"arn:aws:iam::{ACCOUNT_ID}:role/deploys",
            },
        },
    }
}


FLEET: dict[str, Any] = {
    "Role": {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
                ],
            }
        },
    },
    "Profile": {"Type": "AWS::IAM::InstanceProfile", "Properties": {"Roles": [{"Ref": "Role"}]}},
    "Template": {
        "Type": "AWS::EC2::LaunchTemplate",
        "Properties": {
            "LaunchTemplateData": {
                "ImageId": "ami-12345678",
                "IamInstanceProfile": {"Arn": {"Fn::GetAtt": ["Profile", "Arn"]}},
            }
        },
    },
    "Group": {
        "Type": "AWS::AutoScaling::AutoScalingGroup",
        "Properties": {
            "MinSize": "1",
            "MaxSize": "1",
            "AvailabilityZones": [f"{REGION}a"],
            "LaunchTemplate": {
                "LaunchTemplateId": {"Ref": "Template"},
                "Version": {"Fn::GetAtt": ["Template", "LatestVersionNumber"]},
            },
        },
    },
}


def bundle(script: str = GOOD, appspec: str = APPSPEC, page: str = "page") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("start.sh", script)
        archive.writestr("page.html", page)
        if appspec:
            archive.writestr("appspec.yml", appspec)
    return buffer.getvalue()


@dataclass
class Shop:
    """An application with one group on an Auto Scaling group."""

    aws: Aws
    name: str = field(default_factory=lambda: f"shop-{uuid.uuid4().hex[:8]}")

    def __post_init__(self) -> None:
        self.api = self.aws.client("codedeploy")
        self.target = {"applicationName": self.name, "deploymentGroupName": "web"}

    def make(self, instances: int = 1, config: str = "CodeDeployDefault.OneAtATime") -> "Shop":
        s3 = self.aws.client("s3")
        s3.create_bucket(Bucket=self.name)
        s3.put_bucket_versioning(Bucket=self.name, VersioningConfiguration={"Status": "Enabled"})
        self.aws.client("autoscaling").create_auto_scaling_group(
            AutoScalingGroupName=self.name, MinSize=instances, MaxSize=instances, LaunchConfigurationName="any"
        )
        self.api.create_application(applicationName=self.name)
        self.api.create_deployment_group(
            **self.target,
            serviceRoleArn=f"arn:aws:iam::{ACCOUNT_ID}:role/deploys",
            deploymentConfigName=config,
            autoScalingGroups=[self.name],
            autoRollbackConfiguration={"enabled": True, "events": ["DEPLOYMENT_FAILURE"]},
        )
        return self

    def upload(self, body: bytes) -> dict[str, str]:
        answer = self.aws.client("s3").put_object(Bucket=self.name, Key="revision.zip", Body=body)
        location = {"bucket": self.name, "key": "revision.zip", "bundleType": "zip"}
        return {**location, "version": answer["VersionId"], "eTag": answer["ETag"]}

    def start(self, location: dict[str, str], **more: Any) -> str:
        revision = {"revisionType": "S3", "s3Location": location}
        key: str = self.api.create_deployment(**self.target, revision=revision, **more)["deploymentId"]
        return key

    def deployment(self, key: str) -> dict[str, Any]:
        found: dict[str, Any] = self.api.get_deployment(deploymentId=key)["deploymentInfo"]
        return found

    def end(self, key: str) -> dict[str, Any]:
        eventually(lambda: self.deployment(key)["status"] in ("Succeeded", "Failed", "Stopped"))
        return self.deployment(key)

    def deploy(self, body: bytes, **more: Any) -> dict[str, Any]:
        return self.end(self.start(self.upload(body), **more))

    def targets(self, key: str) -> list[dict[str, Any]]:
        ids = self.api.list_deployment_targets(deploymentId=key)["targetIds"]
        found = self.api.batch_get_deployment_targets(deploymentId=key, targetIds=ids)["deploymentTargets"]
        return [each["instanceTarget"] for each in found]

    def failure(self, key: str) -> dict[str, Any]:
        """The diagnostics of the one event that failed on the first instance."""
        (failed,) = [each for each in self.targets(key)[0]["lifecycleEvents"] if each["status"] == "Failed"]
        return {"event": failed["lifecycleEventName"], **failed["diagnostics"]}

    def disk(self, instance: str) -> Path:
        return self.aws.state_dir / "codedeploy" / instance / "root"
