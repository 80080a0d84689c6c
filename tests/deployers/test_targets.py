"""What an account offers a deployer's stack, and which parameters are refused before CloudFormation sees them."""

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from deployers.aws import ec2, session
from deployers.models import AwsAccount
from deployers.services import accounts, choices, targets
from tests.factories import make_account
from tests.networks import lead_out

pytestmark = pytest.mark.django_db
REGION = "eu-west-1"


@pytest.fixture
def account(moto: None) -> AwsAccount:
    return make_account()


@pytest.fixture
def good(account: AwsAccount) -> dict[str, str]:
    """Parameters that fit: the default VPC, two zones, with the way out that AWS gives it and moto does not."""
    lead_out(boto3.client("ec2", region_name=REGION))
    there = choices.of(account, REGION)
    assert there.vpcs
    assert there.subnets
    vpc = there.vpcs[0].id
    by_zone = {each.zone: each.id for each in there.subnets if each.vpc == vpc}
    return {"VPC": vpc, "Subnets": ",".join(list(by_zone.values())[:2]), "HealthCheckPort": "8080"}


def found(account: AwsAccount, parameters: dict[str, Any], kind: str = "codedeploy") -> dict[str, str]:
    problems = targets.problems(kind=kind, parameters=parameters, account=account, region=REGION)
    assert len({each.parameter for each in problems}) == len(problems)
    return {each.parameter: each.message for each in problems}


def test_what_fits_is_taken(account: AwsAccount, good: dict[str, str]) -> None:
    assert found(account, good) == {}


def test_what_has_no_default_has_to_be_chosen(account: AwsAccount) -> None:
    assert set(found(account, {})) == {"VPC", "Subnets", "HealthCheckPort"}


@pytest.mark.parametrize(
    ("parameter", "value", "words"),
    [
        ("VPC", "vpc-0", "no VPC vpc-0"),
        ("Subnets", "subnet-0,subnet-1", "no subnet subnet-0, subnet-1"),
        ("KeyName", "mine", "no key pair mine"),
        ("InstanceType", "t9.huge", "no t9.huge"),
        ("InstanceType", "t4g.small", "Graviton"),
        ("HealthCheckPort", "70000", "65535"),
        ("HealthCheckPath", "health", "slash"),
        ("PinnedImageId", "latest", "id of an image"),
        ("MinSize", "none", "number"),
        ("MaxSize", "1", "less than"),
        ("DesiredCapacity", "9", "from 2 to 4"),
        ("ACMARN", "arn:aws:acm:us-east-1:123456789012:certificate/1", "is in us-east-1"),
        ("ACMARN", f"arn:aws:acm:{REGION}:123456789012:certificate/1", "no issued certificate"),
        ("ACMARN", "mine", "ARN"),
        ("RepoBucket", "theirs", "cannot be set"),
    ],
)
def test_what_does_not_fit_is_told_at_its_parameter(
    parameter: str, value: str, words: str, account: AwsAccount, good: dict[str, str]
) -> None:
    problems = found(account, {**good, parameter: value})
    assert set(problems) == {parameter}
    assert words in problems[parameter]


def test_subnets_have_to_be_in_two_zones_and_in_the_vpc(account: AwsAccount, good: dict[str, str]) -> None:
    ec2 = boto3.client("ec2", region_name=REGION)
    other = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    strange = ec2.create_subnet(VpcId=other, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]
    choices.cache.clear()
    one = good["Subnets"].split(",")[0]
    assert "needs two zones" in found(account, {**good, "Subnets": one})["Subnets"]
    assert "another VPC" in found(account, {**good, "Subnets": f"{one},{strange}"})["Subnets"]


def test_a_domain_belongs_into_its_hosted_zone(account: AwsAccount, good: dict[str, str]) -> None:
    zone = boto3.client("route53").create_hosted_zone(Name="example.com.", CallerReference="1")["HostedZone"]["Id"]
    zone_id = zone.rsplit("/", 1)[-1]
    choices.cache.clear()
    named = {**good, "HostedZoneId": zone_id}
    assert set(found(account, named)) == {"DomainName"}
    assert "end with example.com" in found(account, {**named, "DomainName": "shop.example.org"})["DomainName"]
    assert found(account, {**named, "DomainName": "shop.example.com"}) == {}
    assert set(found(account, {**good, "DomainName": "shop.example.com"})) == {"HostedZoneId"}
    assert "Z0" in found(account, {**good, "DomainName": "a.b.com", "HostedZoneId": "Z0"})["HostedZoneId"]


def test_a_list_that_aws_denies_is_told_and_checks_nothing(account: AwsAccount, good: dict[str, str]) -> None:
    choices.cache.clear()
    acm = session.client(accounts.access(account, REGION), "acm", quick=True)
    with Stubber(acm) as answers:
        answers.add_client_error("list_certificates", "AccessDeniedException", "not authorized")
        there = choices.of(account, REGION)
    assert (there.certificates, set(there.problems)) == (None, {"certificates"})
    assert "AWS denies ListCertificates" in there.problems["certificates"]
    arn = f"arn:aws:acm:{REGION}:123456789012:certificate/1"
    assert found(account, {**good, "ACMARN": arn}) == {}


def test_lists_are_remembered_for_a_while(account: AwsAccount, good: dict[str, str]) -> None:
    boto3.client("ec2", region_name=REGION).create_key_pair(KeyName="new")
    there = choices.of(account, REGION)
    assert there.key_pairs == []
    choices.cache.clear()
    again = choices.of(account, REGION)
    assert again.key_pairs == ["new"]


@pytest.fixture
def service(good: dict[str, str]) -> dict[str, str]:
    """Parameters that fit an ECS stack."""
    return {name: value for name, value in good.items() if name != "HealthCheckPort"}


def subnet_with(client: Any, good: dict[str, str], *, route: str) -> str:
    """A subnet with a route table of its own, in a zone of its own: "", "gateway" or "nat"."""
    zones = {each["ZoneName"] for each in client.describe_availability_zones()["AvailabilityZones"]}
    taken = client.describe_subnets(SubnetIds=good["Subnets"].split(","))["Subnets"]
    zone = sorted(zones - {each["AvailabilityZone"] for each in taken})[0]
    made = client.create_subnet(VpcId=good["VPC"], CidrBlock="172.31.200.0/24", AvailabilityZone=zone)["Subnet"]
    table = client.create_route_table(VpcId=good["VPC"])["RouteTable"]["RouteTableId"]
    client.associate_route_table(RouteTableId=table, SubnetId=made["SubnetId"])
    if route:
        target = {}
        if route == "gateway":
            [gateway] = client.describe_internet_gateways()["InternetGateways"]
            target = {"GatewayId": gateway["InternetGatewayId"]}
        else:
            nat = client.create_nat_gateway(SubnetId=made["SubnetId"])["NatGateway"]["NatGatewayId"]
            target = {"NatGatewayId": nat}
        client.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", **target)
    choices.cache.clear()
    return str(made["SubnetId"])


@pytest.mark.parametrize(
    ("route", "kind", "launch", "words"),
    [
        ("", "codedeploy", "", "No route leads from"),
        ("gateway", "codedeploy", "", "no public address"),
        ("gateway", "ecs", "EC2", "no public address"),
        ("gateway", "ecs", "FARGATE", ""),
        ("", "ecs", "FARGATE", "No route leads from"),
        ("nat", "codedeploy", "", ""),
    ],
)
def test_what_is_started_in_a_subnet_has_to_reach_the_internet(
    route: str, kind: str, launch: str, words: str, account: AwsAccount, good: dict[str, str]
) -> None:
    private = subnet_with(boto3.client("ec2", region_name=REGION), good, route=route)
    chosen = {**good, "Subnets": f"{good['Subnets'].split(',')[0]},{private}"}
    if kind == "ecs":
        chosen = {**{name: chosen[name] for name in ("VPC", "Subnets")}, "LaunchType": launch}

    problems = found(account, chosen, kind)

    if words:
        assert words in problems["Subnets"]
        assert private in problems["Subnets"]
    else:
        assert problems == {}


def test_routes_that_aws_does_not_tell_stand_in_nobodys_way(account: AwsAccount, good: dict[str, str]) -> None:
    private = subnet_with(boto3.client("ec2", region_name=REGION), good, route="")
    subnets = boto3.client("ec2", region_name=REGION).describe_subnets()
    access = accounts.access(account, REGION)
    with Stubber(session.client(access, "ec2", quick=True)) as answers:
        answers.add_client_error("describe_route_tables", "UnauthorizedOperation", "not authorized")
        answers.add_response("describe_subnets", {"Subnets": subnets["Subnets"]})
        told = ec2.subnets(access)
    assert {each.way_out for each in told} == {""}
    assert private in {each.id for each in told}


@pytest.mark.parametrize(
    ("parameters", "parameter", "words"),
    [
        ({"LaunchType": "FARGATE", "TaskCpu": "256", "TaskMemory": "4096"}, "TaskMemory", "512, 1024 or 2048 MiB"),
        ({"LaunchType": "FARGATE", "TaskCpu": "4096"}, "TaskMemory", "up to 30720 MiB"),
        ({"LaunchType": "FARGATE", "TaskCpu": "300"}, "TaskCpu", "256, 512, 1024, 2048 or 4096 CPU units"),
        ({"LaunchType": "FARGATE", "TaskMemory": "700"}, "TaskMemory", "With 256 CPU units"),
        ({"ContainerInstanceType": "t9.huge"}, "ContainerInstanceType", "no t9.huge"),
        ({"ContainerInstanceType": "t4g.small"}, "ContainerInstanceType", "built for x86-64"),
        ({"ContainerInstanceKeyPair": "mine"}, "ContainerInstanceKeyPair", "no key pair mine"),
    ],
)
def test_what_does_not_fit_an_ecs_stack_is_told_at_its_parameter(
    parameters: dict[str, str], parameter: str, words: str, account: AwsAccount, service: dict[str, str]
) -> None:
    problems = found(account, {**service, **parameters}, "ecs")
    assert set(problems) == {parameter}
    assert words in problems[parameter]


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"TaskCpu": "256", "TaskMemory": "4096"},
        {"LaunchType": "FARGATE"},
        {"LaunchType": "FARGATE", "TaskCpu": "2048", "TaskMemory": "5120"},
        {"LaunchType": "FARGATE", "ContainerInstanceType": "t9.huge"},
    ],
)
def test_what_fits_an_ecs_stack_is_taken(
    parameters: dict[str, str], account: AwsAccount, service: dict[str, str]
) -> None:
    assert found(account, {**service, **parameters}, "ecs") == {}
