"""Who AWS takes us for. https://docs.aws.amazon.com/STS/latest/APIReference/"""

from dataclasses import dataclass, replace
from typing import Any

import botocore.session
from botocore.exceptions import ClientError

from deployers.aws import regions
from deployers.aws.faults import aws_faults, from_client_error
from deployers.aws.session import QUICK, ROLE_SESSION_NAME, Access, client
from deployers.errors import AccessDenied, CredentialsRefused


@dataclass(frozen=True, slots=True)
class Caller:
    """Twelve digits, and the ARN of the user or of the assumed role's session."""

    account_id: str
    arn: str


def caller(access: Access) -> Caller:
    """Whom the credentials belong to. Raises CredentialsRefused and the other errors of AWS."""
    with aws_faults():
        answer = client(_at_home(access), "sts").get_caller_identity()
    return Caller(account_id=answer["Account"], arn=answer["Arn"])


def own_caller() -> Caller:
    """Whom the panel's own credentials belong to; gives up soon. Raises the errors of AWS."""
    with aws_faults():
        answer = botocore.session.get_session().create_client("sts", region_name=regions.home(), config=QUICK)
        found: Any = answer.get_caller_identity()  # type: ignore[attr-defined]
    return Caller(account_id=found["Account"], arn=found["Arn"])


def partition(arn: str) -> str:
    """`aws`, `aws-cn` or `aws-us-gov`: the second part of an ARN."""
    return arn.split(":")[1]


def refuses_without_external_id(access: Access) -> bool:
    """Whether the role cannot be assumed by those who do not know the external id.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
    """
    sts = client(Access(method="ambient", region=regions.home(partition(access.role_arn))), "sts")
    with aws_faults():
        try:
            sts.assume_role(RoleArn=access.role_arn, RoleSessionName=ROLE_SESSION_NAME, DurationSeconds=900)
        except ClientError as error:
            if isinstance(from_client_error(error), CredentialsRefused | AccessDenied):
                return True
            raise
    return False


def _at_home(access: Access) -> Access:
    if access.method == "keys":
        # They are of another account than the panel's, which need not have switched the panel's region on.
        return replace(access, region=regions.always_on(regions.partition_of(access.region)))
    return replace(access, region=regions.home(partition(access.role_arn) if access.role_arn else ""))
