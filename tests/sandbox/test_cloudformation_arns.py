"""The ARN and the keys that each permission of each type is checked with."""

import re

import pytest

from deployers import resource_permissions
from deployers.needed_permissions import needed
from sandbox.cloudformation_iam.arns import WITHOUT_RESOURCE, arn_of_object, own, resources
from sandbox.cloudformation_iam.keys import keys
from sandbox.cloudformation_iam.subjects import Subject

ACCOUNT, REGION = "111122223333", "us-east-1"
EVERYTHING = {
    "CredentialsArn": f"arn:aws:iam::{ACCOUNT}:role/r",
    "Role": f"arn:aws:iam::{ACCOUNT}:role/r",
    "RoleARN": f"arn:aws:iam::{ACCOUNT}:role/r",
    "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/r",
    "ServiceRole": f"arn:aws:iam::{ACCOUNT}:role/r",
    "ServiceRoleArn": f"arn:aws:iam::{ACCOUNT}:role/r",
    "TaskRoleArn": f"arn:aws:iam::{ACCOUNT}:role/r",
    "TopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:topic",
    "Topics": [f"arn:aws:sns:{REGION}:{ACCOUNT}:topic"],
    "Tags": [{"Key": "team", "Value": "shop"}],
}


def subject(kind: str, operation: str = "create", physical_id: str = "", **properties: object) -> Subject:
    return Subject(kind, operation, "Thing", properties, "stack", physical_id, {}, REGION, ACCOUNT)


@pytest.mark.parametrize("kind", sorted(resource_permissions.kinds()))
@pytest.mark.parametrize("operation", ["create", "update", "delete"])
def test_every_permission_of_every_type_has_an_arn_of_its_service(kind: str, operation: str) -> None:
    made = subject(kind, operation, "" if operation == "create" else "name", **EVERYTHING)
    for permission in needed(kind, operation, made.own_properties()):
        found = resources(permission, made)

        if permission not in WITHOUT_RESOURCE and permission not in ("iam:PassRole", "iam:GetRole"):
            assert found, permission
        for arn in found:
            assert arn == "*" or re.fullmatch(r"arn:aws:[a-z0-9-]+:([a-z0-9-]*):(\d{12})?:\S+", arn), permission
            assert "{" not in arn


@pytest.mark.parametrize(
    ("kind", "properties", "arn"),
    [
        ("AWS::IAM::Role", {"RoleName": "r", "Path": "/app/"}, f"arn:aws:iam::{ACCOUNT}:role/app/r"),
        ("AWS::S3::Bucket", {"BucketName": "b"}, "arn:aws:s3:::b"),
        ("AWS::ECS::Service", {"Cluster": "c", "ServiceName": "s"}, f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/c/s"),
        ("AWS::SSM::Parameter", {"Name": "/a/b"}, f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/a/b"),
    ],
)
def test_a_named_resource_has_its_arn(kind: str, properties: dict[str, object], arn: str) -> None:
    assert own(subject(kind, **properties)) == arn


def test_a_nameless_resource_has_the_name_that_it_will_get() -> None:
    assert re.fullmatch(rf"arn:aws:iam::{ACCOUNT}:role/stack-Thing-\w+", own(subject("AWS::IAM::Role")))
    assert re.fullmatch(r"arn:aws:s3:::stack-thing-\w+", own(subject("AWS::S3::Bucket")))


@pytest.mark.parametrize("operation", ["create", "update", "delete"])
def test_a_scaling_policy_is_checked_on_its_group(operation: str) -> None:
    group = f"arn:aws:autoscaling:{REGION}:{ACCOUNT}:autoScalingGroup:0123456789abcdef:autoScalingGroupName/g"
    policy = f"arn:aws:autoscaling:{REGION}:{ACCOUNT}:scalingPolicy:0123:autoScalingGroupName/g:policyName/p"
    there = "" if operation == "create" else policy
    made = subject("AWS::AutoScaling::ScalingPolicy", operation, there, AutoScalingGroupName="g")

    found = {arn for each in needed(made.kind, operation, {}) for arn in resources(each, made)}

    assert found == {group, "*"}


@pytest.mark.parametrize(
    "url",
    [
        "https://s3.amazonaws.com/b/x/y.json",
        "https://b.s3.us-east-1.amazonaws.com/x/y.json",
        "http://127.0.0.1:1/b/x/y.json",
    ],
)
def test_a_url_of_s3_names_an_object(url: str) -> None:
    assert arn_of_object(url) == "arn:aws:s3:::b/x/y.json"


def test_tags_are_the_requests_where_it_makes_and_the_resources_where_it_is_there() -> None:
    tags = {"Tags": [{"Key": "Team", "Value": "shop"}]}
    kind = "AWS::SQS::Queue"
    [making] = keys("sqs:CreateQueue", subject(kind, **tags), for_a_person=True)
    [reading] = keys("sqs:GetQueueAttributes", subject(kind, **tags), for_a_person=True)
    [deleting] = keys("sqs:DeleteQueue", subject(kind, "delete", "q", **tags), for_a_person=False)

    assert (making["aws:requesttag/team"], "aws:resourcetag/team" in making) == ("shop", False)
    assert (reading["aws:resourcetag/team"], "aws:requesttag/team" in reading) == ("shop", False)
    assert deleting["aws:resourcetag/team"] == "shop"
    assert (making["aws:viaawsservice"], deleting["aws:viaawsservice"]) == ("true", "false")


def test_each_managed_policy_is_a_call_of_its_own() -> None:
    role = subject("AWS::IAM::Role", ManagedPolicyArns=["one", "two"], PermissionsBoundary="boundary")

    found = keys("iam:AttachRolePolicy", role, for_a_person=True)

    assert [each["iam:policyarn"] for each in found] == ["one", "two"]
    assert {each["iam:permissionsboundary"] for each in found} == {"boundary"}
