"""A role that CloudFormation makes resources with has what their handlers need."""

from typing import Any

import pytest

from deployers import templates
from deployers.policies import makers, names
from deployers.policies.makers import Maker

MAKER = Maker("roles.yaml", ("Role",), ("made.yaml",))
LOGS = {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": 1}}
TASKS = {
    "Type": "AWS::IAM::Role",
    "Properties": {
        "AssumeRolePolicyDocument": {
            "Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}}]
        }
    },
}


def role(*actions: str, passed_to: str = "") -> dict[str, Any]:
    statements: list[dict[str, Any]] = [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]
    if passed_to:
        condition = {"StringEquals": {"iam:PassedToService": passed_to}}
        statements.append({"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*", "Condition": condition})
    document = {"Statement": statements}
    return {
        "Resources": {
            "Role": {"Type": "AWS::IAM::Role", "Properties": {"Policies": [{"PolicyDocument": document}]}},
        }
    }


def made(**resources: Any) -> dict[str, dict[str, Any]]:
    return {"made.yaml": {"Resources": resources}}


def lacks(found: list[str]) -> set[str]:
    return {line.split(" lacks ")[1].split(" for ")[0] for line in found if " lacks " in line}


def test_what_a_handler_needs_and_the_role_lacks_is_named_with_its_resource() -> None:
    found = makers.missing(MAKER, role("logs:CreateLogGroup"), made(Logs=LOGS))
    assert "roles.yaml Role: lacks logs:DeleteLogGroup for Logs of made.yaml" in found
    assert {"logs:PutRetentionPolicy", "logs:TagResource"} <= lacks(found)


def test_what_the_properties_do_not_need_is_not_asked_for() -> None:
    assert not {"logs:PutIndexPolicy", "logs:AssociateKmsKey"} & lacks(makers.missing(MAKER, role(), made(Logs=LOGS)))


def test_a_role_that_is_made_has_to_be_passed_to_the_service_that_takes_it() -> None:
    fault = "roles.yaml Role: may not pass Tasks of made.yaml to ecs-tasks.amazonaws.com"
    assert fault in makers.missing(MAKER, role(passed_to="lambda.amazonaws.com"), made(Tasks=TASKS))
    assert fault not in makers.missing(MAKER, role(passed_to="ecs-tasks.amazonaws.com"), made(Tasks=TASKS))


def test_properties_on_both_branches_of_a_condition_count() -> None:
    listener = {
        "Type": "AWS::ElasticLoadBalancingV2::Listener",
        "Properties": {
            "DefaultActions": [
                {"Fn::If": ["Has", {"Type": "forward"}, {"Type": "a", "AuthenticateCognitoConfig": {"UserPoolArn": 1}}]}
            ]
        },
    }
    assert "cognito-idp:DescribeUserPoolClient" in lacks(makers.missing(MAKER, role(), made(Listener=listener)))
    listener["Properties"]["DefaultActions"][0]["Fn::If"][2] = {"Ref": "AWS::NoValue"}
    assert "cognito-idp:DescribeUserPoolClient" not in lacks(makers.missing(MAKER, role(), made(Listener=listener)))


@pytest.mark.parametrize("maker", makers.MAKERS, ids=lambda maker: maker.source)
def test_no_role_that_makes_resources_lacks_anything(maker: Maker) -> None:
    assert makers.faults(maker) == []


def test_the_role_of_a_pipeline_may_scale_its_service() -> None:
    """Without these the first deployment of every account failed."""
    maker = makers.MAKERS[0]
    own = templates.load(maker.source)
    policies = [
        each for each in own["Resources"]["ServiceRole"]["Properties"]["Policies"] if each["PolicyName"] != "Scaling"
    ]
    without = {"Resources": {"ServiceRole": {"Properties": {"Policies": policies}}}}
    service = {name: templates.load(name) for name in maker.makes}
    assert {"cloudwatch:PutMetricAlarm", "application-autoscaling:RegisterScalableTarget"} <= lacks(
        makers.missing(maker, without, service)
    )


@pytest.mark.parametrize(
    ("resource", "cut"),
    [
        ("arn:${AWS::Partition}:iam::${AWS::AccountId}:role/${ServiceStackName}-*", True),
        ("arn:${AWS::Partition}:iam::${AWS::AccountId}:role/${ServiceStackName}/*", False),
        ("arn:aws:lambda:r:a:function:${AWS::StackName}-*", True),
        ("arn:aws:elasticloadbalancing:r:a:targetgroup/${AWS::StackName}-*", True),
        ("arn:aws:logs:r:a:log-group:${ServiceStackName}-*", False),
        ("arn:aws:ecs:r:a:service/*/${ServiceStackName}-*", False),
    ],
)
def test_a_policy_on_a_name_that_cloudformation_cuts_is_found(resource: str, *, cut: bool) -> None:
    statement = {"Effect": "Allow", "Action": "iam:GetRole", "Resource": [{"Fn::Sub": resource}]}
    template = {"Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": {"Policies": [statement]}}}}
    assert bool(names.faults("t.yaml", template)) is cut
