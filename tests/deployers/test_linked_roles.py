"""The role that ECS needs is made before an account's first cluster, and only once."""

from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from deployers.aws import service_linked_roles
from deployers.aws.session import Access
from deployers.errors import AccessDenied
from deployers.models import Stack
from deployers.services import stacks
from deployers.states import OperationStatus, Step
from sandbox.aws import REGION, Aws
from tests.factories import make_integration, make_operation, make_stack
from tests.sandbox.stacks import Account, allow

pytestmark = [pytest.mark.sandbox, pytest.mark.django_db]

NAME = "AWSServiceRoleForECS"
SERVICE = "ecs.amazonaws.com"


@pytest.fixture
def account(local_aws: Aws) -> Account:
    """An account that ECS was never used in."""
    found = Account(local_aws)
    for role in found.iam.list_roles()["Roles"]:
        if role["RoleName"] == NAME:
            found.iam.delete_service_linked_role(RoleName=NAME)
    return found


def there(account: Account) -> bool:
    try:
        account.iam.get_role(RoleName=NAME)
    except ClientError:
        return False
    return True


def published(stack: Stack) -> Step:
    """Let the operation publish; the step that it goes on with."""
    operation = make_operation(stack=stack, status=OperationStatus.RUNNING, step=Step.PUBLISH)
    stacks.advance(operation)
    operation.refresh_from_db()
    return Step(operation.step)


def new_stack(kind: str, aws_status: str = "") -> Stack:
    integration = make_integration(deployers=[kind])
    return make_stack(integration=integration, kind=kind, stack_id="", aws_status=aws_status)


def test_it_is_made_before_the_first_stack_with_a_cluster(account: Account, stub_packages: Path) -> None:
    assert published(new_stack("ecs")) == Step.CHANGE_SET
    assert there(account)
    # The next one finds it.
    assert published(new_stack("ecs")) == Step.CHANGE_SET


@pytest.mark.parametrize(("kind", "aws_status"), [("codedeploy", ""), ("ecs", "CREATE_COMPLETE")])
def test_it_is_not_made_for_other_stacks_nor_for_one_that_is_there(
    account: Account, stub_packages: Path, kind: str, aws_status: str
) -> None:
    assert published(new_stack(kind, aws_status)) == Step.CHANGE_SET
    assert not there(account)


def test_who_may_not_make_it_is_told(account: Account) -> None:
    session = account.user(allow("s3:ListAllMyBuckets"))
    credentials = session.get_credentials()
    assert credentials
    access = Access(
        method="keys",
        region=REGION,
        access_key_id=credentials.access_key,
        secret_access_key=credentials.secret_key,
    )

    with pytest.raises(AccessDenied):
        service_linked_roles.make(access, SERVICE)
