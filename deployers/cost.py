"""What a stack costs a month while nothing happens, from its template, its parameters and one table of prices.

The prices are AWS's on-demand prices in us-east-1, in US dollars, as known on DATE; other regions are mostly dearer.
They are for an impression, not for a bill: requests, traffic, storage, taxes and free tiers are not in it. SOURCES says
for each where it was read, and when that page or copy of a page was made.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from deployers import catalog, environments

DATE = "2026-11-28"
REGION = "us-east-1"
HOURS = 730
"""Of a month, as AWS's own calculator counts."""

MONTHLY: dict[str, tuple[str, Decimal]] = {
    "AWS::KMS::Key": ("KMS key", Decimal(1)),
    "AWS::SecretsManager::Secret": ("Secret", Decimal("0.40")),
    "AWS::CloudWatch::Alarm": ("Alarm", Decimal("0.10")),
}
"""What costs something by being there, by type of resource. What is not here costs nothing at rest."""
HOURLY: dict[str, tuple[str, Decimal]] = {
    "load balancer": ("Application Load Balancer", Decimal("0.0225")),
    "address": ("Public IPv4 address", Decimal("0.005")),
    "vcpu": ("Fargate vCPU", Decimal("0.04048")),
    "memory": ("Fargate GB of memory", Decimal("0.004445")),
}
DISK = ("Disk (gp3), a GB a month", Decimal("0.08"))
INSTANCES: dict[str, Decimal] = {
    "t2.micro": Decimal("0.0116"),
    "t3.nano": Decimal("0.0052"),
    "t3.micro": Decimal("0.0104"),
    "t3.small": Decimal("0.0208"),
    "t3.medium": Decimal("0.0416"),
    "t3.large": Decimal("0.0832"),
    "t4g.nano": Decimal("0.0042"),
    "t4g.micro": Decimal("0.0084"),
    "t4g.small": Decimal("0.0168"),
    "t4g.medium": Decimal("0.0336"),
    "t4g.large": Decimal("0.0672"),
    "m5.large": Decimal("0.096"),
}
"""An hour of an instance."""
_COPIES = "https://github.com/api-evangelist"
"""Copies of AWS's pricing pages, each with its date."""
SOURCES: dict[str, tuple[str, str]] = {
    "KMS key": ("https://aws.amazon.com/kms/pricing/", "2026-11-28"),
    "Secret": (f"https://aws.amazon.com/secrets-manager/pricing/ in {_COPIES}/amazon-secrets-manager", "2026-09-20"),
    "Alarm": (f"https://aws.amazon.com/cloudwatch/pricing/ in {_COPIES}/cloudwatch", "2026-05-05"),
    "Disk (gp3), a GB a month": ("https://www.saisci.com/aws/gp2-vs-gp3-cost-comparison-ebs-volumes/", "2021-02-04"),
    "Application Load Balancer": ("https://aws.amazon.com/elasticloadbalancing/pricing/", "2026-11-28"),
    "Public IPv4 address": ("https://www.doit.com/aws-public-ipv4-price-increase-the-complete-guide/", "2024-02-01"),
    "Fargate vCPU": ("https://aws.amazon.com/fargate/pricing/", "2026-11-28"),
    "Fargate GB of memory": ("https://aws.amazon.com/fargate/pricing/", "2026-11-28"),
    "Instances": ("tables of public repositories, which agree, such as ctaminian/aws-cost-estimator", ""),
}
"""Where each price was read, and the day of that; empty: the source names none, and the price is not confirmed."""
CONFIRMED_SINCE = "2026"
"""What was read before, or on no known day, docs/cost.md calls unconfirmed."""
_DISKS = {catalog.CODEDEPLOY.kind: 20, catalog.ECS.kind: 30}
"""GB of an instance, as the templates have them."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that a stack keeps: its number, and US dollars a month for all; None where nobody knows."""

    what: str
    count: int
    monthly: Decimal | None


def at_rest(kind: str, parameters: Mapping[str, object]) -> list[Line]:
    """What a stack of this kind costs a month, by what costs it; the service of an ECS stack is part of it.

    `parameters` are those that people chose; what is left out counts with the template's default.
    """
    given = {name: str(value) for name, value in parameters.items() if value not in ("", None)}
    if kind == catalog.ECS.kind:
        given.setdefault("ECSTaskDesiredCount", "1")  # as deployers.catalog does
    template = catalog.KINDS[kind].template
    found = environments.resources(template, given)
    lines = [
        Line(what, number, price * number)
        for made, (what, price) in MONTHLY.items()
        if (number := sum(each == made for each in found))
    ]
    return [*lines, *(_running(kind, environments.values(template, given)) if kind != catalog.GIT.kind else ())]


def total(lines: list[Line]) -> Decimal:
    """US dollars a month, as far as prices are known."""
    return sum((each.monthly for each in lines if each.monthly is not None), Decimal(0))


def _running(kind: str, values: Mapping[str, str]) -> Iterator[Line]:
    subnets = len([each for each in values.get("Subnets", "").split(",") if each.strip()]) or 2
    yield _hours("load balancer", 1)
    addresses = subnets
    fargate = kind == catalog.ECS.kind and values["LaunchType"] == "FARGATE"
    if fargate:
        tasks = _whole(values["ECSTaskDesiredCount"])
        addresses += tasks
        size = f"{values['TaskCpu']} CPU units, {values['TaskMemory']} MiB"
        hour = HOURLY["vcpu"][1] * _whole(values["TaskCpu"]) + HOURLY["memory"][1] * _whole(values["TaskMemory"])
        yield Line(f"Fargate task ({size})", tasks, _cents(hour * tasks / 1024))
    else:
        name = values["ContainerInstanceType" if kind == catalog.ECS.kind else "InstanceType"]
        count = _whole(values["DesiredCapacity"])
        addresses += count
        price_of = INSTANCES.get(name)
        yield Line(f"Instance {name}", count, None if price_of is None else _cents(price_of * count))
        yield Line(f"Disk of {_DISKS[kind]} GB", count, DISK[1] * _DISKS[kind] * count)
    yield _hours("address", addresses)


def _hours(name: str, count: int) -> Line:
    what, price = HOURLY[name]
    return Line(what, count, _cents(price * count))


def _cents(hour: Decimal) -> Decimal:
    return (hour * HOURS).quantize(Decimal("0.01"), ROUND_HALF_UP)


def _whole(text: str) -> int:
    """A number that was checked elsewhere; what is none counts nothing here."""
    return int(text) if text.isascii() and text.isdigit() else 0
