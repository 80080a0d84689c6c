"""Hosted zones. https://docs.aws.amazon.com/Route53/latest/APIReference/Welcome.html"""

from dataclasses import dataclass

from deployers.aws.faults import aws_faults
from deployers.aws.session import Access, client


@dataclass(frozen=True, slots=True)
class HostedZone:
    """A hosted zone; `name` is its domain, without the dot at its end."""

    id: str
    name: str


def public_zones(access: Access) -> list[HostedZone]:
    """The account's public hosted zones: a certificate is validated, and a name found, in these only."""
    with aws_faults():
        pages = client(access, "route53", quick=True).get_paginator("list_hosted_zones").paginate()
        return [
            HostedZone(each["Id"].removeprefix("/hostedzone/"), each["Name"].rstrip("."))
            for page in pages
            for each in page["HostedZones"]
            if not each.get("Config", {}).get("PrivateZone")
        ]
