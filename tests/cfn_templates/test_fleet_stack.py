"""The fleet of a CodeDeploy stack on the local AWS: plain HTTP, with a certificate, under a name of its own."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from deployers import catalog, causes, templates
from sandbox.aws import Aws

pytestmark = pytest.mark.sandbox

SECONDS = 30.0
Made = Callable[..., dict[str, str]]


@dataclass(frozen=True)
class StackEvent:
    logical_id: str
    resource_type: str
    status: str
    reason: str


class Failed(Exception):
    """The stack was not made; `cause` is what the panel says of its events."""

    def __init__(self, events: list[dict[str, Any]]) -> None:
        self.cause = causes.first_cause(
            StackEvent(
                logical_id=each["LogicalResourceId"],
                resource_type=each["ResourceType"],
                status=each["ResourceStatus"],
                reason=each.get("ResourceStatusReason", ""),
            )
            for each in reversed(events)
        )
        super().__init__(self.cause)


@pytest.fixture
def fleet(aws: Aws, request: pytest.FixtureRequest) -> Any:
    """Makes the stack with these parameters; returns its outputs. It is deleted afterwards."""
    cloudformation, ec2 = aws.client("cloudformation"), aws.client("ec2")
    name = f"fleet-{abs(hash(request.node.name))}"

    def settled() -> dict[str, Any]:
        deadline = time.monotonic() + SECONDS
        while True:
            stack: dict[str, Any] = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
            if not stack["StackStatus"].endswith("_IN_PROGRESS"):
                return stack
            assert time.monotonic() < deadline, stack
            time.sleep(0.05)

    def make(**parameters: str) -> dict[str, str]:
        given = {
            "Application": "shop",
            "Environment": "test",
            "HealthCheckPort": "8080",
            "RepoBucket": "shop-artifacts",
            "RepoZipPath": "acme/shop/main/shop.zip",
            "VPC": ec2.describe_vpcs()["Vpcs"][0]["VpcId"],
            "Subnets": ",".join(each["SubnetId"] for each in ec2.describe_subnets()["Subnets"][:2]),
            **parameters,
        }
        cloudformation.create_stack(
            StackName=name,
            TemplateBody=templates.render(catalog.CODEDEPLOY.nested[0]).decode(),
            Capabilities=["CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
        )
        stack = settled()
        if stack["StackStatus"] != "CREATE_COMPLETE":
            raise Failed(cloudformation.describe_stack_events(StackName=name)["StackEvents"])
        return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}

    yield make
    cloudformation.delete_stack(StackName=name)


def listeners(aws: Aws, outputs: dict[str, str]) -> dict[int, dict[str, Any]]:
    """The load balancer's listeners, by port."""
    elb = aws.client("elbv2")
    (group,) = elb.describe_target_groups(Names=[outputs["TargetGroup"]])["TargetGroups"]
    (balancer,) = group["LoadBalancerArns"]
    return {each["Port"]: each for each in elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"]}


def instance_ports(aws: Aws, application: str = "shop") -> dict[int, list[str]]:
    """What may reach the newest stack's instances, by port: networks, and groups as `group`."""
    groups = [
        each
        for each in aws.client("ec2").describe_security_groups()["SecurityGroups"]
        if each["Description"] == f"Instances of {application} test"
    ]
    return {
        rule["FromPort"]: [each["CidrIp"] for each in rule["IpRanges"]] + ["group" for _ in rule["UserIdGroupPairs"]]
        for rule in groups[-1]["IpPermissions"]
    }


def test_without_a_certificate_plain_http_reaches_the_instances(aws: Aws, fleet: Made) -> None:
    outputs = fleet(Application="plain")

    found = listeners(aws, outputs)
    assert {port: each["DefaultActions"][0]["Type"] for port, each in found.items()} == {80: "forward"}
    assert outputs["URL"].startswith("http://")
    assert instance_ports(aws, "plain") == {8080: ["group"]}


def test_with_a_certificate_http_is_redirected_to_https(aws: Aws, fleet: Made) -> None:
    arn = aws.client("acm").request_certificate(DomainName="shop.example.com")["CertificateArn"]

    outputs = fleet(ACMARN=arn)

    found = listeners(aws, outputs)
    assert {port: each["DefaultActions"][0]["Type"] for port, each in found.items()} == {80: "redirect", 443: "forward"}
    assert found[80]["DefaultActions"][0]["RedirectConfig"]["StatusCode"] == "HTTP_301"
    assert found[443]["Certificates"][0]["CertificateArn"] == arn
    assert outputs["URL"].startswith("https://")


def test_a_hosted_zone_gives_it_a_name_and_a_certificate(aws: Aws, fleet: Made) -> None:
    route53 = aws.client("route53")
    zone = route53.create_hosted_zone(Name="example.net", CallerReference="fleet")["HostedZone"]["Id"].split("/")[-1]

    outputs = fleet(HostedZoneId=zone, DomainName="shop.example.net")

    assert outputs["URL"] == "https://shop.example.net"
    (alias,) = [
        each
        for each in route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
        if each["Type"] == "A"
    ]
    assert alias["Name"] == "shop.example.net."
    assert ".elb." in alias["AliasTarget"]["DNSName"]
    used = listeners(aws, outputs)[443]["Certificates"][0]["CertificateArn"]
    certificate = aws.client("acm").describe_certificate(CertificateArn=used)["Certificate"]
    assert (certificate["DomainName"], certificate["Status"]) == ("shop.example.net", "ISSUED")


def test_ssh_is_open_for_the_given_network_only(aws: Aws, fleet: Made) -> None:
    fleet(Application="ssh", SshCidr="203.0.113.0/24")

    assert instance_ports(aws, "ssh") == {8080: ["group"], 22: ["203.0.113.0/24"]}


def test_instances_run_in_two_zones_hardened_and_scaled_on_cpu(aws: Aws, fleet: Made) -> None:
    outputs = fleet(CpuTarget="45", MinSize="1", DesiredCapacity="2", MaxSize="3")

    autoscaling = aws.client("autoscaling")
    name = outputs["AutoScalingGroup"]
    (group,) = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
    assert (group["MinSize"], group["DesiredCapacity"], group["MaxSize"]) == (1, 2, 3)
    subnets = aws.client("ec2").describe_subnets(SubnetIds=group["VPCZoneIdentifier"].split(","))["Subnets"]
    assert len({each["AvailabilityZone"] for each in subnets}) == 2
    (policy,) = autoscaling.describe_policies(AutoScalingGroupName=name)["ScalingPolicies"]
    assert float(policy["TargetTrackingConfiguration"]["TargetValue"]) == 45


def test_subnets_in_one_zone_fail_the_stack_with_what_to_do(aws: Aws, fleet: Made) -> None:
    (subnet, *_) = aws.client("ec2").describe_subnets()["Subnets"]

    with pytest.raises(Failed) as failed:
        fleet(Subnets=subnet["SubnetId"])

    cause = failed.value.cause
    assert cause is not None
    assert cause.logical_id == "LoadBalancer"
    assert "two zones" in cause.remedy


def test_instances_that_never_come_up_fail_the_stack_with_what_to_do(aws: Aws, fleet: Made) -> None:
    with pytest.raises(Failed) as failed:
        fleet(DesiredCapacity="40", MaxSize="40")

    cause = failed.value.cause
    assert cause is not None
    assert cause.logical_id == "AutoScalingGroup"
    assert "out of 40" in cause.message
    assert "way to the internet" in cause.remedy


@pytest.mark.parametrize(
    ("given", "missing"), [({"DomainName": "shop.example.org"}, "HostedZoneId"), ({"HostedZoneId": "Z1"}, "DomainName")]
)
def test_a_name_and_its_zone_are_given_together_or_refused_at_once(
    aws: Aws, given: dict[str, str], missing: str
) -> None:
    ec2 = aws.client("ec2")
    parameters = {
        "Application": "shop",
        "Environment": "test",
        "HealthCheckPort": "8080",
        "RepoBucket": "shop-artifacts",
        "RepoZipPath": "acme/shop/main/shop.zip",
        "LambdaArtifactPrefix": "first",
        "TemplatesUrl": "https://example.org/t",
        "VPC": ec2.describe_vpcs()["Vpcs"][0]["VpcId"],
        "Subnets": ",".join(each["SubnetId"] for each in ec2.describe_subnets()["Subnets"][:2]),
        **given,
    }

    with pytest.raises(ClientError, match=f"{next(iter(given))} needs {missing}"):
        aws.client("cloudformation").create_stack(
            StackName="half-named",
            TemplateBody=templates.render(catalog.CODEDEPLOY.template).decode(),
            Capabilities=["CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        )
