"""The local AWS: it keeps its state, ends with its owner, and lets nobody do what a policy forbids."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from sandbox.aws import ACCOUNT_ID, REGION, Aws, AwsDidNotStart
from tests.sandbox.conftest import eventually

pytestmark = pytest.mark.sandbox

OWNER = """
import sys, pathlib, sandbox.aws
aws = sandbox.aws.Aws(pathlib.Path(sys.argv[1]))
aws.start()
print(aws.pid, flush=True)
sys.stdin.read()
"""
NEVER_DONE = json.dumps(
    {
        "Resources": {
            "Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
            "Wait": {
                "Type": "AWS::CloudFormation::WaitCondition",
                "Properties": {"Handle": {"Ref": "Handle"}, "Timeout": "3600"},
            },
        }
    }
)
TEMPLATE = json.dumps({"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}})


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z" if Path("/proc").exists() else True


def fill(aws: Aws) -> None:
    """A bucket with two versions of an object, a secret, a table with an item and a stack."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="kept")
    s3.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
    for body in (b"one", b"two"):
        s3.put_object(Bucket="kept", Key="key", Body=body, Metadata={"commit": body.decode()})
    aws.client("secretsmanager").create_secret(Name="kept", SecretString="value")
    dynamodb = aws.client("dynamodb")
    dynamodb.create_table(
        TableName="kept",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.put_item(TableName="kept", Item={"id": {"S": "1"}})
    cloudformation = aws.client("cloudformation")
    cloudformation.create_stack(StackName="kept", TemplateBody=TEMPLATE)
    eventually(lambda: cloudformation.describe_stacks()["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE")


def check(aws: Aws) -> None:
    s3 = aws.client("s3")
    versions = s3.list_object_versions(Bucket="kept")["Versions"]
    assert [each["IsLatest"] for each in versions] == [True, False]
    bodies = [s3.get_object(Bucket="kept", Key="key", VersionId=each["VersionId"])["Body"].read() for each in versions]
    assert bodies == [b"two", b"one"]
    assert s3.head_object(Bucket="kept", Key="key")["Metadata"] == {"commit": "two"}
    assert aws.client("secretsmanager").get_secret_value(SecretId="kept")["SecretString"] == "value"
    assert "Item" in aws.client("dynamodb").get_item(TableName="kept", Key={"id": {"S": "1"}})
    (stack,) = aws.client("cloudformation").describe_stacks()["Stacks"]
    assert (stack["StackName"], stack["StackStatus"]) == ("kept", "CREATE_COMPLETE")
    assert len(aws.client("sqs").list_queues()["QueueUrls"]) == 1


def test_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with Aws(tmp_path) as aws:
        fill(aws)

    with Aws(tmp_path) as aws:
        check(aws)


def test_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    with Aws(tmp_path) as aws:
        fill(aws)
        assert aws.pid
        for service in ("cloudformation", "dynamodb", "s3", "secretsmanager", "sqs"):
            eventually(lambda file=tmp_path / "state" / f"{service}.json": file.exists() and "kept" in file.read_text())
        eventually(lambda: "CREATE_COMPLETE" in (tmp_path / "state" / "cloudformation.json").read_text())
        os.kill(aws.pid, signal.SIGKILL)
        eventually(lambda: aws.pid is None)

        aws.start()

        check(aws)


def test_an_operation_that_a_kill_cut_short_has_failed_and_can_be_deleted(tmp_path: Path) -> None:
    with Aws(tmp_path) as aws:
        aws.client("cloudformation").create_stack(StackName="half", TemplateBody=NEVER_DONE)
        assert aws.pid
        file = tmp_path / "state" / "cloudformation.json"
        eventually(lambda: file.exists() and "CREATE_IN_PROGRESS" in file.read_text())
        os.kill(aws.pid, signal.SIGKILL)
        eventually(lambda: aws.pid is None)

        aws.start()

        cloudformation = aws.client("cloudformation")
        (stack,) = cloudformation.describe_stacks()["Stacks"]
        assert stack["StackStatus"] == "CREATE_FAILED"
        cloudformation.delete_stack(StackName="half")
        by_id = {"StackName": stack["StackId"]}
        eventually(lambda: cloudformation.describe_stacks(**by_id)["Stacks"][0]["StackStatus"] == "DELETE_COMPLETE")


def test_a_restart_keeps_the_port(tmp_path: Path) -> None:
    aws = Aws(tmp_path)
    first = aws.start()
    aws.stop()
    second = aws.start()
    aws.stop()

    assert first == second == f"http://127.0.0.1:{aws.port}"


def test_ends_when_its_owner_is_killed(tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent.parent,
    )
    assert owner.stdout
    pid = int(owner.stdout.readline())
    assert alive(pid)

    owner.kill()
    owner.communicate()

    eventually(lambda: not alive(pid))


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with Aws(tmp_path / "first") as first, pytest.raises(AwsDidNotStart, match="already in use"):
        Aws(tmp_path / "second", first.port).start()


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks into /proc")
def test_listens_on_this_machine_only(tmp_path: Path) -> None:
    with Aws(tmp_path) as aws:
        listening = [
            line.split()[1]
            for line in Path(f"/proc/{aws.pid}/net/tcp").read_text().splitlines()[1:]
            if line.split()[3] == "0A" and line.split()[1].endswith(f":{aws.port:04X}")
        ]

    assert listening == [f"0100007F:{aws.port:04X}"]


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks into /proc")
def test_the_functions_see_nothing_of_this_processs_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "not for functions")
    with Aws(tmp_path) as aws:
        assert b"not for functions" not in Path(f"/proc/{aws.pid}/environ").read_bytes()


def test_refuses_a_wrong_signature(tmp_path: Path) -> None:
    with Aws(tmp_path) as aws:
        stranger = boto3.client(
            "sts",
            endpoint_url=aws.endpoint,
            region_name=REGION,
            aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
            aws_secret_access_key="wrong",
        )
        with pytest.raises(ClientError):
            stranger.get_caller_identity()


def test_a_role_is_assumed_with_its_external_id_and_may_do_what_its_policy_says(tmp_path: Path) -> None:
    with Aws(tmp_path) as aws:
        iam = aws.client("iam")
        user = iam.create_user(UserName="panel")["User"]
        key = iam.create_access_key(UserName="panel")["AccessKey"]
        assume = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": f"arn:aws:iam::{ACCOUNT_ID}:role/sluice"}
        iam.put_user_policy(
            UserName="panel",
            PolicyName="assume",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [assume]}),
        )
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"AWS": user["Arn"]},
                    "Action": "sts:AssumeRole",
                    "Condition": {"StringEquals": {"sts:ExternalId": "right"}},
                }
            ],
        }
        role = iam.create_role(RoleName="sluice", AssumeRolePolicyDocument=json.dumps(trust))["Role"]
        allowed = {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}
        iam.put_role_policy(
            RoleName="sluice",
            PolicyName="list",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}),
        )
        panel = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=REGION)
        sts = panel.client("sts", endpoint_url=aws.endpoint)

        for wrong in ({}, {"ExternalId": "wrong"}):
            with pytest.raises(ClientError, match="AccessDenied"):
                sts.assume_role(RoleArn=role["Arn"], RoleSessionName="test", **wrong)
        session = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="test", ExternalId="right")["Credentials"]
        s3 = boto3.client(
            "s3",
            endpoint_url=aws.endpoint,
            region_name=REGION,
            aws_access_key_id=session["AccessKeyId"],
            aws_secret_access_key=session["SecretAccessKey"],
            aws_session_token=session["SessionToken"],
        )
        assert s3.list_buckets()["Buckets"] == []
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.create_bucket(Bucket="forbidden")
