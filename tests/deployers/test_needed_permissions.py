"""Which permissions a resource needs: what its properties ask for, and what the services add."""

from typing import Any

import pytest

from deployers import resource_permissions, templates
from deployers.needed_permissions import needed
from deployers.unneeded_permissions import UNNEEDED

RESOURCES = [
    pytest.param(resource, id=f"{source}-{name}")
    for source in templates.sources()
    for name, resource in templates.load(source)["Resources"].items()
]


@pytest.mark.parametrize("resource", RESOURCES)
def test_every_resource_of_the_templates_needs_something_to_be_made_and_deleted(resource: dict[str, Any]) -> None:
    for operation in ("create", "delete"):
        found = needed(resource["Type"], operation, resource.get("Properties", {}), tagged=True)

        assert found
        assert not any("*" in each for each in found)


@pytest.mark.parametrize("row", UNNEEDED, ids=lambda row: f"{row.kind} {row.permissions}")
def test_each_row_takes_something_away_from_a_type_of_the_table(row: Any) -> None:
    assert row.reason
    taken = {
        name
        for kind in resource_permissions.kinds()
        for operation in resource_permissions.OPERATIONS
        for name in resource_permissions.permissions(kind, operation)
        if row.takes(name)
    }

    for pattern in row.permissions.split():
        assert any(row.takes(name) for name in taken), pattern


def test_without_tags_nothing_is_tagged() -> None:
    kind = "AWS::Logs::LogGroup"

    assert "logs:TagResource" not in needed(kind, "create", {})
    assert "logs:TagResource" in needed(kind, "create", {}, tagged=True)
    assert "logs:TagResource" in needed(kind, "create", {"Tags": [{"Key": "a", "Value": "b"}]})


@pytest.mark.parametrize(
    ("properties", "passes"),
    [
        ({}, False),
        ({"Targets": [{"Arn": "a"}]}, False),
        ({"Targets": [{"Arn": "a"}, {"Arn": "b", "RoleArn": "c"}]}, True),
        ({"Targets": {"Ref": "Targets"}}, True),
        ({"RoleArn": {"Fn::GetAtt": ["Role", "Arn"]}}, True),
        ({"RoleArn": {"Ref": "AWS::NoValue"}}, False),
        ({"RoleArn": {"Fn::If": ["Has", {"Ref": "Role"}, {"Ref": "AWS::NoValue"}]}}, True),
    ],
)
def test_a_role_is_passed_where_one_may_be_named(properties: dict[str, Any], passes: bool) -> None:
    assert ("iam:PassRole" in needed("AWS::Events::Rule", "create", properties)) == passes


def test_a_value_counts_where_a_row_names_one() -> None:
    kind = "AWS::ApplicationAutoScaling::ScalableTarget"

    assert "lambda:PutProvisionedConcurrencyConfig" in needed(kind, "create", {"ServiceNamespace": "lambda"})
    assert "lambda:PutProvisionedConcurrencyConfig" not in needed(kind, "create", {"ServiceNamespace": "ecs"})
    assert "ecs:UpdateService" in needed(kind, "create", {"ServiceNamespace": "ecs"})


def test_what_services_ask_the_caller_for_is_added() -> None:
    balancer = needed("AWS::ElasticLoadBalancingV2::LoadBalancer", "create", {})
    policy = needed("AWS::ApplicationAutoScaling::ScalingPolicy", "create", {})

    assert {"ec2:DescribeAccountAttributes", "ec2:DescribeAddresses", "ec2:DescribeInternetGateways"} <= balancer
    assert {"cloudwatch:DescribeAlarms", "cloudwatch:PutMetricAlarm", "cloudwatch:DeleteAlarms"} <= policy


def test_a_stage_that_logs_needs_the_delivery_of_logs() -> None:
    kind = "AWS::ApiGatewayV2::Stage"

    assert "logs:CreateLogDelivery" in needed(kind, "create", {"AccessLogSettings": {"DestinationArn": "arn"}})
    assert not any(each.startswith("logs:") for each in needed(kind, "create", {"StageName": "$default"}))


def test_making_a_resource_reads_it_and_deleting_it_does_not() -> None:
    kind = "AWS::ElasticLoadBalancingV2::LoadBalancer"

    assert "elasticloadbalancing:DescribeLoadBalancerAttributes" in needed(kind, "create", {})
    assert "elasticloadbalancing:DescribeLoadBalancerAttributes" not in needed(kind, "delete", {})


def test_a_custom_resource_needs_its_function() -> None:
    assert needed("Custom::SSHKey", "update", {"ServiceToken": "arn"}) == {"lambda:InvokeFunction"}
    assert needed("AWS::CloudFormation::CustomResource", "create", {}) == {"lambda:InvokeFunction"}


def test_a_type_outside_the_table_is_an_error() -> None:
    with pytest.raises(KeyError):
        needed("AWS::EC2::Instance", "create", {})
