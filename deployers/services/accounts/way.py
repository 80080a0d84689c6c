"""The one gate: nobody makes a client for an account but by `access`, and that opens only what a check proved."""

import re

from django.conf import settings

from deployers.aws import regions
from deployers.aws.session import Access
from deployers.errors import AccountClosed, CredentialsRefused
from deployers.models import AccessMethod, AwsAccount
from teams.encryption import DecryptionFailed
from teams.models import User

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html: letters and digits are ASCII.
_ROLE_ARN = re.compile(r"arn:([a-z-]+):iam::([0-9]{12}):role(/(?:[!-~]+/)?)([A-Za-z0-9_+=,.@-]{1,64})")
MAX_PATH = 512


def access(account: AwsAccount, region: str = "") -> Access:
    """The way into one region of the account; its default region when none is named.

    Raises AccountClosed unless the account's last definite check passed for exactly this way in, or if it lends the
    panel's own credentials and the panel does not (any more); CredentialsRefused if its secret access key cannot be
    decrypted any more.
    """
    _require_lent(account)
    if not account.proven:
        failed = f" The last check failed: {account.check_error}" if account.check_error else ""
        raise AccountClosed(
            f"The AWS account {account} is not connected.{failed}",
            remedy="Press Check on the account's page; if it fails, that page says what to do.",
        )
    return unproven(account, region)


def unproven(account: AwsAccount, region: str = "") -> Access:
    """The way in that `check` tries; anything else goes through `access`. Raises as that does, but for the check."""
    _require_lent(account)
    try:
        secret_access_key = account.secret_access_key if account.method == AccessMethod.KEYS else ""
    except DecryptionFailed as error:
        raise CredentialsRefused(
            f"The secret access key of {account} cannot be read: {error.message}",
            remedy="Enter it again, or bring the key back into SLUICE_ENCRYPTION_KEYS.",
        ) from error
    return Access(
        method=account.method,
        region=region or account.default_region,
        role_arn=account.role_arn if account.method == AccessMethod.ROLE else "",
        external_id=account.external_id if account.method == AccessMethod.ROLE else "",
        access_key_id=account.access_key_id if account.method == AccessMethod.KEYS else "",
        secret_access_key=secret_access_key,
    )


def _require_lent(account: AwsAccount) -> None:
    if account.method == AccessMethod.AMBIENT and not settings.AMBIENT_AWS:
        raise AccountClosed(
            f"{account} uses the panel's own AWS credentials, which this panel does not lend.",
            remedy="Connect the account by a role: add it again, with Assume a role.",
        )


def may_lend_own(user: User) -> bool:
    """Whether this person may connect an account by the panel's own credentials, on this panel."""
    return bool(settings.AMBIENT_AWS and user.is_superuser)


def account_of(role_arn: str) -> str:
    """The twelve digits of the account that a role's ARN names; empty if it is no role's ARN."""
    match = _ROLE_ARN.fullmatch(role_arn)
    return match[2] if match else ""


def role_arn_problem(role_arn: str) -> str:
    """What is wrong with the ARN of a role, in words; empty when it can be one."""
    match = _ROLE_ARN.fullmatch(role_arn)
    if match is None or len(match[3]) > MAX_PATH:
        return "Write the role's whole ARN, such as arn:aws:iam::123456789012:role/Sluice."
    if match[1] not in regions.PARTITIONS:
        return f"There is no AWS partition {match[1]}. Known are {', '.join(regions.PARTITIONS)}."
    return ""


def region_problem(region: str, *, role_arn: str = "") -> str:
    """What is wrong with the name of a region, in words; with a `role_arn`, whether that role can work in it."""
    partition = regions.partition_of(region)
    if not partition:
        return "AWS has no such region. Choose one, such as eu-west-1."
    wanted = role_arn.split(":")[1] if role_arn else partition
    if partition != wanted:
        return f"The role is in {regions.PARTITIONS[wanted]}, and that region is not."
    return ""
