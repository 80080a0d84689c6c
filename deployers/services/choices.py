"""What an AWS account has to choose from in a region: read from AWS, and remembered for a short time.

A list that cannot be read stands in nobody's way: what it would offer can be typed, and is then checked by AWS only.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from typing import Any

from django.core.cache import cache

from deployers.aws import acm, ec2, route53
from deployers.aws.session import Access
from deployers.errors import AwsError
from deployers.models import AwsAccount
from deployers.services import accounts, remembered

SECONDS = 60
FAILED_SECONDS = 5
"""How long an answer is remembered, and how long a refusal: permissions are given while people wait."""


@dataclass(frozen=True, slots=True)
class Choices:
    """Each list as AWS gave it; None where `problems` says why there is none."""

    vpcs: list[ec2.Vpc] | None
    subnets: list[ec2.Subnet] | None
    key_pairs: list[str] | None
    instance_types: dict[str, tuple[str, ...]] | None
    certificates: list[acm.Certificate] | None
    hosted_zones: list[route53.HostedZone] | None
    problems: dict[str, str]


_LISTS: dict[str, Callable[[Access], Any]] = {
    "vpcs": ec2.vpcs,
    "subnets": ec2.subnets,
    "key_pairs": ec2.key_pairs,
    "instance_types": ec2.instance_types,
    "certificates": acm.certificates,
    "hosted_zones": route53.public_zones,
}
assert {*_LISTS, "problems"} == {each.name for each in fields(Choices)}  # noqa: S101


def of(account: AwsAccount, region: str) -> Choices:
    """All lists of the account in the region, asked at once. Raises nothing of AWS's: `problems` has it.

    Of an account that is not connected nothing is told, remembered or not.
    """
    try:
        access = accounts.access(account, region)
    except AwsError as error:
        return Choices(**dict.fromkeys(_LISTS), problems=dict.fromkeys(_LISTS, str(error)))
    key = f"aws-choices:{account.pk}:{account.updated_at.timestamp()}:{region}"
    found = _remembered(cache.get(key))
    if found is None:
        found = _ask(access)
        cache.set(key, asdict(found), FAILED_SECONDS if found.problems else SECONDS)
    return found


def _remembered(stored: object) -> Choices | None:
    """The choices that were stored as a dictionary; None for anything else, such as the entry of another version."""
    try:
        return remembered.read(Choices, stored)
    except ValueError:
        return None


def _ask(access: Access) -> Choices:
    # No thread touches the database, and boto3's clients may be shared.
    with ThreadPoolExecutor(len(_LISTS), thread_name_prefix="choices") as pool:
        answers = dict(zip(_LISTS, pool.map(lambda read: _read(access, read), _LISTS.values()), strict=True))
    return Choices(
        **{name: answer for name, (answer, _) in answers.items()},
        problems={name: problem for name, (_, problem) in answers.items() if problem},
    )


def _read(access: Access, read: Callable[[Access], Any]) -> tuple[Any, str]:
    try:
        return read(access), ""
    except AwsError as error:
        return None, str(error)
