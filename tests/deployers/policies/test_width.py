"""What IAM policies allow too widely."""

from typing import Any

import pytest

from deployers.policies import width


def role(**statement: Any) -> dict[str, Any]:
    """A template with one role that allows this."""
    document = {
        "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/k", **statement}]
    }
    properties = {"Policies": [{"PolicyName": "P", "PolicyDocument": document}]}
    return {"Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": properties}}}


def trust(**statement: Any) -> dict[str, Any]:
    """A template with one role that may be taken so."""
    document = {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", **statement}]}
    return {"Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": document}}}}


def permission(**properties: Any) -> dict[str, Any]:
    return {"Resources": {"Permission": {"Type": "AWS::Lambda::Permission", "Properties": properties}}}


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        (role(Action="*"), "* is a wildcard"),
        (role(Action=["s3:GetObject", "s3:*"]), "s3:* is a wildcard"),
        (role(Action="s3:Get?bject"), "is a wildcard"),
        (role(Resource="*"), "s3:GetObject is allowed for every resource"),
        (role(Resource=["arn:aws:s3:::b", "*"]), "s3:GetObject is allowed for every resource"),
        (role(NotAction="s3:PutObject"), "NotAction"),
        (role(NotResource="arn:aws:s3:::b"), "NotResource"),
        (trust(Principal="*"), "everybody"),
        (trust(Principal={"AWS": "*"}), "everybody"),
        (trust(Principal={"Service": "codedeploy.amazonaws.com"}), "may act for other accounts"),
        (
            trust(
                Principal={"Service": "cloudformation.amazonaws.com"},
                Condition={"StringEquals": {"aws:SourceAccount": "111122223333"}},
            ),
            "names no source here",
        ),
        (permission(Principal="events.amazonaws.com"), "lacks SourceAccount and SourceArn"),
        (permission(Principal="s3.amazonaws.com", SourceArn="arn:aws:s3:::b"), "lacks SourceAccount"),
    ],
)
def test_what_is_too_wide_is_found(template: dict[str, Any], fault: str) -> None:
    (found,) = width.faults("t.yaml", template)
    assert fault in found
    assert found.startswith("t.yaml ")


@pytest.mark.parametrize(
    "template",
    [
        role(),
        role(Action="ec2:DescribeInstances", Resource="*"),
        role(Effect="Deny", Action="s3:*", Resource="*"),
        trust(Principal={"Service": "lambda.amazonaws.com"}),
        trust(Principal={"Service": "cloudformation.amazonaws.com"}),
        trust(
            Principal={"Service": "codedeploy.amazonaws.com"},
            Condition={"StringEquals": {"aws:SourceAccount": "111122223333"}},
        ),
        permission(Principal="events.amazonaws.com", SourceArn="arn:aws:events:eu-central-1:111122223333:rule/r"),
    ],
)
def test_what_is_narrow_enough_passes(template: dict[str, Any]) -> None:
    assert width.faults("t.yaml", template) == []


def test_a_statement_under_a_condition_of_the_template_counts() -> None:
    template = role()
    document = template["Resources"]["Role"]["Properties"]["Policies"][0]["PolicyDocument"]
    document["Statement"] = [{"Fn::If": ["Has", {"Effect": "Allow", "Action": "s3:*"}, {"Ref": "AWS::NoValue"}]}]
    assert width.faults("t.yaml", template) == ["t.yaml Role: s3:* is a wildcard: list the actions"]


def test_a_function_is_called_by_a_role_of_its_own_stack_and_by_no_other_without_a_source() -> None:
    template = permission(Action="lambda:InvokeFunction", Principal={"Fn::GetAtt": ["Own", "Arn"]})
    assert width.faults("t.yaml", template)
    template["Resources"]["Own"] = {"Type": "AWS::SNS::Topic", "Properties": {}}
    assert width.faults("t.yaml", template)
    template["Resources"]["Own"] = {"Type": "AWS::IAM::Role", "Properties": {}}
    assert width.faults("t.yaml", template) == []
