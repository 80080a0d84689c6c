"""A fresh account has no service-linked roles: the first use of a service needs the right to make its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.aws import ACCOUNT_ID, Aws
from tests.sandbox.stacks import HERE, Account, allow, made, template

pytestmark = pytest.mark.sandbox

OF_ECS = "AWSServiceRoleForECS"
OF_ELB = "AWSServiceRoleForElasticLoadBalancing"
GROUP = template(Group=("AWS::ElasticLoadBalancingV2::TargetGroup", {"Port": 80, "Protocol": "HTTP"}))
MAKING_GROUPS = allow("elasticloadbalancing:*", "ec2:Describe*")


def linked(service: str, name: str) -> dict[str, Any]:
    """The right to make the role of one service."""
    arn = f"arn:aws:iam::{ACCOUNT_ID}:role/aws-service-role/{service}/{name}"
    return allow("iam:CreateServiceLinkedRole", on=arn, StringEquals={"iam:AWSServiceName": service})


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    """A fresh one for each test."""
    with Aws(tmp_path) as aws:
        yield Account(aws)


def roles(account: Account) -> set[str]:
    return {each["RoleName"] for each in account.iam.list_roles()["Roles"]}


def test_the_first_load_balancing_needs_the_right_to_make_its_role(account: Account) -> None:
    cloudformation = account.cloudformation()
    role = account.role(MAKING_GROUPS)
    elb = "elasticloadbalancing.amazonaws.com"

    said = made(cloudformation, GROUP, RoleARN=role)[2]["Group"]
    assert (
        f"perform: iam:CreateServiceLinkedRole on resource: arn:aws:iam::{ACCOUNT_ID}:role/aws-service-role/{elb}"
        in said
    )
    assert OF_ELB not in roles(account)
    wrong = account.role(MAKING_GROUPS, linked("ecs.amazonaws.com", OF_ECS))
    assert made(cloudformation, GROUP, RoleARN=wrong)[1] == "ROLLBACK_COMPLETE"

    right = account.role(MAKING_GROUPS, linked(elb, OF_ELB))
    assert made(cloudformation, GROUP, RoleARN=right)[1] == "CREATE_COMPLETE"
    assert OF_ELB in roles(account)
    # From then on nobody needs it.
    assert made(cloudformation, GROUP, RoleARN=role)[1] == "CREATE_COMPLETE"


def test_auto_scaling_makes_its_role_with_the_first_group(account: Account) -> None:
    ec2 = account.aws.client("ec2")
    launch = ec2.create_launch_template(LaunchTemplateName="t", LaunchTemplateData={"ImageId": "ami-1"})
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    group = template(
        Group=(
            "AWS::AutoScaling::AutoScalingGroup",
            {
                "MinSize": "0",
                "MaxSize": "1",
                "VPCZoneIdentifier": [subnet],
                "LaunchTemplate": {"LaunchTemplateId": launch["LaunchTemplate"]["LaunchTemplateId"], "Version": "1"},
            },
        )
    )
    role = account.role(allow("autoscaling:*", "ec2:*"))

    assert "AWSServiceRoleForAutoScaling" in made(account.cloudformation(), group, RoleARN=role)[2]["Group"]
    assert made(account.cloudformation(), group)[1] == "CREATE_COMPLETE"
    assert "AWSServiceRoleForAutoScaling" in roles(account)


def test_a_role_is_made_once(account: Account) -> None:
    made_role = account.iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com")["Role"]
    assert made_role["RoleName"] == OF_ECS
    assert made_role["Path"] == "/aws-service-role/ecs.amazonaws.com/"

    with pytest.raises(ClientError, match=f"Service role name {OF_ECS} has been taken in this account") as refused:
        account.iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com")
    assert refused.value.response["Error"]["Code"] == "InvalidInput"


def test_a_person_may_make_the_role_of_the_service_that_a_policy_names(account: Account) -> None:
    person = account.user(linked("ecs.amazonaws.com", OF_ECS)).client("iam", endpoint_url=account.aws.endpoint)

    assert person.create_service_linked_role(AWSServiceName="ecs.amazonaws.com")["Role"]["RoleName"] == OF_ECS
    with pytest.raises(ClientError, match="AccessDenied"):
        person.create_service_linked_role(AWSServiceName="autoscaling.amazonaws.com")


ECS = allow("ecs:*", "autoscaling:CreateOrUpdateTags")
CLUSTER = ("AWS::ECS::Cluster", {})
ON_FARGATE = ("AWS::ECS::Cluster", {"CapacityProviders": ["FARGATE"]})
NOT_ASSUMED = "Unable to assume the service linked role. Please verify that the ECS service linked role exists."


def with_providers() -> str:
    """A cluster that gets Fargate's providers after it is there."""
    providers = {"Cluster": {"Ref": "Cluster"}, "CapacityProviders": ["FARGATE"], "DefaultCapacityProviderStrategy": []}
    return template(Cluster=CLUSTER, Providers=("AWS::ECS::ClusterCapacityProviderAssociations", providers))


@pytest.mark.parametrize("cluster", [template(Cluster=ON_FARGATE), with_providers()])
def test_the_first_cluster_on_fargate_fails_once(account: Account, cluster: str) -> None:
    cloudformation = account.cloudformation()

    _, status, failed = made(cloudformation, cluster)

    assert status == "ROLLBACK_COMPLETE"
    [said] = failed.values()
    assert NOT_ASSUMED in said
    assert OF_ECS in roles(account)
    assert made(cloudformation, cluster)[1] == "CREATE_COMPLETE"


def test_a_role_made_before_the_first_cluster_spares_it(account: Account) -> None:
    account.iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com")

    assert made(account.cloudformation(), with_providers())[1] == "CREATE_COMPLETE"


def test_who_may_not_make_the_role_never_gets_a_cluster_on_fargate(account: Account) -> None:
    role = account.role(ECS)
    for _ in range(2):
        said = made(account.cloudformation(), template(Cluster=ON_FARGATE), RoleARN=role)[2]["Cluster"]
        assert said.startswith("Invalid request provided: CreateCluster Invalid Request: " + NOT_ASSUMED)


def test_without_the_role_ecs_has_no_capacity_providers(account: Account) -> None:
    group = f"arn:aws:autoscaling:{HERE}:autoScalingGroup:1:autoScalingGroupName/group"
    provider = template(
        Provider=("AWS::ECS::CapacityProvider", {"AutoScalingGroupProvider": {"AutoScalingGroupArn": group}})
    )
    role = account.role(ECS)

    # A cluster alone is made: the role is then not.
    assert made(account.cloudformation(), template(Cluster=CLUSTER), RoleARN=role)[1] == "CREATE_COMPLETE"
    said = made(account.cloudformation(), provider, RoleARN=role)[2]["Provider"]
    assert "ECS Service Linked Role does not exist. Please create a Service linked role for ECS and try again." in said
    account.iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com")
    assert made(account.cloudformation(), provider, RoleARN=role)[1] == "CREATE_COMPLETE"
