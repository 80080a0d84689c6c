"""What EC2 has in a region: networks, key pairs, types of instances. Only read.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Welcome.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deployers.aws.faults import aws_faults
from deployers.aws.session import Access, client
from deployers.errors import AccessDenied


@dataclass(frozen=True, slots=True)
class Vpc:
    """A network of the account."""

    id: str
    name: str
    cidr: str
    default: bool


GATEWAY, NAT, NO_WAY = "gateway", "nat", "none"
"""How what is in a subnet reaches the internet: with an address of its own, by NAT or another device, not at all."""


@dataclass(frozen=True, slots=True)
class Subnet:
    """A part of a network, in one zone.

    Attributes:
        public: its instances get public addresses automatically.
        way_out: GATEWAY, NAT or NO_WAY; empty where AWS does not tell the routes.
    """

    id: str
    name: str
    vpc: str
    zone: str
    cidr: str
    public: bool
    way_out: str = ""


def _name(tagged: Mapping[str, Any]) -> str:
    return next((str(tag["Value"]) for tag in tagged.get("Tags", []) if tag["Key"] == "Name"), "")


def _all(access: Access, operation: str, key: str, **arguments: Any) -> list[dict[str, Any]]:
    with aws_faults():
        pages = client(access, "ec2", quick=True).get_paginator(operation).paginate(**arguments)
        return [each for page in pages for each in page[key]]


def vpcs(access: Access) -> list[Vpc]:
    """Every network of the region."""
    return [
        Vpc(each["VpcId"], _name(each), each.get("CidrBlock", ""), bool(each.get("IsDefault")))
        for each in _all(access, "describe_vpcs", "Vpcs")
    ]


def subnets(access: Access) -> list[Subnet]:
    """Every subnet of the region."""
    ways = _ways_out(access)
    return [
        Subnet(
            id=each["SubnetId"],
            name=_name(each),
            vpc=each["VpcId"],
            zone=each["AvailabilityZone"],
            cidr=each.get("CidrBlock", ""),
            public=bool(each.get("MapPublicIpOnLaunch")),
            way_out=ways.get(each["SubnetId"], ways.get(each["VpcId"], "")),
        )
        for each in _all(access, "describe_subnets", "Subnets")
    ]


def _ways_out(access: Access) -> dict[str, str]:
    """By subnet, and by VPC for subnets without a table of their own. Empty where the account does not let us ask.

    https://docs.aws.amazon.com/vpc/latest/userguide/VPC_Route_Tables.html
    """
    try:
        tables = _all(access, "describe_route_tables", "RouteTables")
    except AccessDenied:
        return {}
    found = {}
    for table in tables:
        way = _way_out(table.get("Routes", []))
        for each in table.get("Associations", []):
            if name := each.get("SubnetId") or (each.get("Main") and table["VpcId"]):
                found[name] = way
    return found


def _way_out(routes: Sequence[Mapping[str, Any]]) -> str:
    for route in routes:
        if route.get("DestinationCidrBlock") == "0.0.0.0/0" and route.get("State") != "blackhole":
            return GATEWAY if str(route.get("GatewayId", "")).startswith("igw-") else NAT
    return NO_WAY


def key_pairs(access: Access) -> list[str]:
    """Names of the key pairs."""
    with aws_faults():
        return [each["KeyName"] for each in client(access, "ec2", quick=True).describe_key_pairs()["KeyPairs"]]


def instance_types(access: Access) -> dict[str, Sequence[str]]:
    """The types of instances that the region offers, each with its zones.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceTypeOfferings.html
    """
    found: dict[str, list[str]] = {}
    arguments = {"LocationType": "availability-zone"}
    for each in _all(access, "describe_instance_type_offerings", "InstanceTypeOfferings", **arguments):
        found.setdefault(each["InstanceType"], []).append(each["Location"])
    return {name: tuple(sorted(zones)) for name, zones in sorted(found.items())}
