"""Where deployers' stacks go is picked as a person would, or asked for."""

from typing import Any

import pytest

from acceptance.errors import MissingInput
from acceptance.network import Network, pick

VPCS = [{"id": "vpc-other", "default": False}, {"id": "vpc-default", "default": True}]


def subnet(name: str, zone: str, *, vpc: str = "vpc-default", public: bool = True) -> dict[str, Any]:
    return {"id": name, "vpc": vpc, "zone": zone, "public": public}


def test_the_default_vpc_gives_a_public_subnet_in_each_of_two_zones() -> None:
    there = [
        subnet("subnet-c", "eu-central-1c"),
        subnet("subnet-a2", "eu-central-1a"),
        subnet("subnet-a1", "eu-central-1a"),
        subnet("subnet-private", "eu-central-1b", public=False),
        subnet("subnet-other", "eu-central-1b", vpc="vpc-other"),
    ]
    found = pick(vpcs=VPCS, subnets=there)
    assert found == Network("vpc-default", ("subnet-a1", "subnet-c"))
    assert found.parameters() == {"VPC": "vpc-default", "Subnets": "subnet-a1,subnet-c"}


def test_without_a_default_vpc_one_has_to_be_named() -> None:
    with pytest.raises(MissingInput, match="eu-central-1 has no default VPC: give --vpc"):
        pick(vpcs=VPCS[:1], subnets=[], region="eu-central-1")


def test_one_zone_is_not_enough() -> None:
    with pytest.raises(MissingInput, match="no subnets in two zones"):
        pick(vpcs=VPCS, subnets=[subnet("subnet-a", "a"), subnet("subnet-b", "b", public=False)])
