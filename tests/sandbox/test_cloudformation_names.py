"""Physical names are cut where CloudFormation cuts them."""

import json
from pathlib import Path

import pytest

from sandbox.aws import Aws
from sandbox.cloudformation_names import OF_A_LOAD_BALANCER, physical_name
from sandbox.hooks import HookGone, replace
from tests.sandbox.conftest import eventually


@pytest.mark.parametrize(
    ("stack", "logical_id", "most", "parts"),
    [
        # As Elastic Beanstalk's logs and those of the CDK show them.
        ("awseb-e-ymktk3p9vm-stack", "AWSEBV2LoadBalancer", OF_A_LOAD_BALANCER, "awseb--AWSEB-"),
        ("CdkTestStack", "CustomS3AutoDeleteObjectsCustomResourceProviderRole", 64,
         "CdkTestStack-CustomS3AutoDeleteObjectsCustomResourc-"),
        ("shop", "Role", 64, "shop-Role-"),
        ("a" * 60, "Role", 64, "a" * 46 + "-Role-"),
        ("a" * 60, "L" * 60, 64, "a" * 25 + "-" + "L" * 25 + "-"),
        ("a" * 60, "L" * 60, 63, "a" * 25 + "-" + "L" * 24 + "-"),
        ("--a---b", "Role", 64, "a-b-Role-"),
    ],
)  # fmt: skip
def test_both_parts_are_cut_and_the_suffix_stays(stack: str, logical_id: str, most: int, parts: str) -> None:
    name = physical_name(stack, logical_id, most=most)
    assert name[:-12] == parts
    assert name[-12:].isalnum()
    assert len(name) <= most


def test_a_name_is_the_same_at_each_update_and_another_one_after_a_replacement() -> None:
    assert physical_name("shop", "Role", most=64) == physical_name("shop", "Role", most=64)
    assert physical_name("shop", "Role", most=64) != physical_name("shop", "Role", most=64, seed="second")
    assert physical_name("shop", "Role", most=64)[-12:] != physical_name("shop", "Bucket", most=64)[-12:]


def test_a_hook_that_is_gone_stops_the_local_aws() -> None:
    from ministack.services.cloudformation import provisioners

    with pytest.raises(HookGone, match="_no_such_thing"):
        replace(provisioners, "_no_such_thing", lambda old: old)
    with pytest.raises(HookGone, match="AWS::No::Such"):
        replace({}, "AWS::No::Such", lambda old: old)


@pytest.mark.sandbox
def test_a_policy_on_the_stacks_whole_name_matches_nothing(tmp_path: Path) -> None:
    stack = "sluice-" + "a" * 60 + "-service"
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
    template = {
        "Resources": {
            "TaskExecutionRole": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust}},
            "Queue": {"Type": "AWS::SQS::Queue"},
            "Bucket": {"Type": "AWS::S3::Bucket"},
            "Logs": {"Type": "AWS::Logs::LogGroup"},
            "Cluster": {"Type": "AWS::ECS::Cluster"},
            "Application": {"Type": "AWS::CodeDeploy::Application", "Properties": {"ComputePlatform": "Server"}},
        }
    }
    with Aws(tmp_path) as aws:
        cloudformation = aws.client("cloudformation")
        cloudformation.create_stack(StackName=stack, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_IAM"])
        eventually(
            lambda: cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
        )
        names = {
            each["LogicalResourceId"]: each["PhysicalResourceId"]
            for each in cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
        }

        role = names["TaskExecutionRole"]
        assert len(role) == 64
        assert role.startswith(f"{stack[:33]}-TaskExecutionRole-")
        assert not role.startswith(stack)
        assert names["Queue"].rsplit("/", 1)[-1].startswith(f"{stack[:61]}-Queue-")
        assert names["Bucket"].startswith(f"{stack[:43]}-bucket-")
        assert names["Bucket"] == names["Bucket"].lower()
        assert len(names["Bucket"]) == 63
        assert names["Logs"].startswith(f"{stack}-Logs-")
        assert names["Cluster"].startswith(f"{stack}-Cluster-")
        assert names["Application"].startswith(f"{stack}-Application-"[:75])
        assert len(names["Application"]) <= 100
