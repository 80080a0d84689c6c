"""What EC2 has in a region: networks, key pairs, types of instances. Only read.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Welcome.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deployers.aws.faults import aws_faults
from deployers.aws.session import Access, client


@dataclass(frozen=True, slots=True)
class Vpc:
    """A network of the account."""

    id: str
    name: str
    cidr: str
    default: bool


@dataclass(frozen=True, slots=True)
class Subnet:
    """A part of a network, in one zone. `public`: its instances get public addresses by themselves."""

    id: str
    name: str
    vpc: str
    zone: str
    cidr: str
    public: bool


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
    return [
        Subnet(
            id=each["SubnetId"],
            name=_name(each),
            vpc=each["VpcId"],
            zone=each["AvailabilityZone"],
            cidr=each.get("CidrBlock", ""),
            public=bool(each.get("MapPublicIpOnLaunch")),
        )
        for each in _all(access, "describe_subnets", "Subnets")
    ]


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
