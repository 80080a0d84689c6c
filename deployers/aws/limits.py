"""The room that an account has in a region. Only read."""

from dataclasses import replace

from deployers.aws import regions
from deployers.aws.faults import aws_faults
from deployers.aws.session import Access, client


def switched_on(access: Access) -> bool:
    """Whether the account has the region of `access`, which some regions have to be switched on for.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeRegions.html
    """
    # A region that is switched off answers nothing: another one tells.
    asked = replace(access, region=regions.always_on(regions.partition_of(access.region)))
    with aws_faults():
        found = client(asked, "ec2").describe_regions(RegionNames=[access.region], AllRegions=True)["Regions"]
    return all(each.get("OptInStatus", "opt-in-not-required") != "not-opted-in" for each in found)


def concurrent_executions(access: Access) -> int:
    """How many Lambda functions may run at once. https://docs.aws.amazon.com/lambda/latest/api/API_GetAccountSettings.html"""
    with aws_faults():
        return int(client(access, "lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"])


def quota(access: Access, service: str, code: str) -> int:
    """The account's value of a quota. https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_GetServiceQuota.html"""
    with aws_faults():
        answer = client(access, "service-quotas").get_service_quota(ServiceCode=service, QuotaCode=code)
    return int(answer["Quota"]["Value"])


def vpcs(access: Access) -> int:
    """How many VPCs there are."""
    with aws_faults():
        return sum(len(page["Vpcs"]) for page in client(access, "ec2").get_paginator("describe_vpcs").paginate())


def addresses(access: Access) -> int:
    """How many Elastic IP addresses there are."""
    with aws_faults():
        return len(client(access, "ec2").describe_addresses()["Addresses"])
