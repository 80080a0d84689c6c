"""Roles that a service of AWS makes for itself, and that an account does not have before it.

https://docs.aws.amazon.com/IAM/latest/UserGuide/using-service-linked-roles.html
"""

from botocore.exceptions import ClientError

from deployers.aws.faults import aws_faults
from deployers.aws.session import Access, client

# How AWS refuses to make a role a second time:
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateServiceLinkedRole.html
_TAKEN = "has been taken in this account"


def make(access: Access, service: str) -> None:
    """Make the role of a service, such as `ecs.amazonaws.com`; one that is there already will do.

    Raises the errors of AWS, AccessDenied among them.
    """
    with aws_faults():
        try:
            client(access, "iam").create_service_linked_role(AWSServiceName=service)
        except ClientError as error:
            if _TAKEN not in error.response["Error"].get("Message", ""):
                raise
