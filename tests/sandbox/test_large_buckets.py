"""A bucket too large for one call of its function is emptied by several, with the rights that the template gives."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from deployers import templates
from lambdas import package
from sandbox.aws import Aws
from tests.sandbox.conftest import eventually, made

pytestmark = pytest.mark.sandbox

OBJECTS = 2100
"""Two pages and a bit: a function whose whole time is less than the handler's margin does one in each call."""
KEPT = (
    "DeleteBucketContentsFunction",
    "DeleteBucketContentsRole",
    "DeleteBucketContentsPermission",
    "OutputBucketContents",
)


def template() -> dict[str, Any]:
    """What the stack has for emptying its bucket, with a function that has no time for more than a page."""
    whole = json.loads(templates.render("git_intgrtn_aws_s3_main.yaml"))
    resources = {name: whole["Resources"][name] for name in KEPT}
    resources["DeleteBucketContentsFunction"]["Properties"]["Timeout"] = 30
    resources["OutputBucketContents"]["Properties"]["Purge"] = "true"
    for name in ("OutputBucket", "CacheBucket"):
        resources[name] = {"Type": "AWS::S3::Bucket"}
    resources["DeleteBucketContentsLogs"] = {"Type": "AWS::Logs::LogGroup"}
    names = ("LambdaArchitecture", "LambdaArtifactPrefix", "LambdaArtifactS3Bucket", "LambdaRuntime")
    return {"Parameters": {name: {"Type": "String"} for name in names}, "Resources": resources}


def test_it_goes_on_where_it_stopped(local_aws: Aws, tmp_path: Path) -> None:
    s3, cloudformation = local_aws.client("s3"), local_aws.client("cloudformation")
    target = package.Target("python3.13", "arm64")
    (zipped,) = package.build(tmp_path, target, ["delete_bucket_contents"])
    s3.create_bucket(Bucket="packages-of-large")
    s3.upload_file(str(zipped), "packages-of-large", f"now/{zipped.name}")
    status, why = made(
        local_aws,
        "large-bucket",
        template(),
        LambdaArchitecture=target.architecture,
        LambdaArtifactPrefix="now",
        LambdaArtifactS3Bucket="packages-of-large",
        LambdaRuntime=target.runtime,
    )
    assert (status, why) == ("CREATE_COMPLETE", "")
    found = {
        each["LogicalResourceId"]: each["PhysicalResourceId"]
        for each in cloudformation.describe_stack_resources(StackName="large-bucket")["StackResources"]
    }
    bucket = found["OutputBucket"]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: s3.put_object(Bucket=bucket, Key=f"zips/{n}", Body=b"x"), range(OBJECTS)))

    stack_id = cloudformation.describe_stacks(StackName="large-bucket")["Stacks"][0]["StackId"]
    cloudformation.delete_stack(StackName="large-bucket")

    def gone() -> bool:
        now = cloudformation.describe_stacks(StackName=stack_id)["Stacks"][0]
        assert now["StackStatus"] != "DELETE_FAILED", now["StackStatusReason"]
        return bool(now["StackStatus"] == "DELETE_COMPLETE")

    eventually(gone, 120)
