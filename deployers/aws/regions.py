"""The regions of AWS, as botocore's own data lists them, and where the panel itself is at home.

https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html
"""

from functools import lru_cache
from types import MappingProxyType

import botocore.session

PARTITIONS = MappingProxyType(
    {
        "aws": "AWS",
        "aws-eusc": "AWS European Sovereign Cloud",
        "aws-us-gov": "AWS GovCloud (US)",
        "aws-cn": "AWS in China",
    }
)
"""The partitions that people can have an account in, with their names; each is an AWS of its own."""
# Which of a partition's regions nobody can switch off.
_DEFAULTS = {
    "aws": "us-east-1",
    "aws-eusc": "eusc-de-east-1",
    "aws-us-gov": "us-gov-west-1",
    "aws-cn": "cn-north-1",
}


@lru_cache(maxsize=1)
def offered() -> dict[str, dict[str, str]]:
    """Partition to its regions, in their order: name to AWS's own words, such as `Europe (Ireland)`."""
    data = botocore.session.get_session().get_component("data_loader").load_data("partitions")
    regions = {each["id"]: each["regions"] for each in data["partitions"]}
    return {
        partition: {
            name: region.get("description", name)
            for name, region in sorted(regions[partition].items())
            if not name.endswith("-global")
        }
        for partition in PARTITIONS
        if partition in regions
    }


def partition_of(region: str) -> str:
    """The partition of a region; empty when there is no such region."""
    return next((partition for partition, regions in offered().items() if region in regions), "")


def home(partition: str = "") -> str:
    """The region whose STS the panel asks.

    It is the panel's own, as boto3 finds it: a region that has to be switched on answers only those who switched it
    on, which the panel's account need not have done. Tokens of any regional STS are good in every region. Without one
    of its own, or in another `partition`, it is one that nobody can switch off.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_enable-regions.html
    """
    own = botocore.session.get_session().get_config_variable("region") or ""
    if own and partition in {"", partition_of(own)}:
        return str(own)
    return always_on(partition or "aws")


def always_on(partition: str) -> str:
    """A region of the partition that nobody can switch off."""
    return _DEFAULTS.get(partition, _DEFAULTS["aws"])
