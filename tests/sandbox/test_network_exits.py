"""Instances and tasks that reach nobody never come up."""

from typing import Any

import pytest

from sandbox.aws import Aws
from tests.sandbox.conftest import made

pytestmark = pytest.mark.sandbox

GROUP = {
    "Parameters": {
        "Subnets": {"Type": "CommaDelimitedList"},
        "Size": {"Type": "String", "Default": "2"},
        "Kind": {"Type": "String", "Default": "t3.micro"},
    },
    "Resources": {
        "Template": {
            "Type": "AWS::EC2::LaunchTemplate",
            "Properties": {"LaunchTemplateData": {"ImageId": "ami-12345678", "InstanceType": {"Ref": "Kind"}}},
        },
        "Group": {
            "Type": "AWS::AutoScaling::AutoScalingGroup",
            "CreationPolicy": {"ResourceSignal": {"Count": {"Ref": "Size"}, "Timeout": "PT15M"}},
            "Properties": {
                "VPCZoneIdentifier": {"Ref": "Subnets"},
                "MinSize": {"Ref": "Size"},
                "MaxSize": {"Ref": "Size"},
                "DesiredCapacity": {"Ref": "Size"},
                "LaunchTemplate": {
                    "LaunchTemplateId": {"Ref": "Template"},
                    "Version": {"Fn::GetAtt": ["Template", "LatestVersionNumber"]},
                },
            },
        },
    },
}


class Network:
    """A network of one's own, with a subnet of each kind."""

    def __init__(self, ec2: Any) -> None:
        self.ec2 = ec2
        self.vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
        self.gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=self.gateway, VpcId=self.vpc)
        self._taken = 0

    def subnet(self, *, public: bool = False, **route: str) -> str:
        self._taken += 1
        made: str = self.ec2.create_subnet(
            VpcId=self.vpc, CidrBlock=f"10.9.{self._taken}.0/24", AvailabilityZone="us-east-1a"
        )["Subnet"]["SubnetId"]
        if public:
            self.ec2.modify_subnet_attribute(SubnetId=made, MapPublicIpOnLaunch={"Value": True})
        if route:
            table = self.ec2.create_route_table(VpcId=self.vpc)["RouteTable"]["RouteTableId"]
            self.ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", **route)
            self.ec2.associate_route_table(RouteTableId=table, SubnetId=made)
        return made


@pytest.fixture(scope="module")
def network(local_aws: Aws) -> dict[str, str]:
    """Subnets by what leads out of them."""
    ec2 = local_aws.client("ec2")
    mine = Network(ec2)
    public = mine.subnet(public=True, GatewayId=mine.gateway)
    nat = ec2.create_nat_gateway(SubnetId=public, ConnectivityType="public")["NatGateway"]["NatGatewayId"]
    default = ec2.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"][0]
    return {
        "default": default["SubnetId"],
        "public": public,
        "nat": mine.subnet(NatGatewayId=nat),
        "no address": mine.subnet(GatewayId=mine.gateway),
        "no route": mine.subnet(public=True),
    }


@pytest.mark.parametrize(
    ("subnets", "signals"),
    [
        (("default",), None),
        (("public", "nat"), None),
        (("no address",), 0),
        (("no route",), 0),
        (("public", "no route"), 1),
    ],
)
def test_a_fleet_that_waits_for_signals(
    local_aws: Aws, network: dict[str, str], subnets: tuple[str, ...], signals: int | None
) -> None:
    name = f"fleet-{'-'.join(subnets)}".replace(" ", "")
    status, why = made(local_aws, name, GROUP, Subnets=",".join(network[each] for each in subnets))
    if signals is None:
        assert (status, why) == ("CREATE_COMPLETE", "")
    else:
        assert status == "ROLLBACK_COMPLETE"
        assert why == (
            f"Received {signals} SUCCESS signal(s) out of 2.  "
            "Unable to satisfy 100% MinSuccessfulInstancesPercent requirement"
        )


def test_the_default_network_leads_to_the_internet(local_aws: Aws) -> None:
    tables = local_aws.client("ec2").describe_route_tables(Filters=[{"Name": "association.main", "Values": ["true"]}])
    routes = [each for table in tables["RouteTables"] for each in table["Routes"]]
    assert [each["GatewayId"][:4] for each in routes if each["DestinationCidrBlock"] == "0.0.0.0/0"] == ["igw-"]


def test_a_fleet_of_nothing_waits_for_nothing(local_aws: Aws, network: dict[str, str]) -> None:
    assert made(local_aws, "fleet-of-none", GROUP, Subnets=network["no route"], Size="0")[0] == "CREATE_COMPLETE"


def test_a_type_that_the_region_lacks(local_aws: Aws, network: dict[str, str]) -> None:
    status, why = made(local_aws, "fleet-kind", GROUP, Subnets=network["public"], Kind="u-24tb1.metal")
    assert status == "ROLLBACK_COMPLETE"
    assert "Invalid value 'u-24tb1.metal' for InstanceType" in why


def service(subnet: str, public: str, count: int = 1) -> dict[str, Any]:
    containers = [{"Name": "app", "Image": "public.ecr.aws/nginx/nginx:stable"}]
    return {
        "Resources": {
            "Cluster": {"Type": "AWS::ECS::Cluster"},
            "Task": {
                "Type": "AWS::ECS::TaskDefinition",
                "Properties": {
                    "ContainerDefinitions": containers,
                    "RequiresCompatibilities": ["FARGATE"],
                    "NetworkMode": "awsvpc",
                    "Cpu": "256",
                    "Memory": "512",
                },
            },
            "Service": {
                "Type": "AWS::ECS::Service",
                "Properties": {
                    "Cluster": {"Ref": "Cluster"},
                    "TaskDefinition": {"Ref": "Task"},
                    "LaunchType": "FARGATE",
                    "DesiredCount": count,
                    "NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": [subnet], "AssignPublicIp": public}},
                },
            },
        }
    }


@pytest.mark.parametrize(
    ("subnet", "public", "runs"),
    [
        ("public", "ENABLED", True),
        ("no address", "ENABLED", True),
        ("public", "DISABLED", False),
        ("nat", "DISABLED", True),
        ("no route", "ENABLED", False),
    ],
)
def test_a_task_on_fargate_pulls_its_image(
    local_aws: Aws, network: dict[str, str], subnet: str, public: str, runs: bool
) -> None:
    name = f"tasks-{subnet}-{public}".replace(" ", "").lower()
    status, why = made(local_aws, name, service(network[subnet], public))
    if runs:
        assert (status, why) == ("CREATE_COMPLETE", "")
        return
    assert status == "ROLLBACK_COMPLETE"
    assert "ECS Deployment Circuit Breaker was triggered" in why


def test_a_service_of_nothing_pulls_nothing(local_aws: Aws, network: dict[str, str]) -> None:
    assert made(local_aws, "tasks-none", service(network["no route"], "ENABLED", 0))[0] == "CREATE_COMPLETE"
