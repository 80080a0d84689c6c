"""Where a deployer's stack goes: a VPC, and public subnets of it in two zones."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from acceptance.errors import MissingInput

_ZONES = 2
"""A load balancer needs as many:
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html"""


@dataclass(frozen=True, slots=True)
class Network:
    """A VPC and the subnets in it, by their ids."""

    vpc: str
    subnets: tuple[str, ...]

    def parameters(self) -> dict[str, str]:
        """As the deployers' templates take them."""
        return {"VPC": self.vpc, "Subnets": ",".join(self.subnets)}


def pick(
    *, vpcs: Iterable[Mapping[str, Any]], subnets: Iterable[Mapping[str, Any]], vpc: str = "", region: str = ""
) -> Network:
    """The VPC that was named, else the default one, with a public subnet in each of two zones.

    Args:
        vpcs: each with `id` and `default`, as the panel's `choices/` has them.
        subnets: each with `id`, `vpc`, `zone` and `public`.
        vpc: the id that was named; empty: the default one.
        region: for the message.

    Raises:
        MissingInput: there is none; the message says what to give.
    """
    if not vpc:
        vpc = next((str(each["id"]) for each in vpcs if each["default"]), "")
    if not vpc:
        raise MissingInput(f"{region or 'The region'} has no default VPC: give --vpc and --subnets; nothing was made.")
    by_zone: dict[str, str] = {}
    for each in sorted(subnets, key=lambda one: (one["zone"], one["id"])):
        if each["vpc"] == vpc and each["public"]:
            by_zone.setdefault(each["zone"], each["id"])
    if len(by_zone) < _ZONES:
        raise MissingInput(
            f"{vpc} has no subnets in two zones that give public addresses: give --subnets, such as private ones that "
            "reach the internet by NAT; nothing was made."
        )
    return Network(vpc, tuple(by_zone.values())[:_ZONES])
