"""Some services look at other services' permissions of their caller."""

from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.aws import Aws
from tests.sandbox.stacks import Account, allow, made, template

pytestmark = pytest.mark.sandbox

SERVICES = (
    "ecs.amazonaws.com",
    "ecs.application-autoscaling.amazonaws.com",
    "elasticloadbalancing.amazonaws.com",
)
ALARMS = ("cloudwatch:DescribeAlarms", "cloudwatch:PutMetricAlarm", "cloudwatch:DeleteAlarms")
NETWORK = (
    "ec2:DescribeAccountAttributes",
    "ec2:DescribeAddresses",
    "ec2:DescribeInternetGateways",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
)
TARGET = {
    "ServiceNamespace": "ecs",
    "ScalableDimension": "ecs:service:DesiredCount",
    "ResourceId": "service/cluster/web",
    "MinCapacity": 1,
    "MaxCapacity": 2,
}
POLICY = {
    "PolicyName": "cpu",
    "PolicyType": "TargetTrackingScaling",
    "ScalingTargetId": "service/cluster/web|ecs:service:DesiredCount|ecs",
    "TargetTrackingScalingPolicyConfiguration": {
        "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"},
        "TargetValue": 60,
    },
}


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with Aws(tmp_path_factory.mktemp("aws")) as aws:
        made_account = Account(aws)
        for service in SERVICES:
            made_account.iam.create_service_linked_role(AWSServiceName=service)
        yield made_account


def balancer(account: Account) -> str:
    subnets = account.aws.client("ec2").describe_subnets()["Subnets"]
    zones = {each["AvailabilityZone"]: each["SubnetId"] for each in subnets}
    return template(Balancer=("AWS::ElasticLoadBalancingV2::LoadBalancer", {"Subnets": list(zones.values())[:2]}))


@pytest.mark.parametrize("lacking", NETWORK)
def test_a_load_balancer_needs_its_makers_view_of_the_network(account: Account, lacking: str) -> None:
    role = account.role(allow("elasticloadbalancing:*"), allow(*(each for each in NETWORK if each != lacking)))

    _, status, failed = made(account.cloudformation(), balancer(account), RoleARN=role)

    assert status == "ROLLBACK_COMPLETE"
    assert f"is not authorized to perform: {lacking} on resource: *" in failed["Balancer"]


def test_a_load_balancer_is_made_with_all_of_it(account: Account) -> None:
    role = account.role(allow("elasticloadbalancing:*"), allow(*NETWORK))

    assert made(account.cloudformation(), balancer(account), RoleARN=role)[1] == "CREATE_COMPLETE"


@pytest.mark.parametrize("lacking", [*ALARMS, "ecs:DescribeServices", "ecs:UpdateService"])
def test_scaling_needs_its_callers_rights_to_alarms_and_service(account: Account, lacking: str) -> None:
    rights = (*ALARMS, "ecs:DescribeServices", "ecs:UpdateService")
    role = account.role(allow("application-autoscaling:*"), allow(*(each for each in rights if each != lacking)))
    target = template(Target=("AWS::ApplicationAutoScaling::ScalableTarget", TARGET))

    failed: dict[str, Any] = made(account.cloudformation(), target, RoleARN=role)[2]

    assert f"is not authorized to perform: {lacking} on resource: " in failed["Target"]
    whole = account.role(allow("application-autoscaling:*"), allow(*rights))
    assert made(account.cloudformation(), target, RoleARN=whole)[1] == "CREATE_COMPLETE"


@pytest.mark.parametrize("lacking", ALARMS)
def test_a_scaling_policy_needs_its_callers_rights_to_alarms(account: Account, lacking: str) -> None:
    role = account.role(allow("application-autoscaling:*"), allow(*(each for each in ALARMS if each != lacking)))
    policy = template(Cpu=("AWS::ApplicationAutoScaling::ScalingPolicy", POLICY))

    failed: dict[str, Any] = made(account.cloudformation(), policy, RoleARN=role)[2]

    assert f"is not authorized to perform: {lacking} on resource: " in failed["Cpu"]
