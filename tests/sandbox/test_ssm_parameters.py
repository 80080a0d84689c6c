"""CloudFormation reads SSM parameters with the permissions of whoever acts."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.aws import ACCOUNT_ID, REGION, Aws
from tests.sandbox.stacks import Account, allow, made, name, settled

pytestmark = pytest.mark.sandbox
IMAGE = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
OF_AWS = f"arn:aws:ssm:{REGION}::parameter/aws/service/*"
OWN = f"arn:aws:ssm:{REGION}:{ACCOUNT_ID}:parameter/acme/queue"
MAKE = (
    allow("cloudformation:*"),
    allow("sqs:*"),
)


def body(default: str, kind: str = "String") -> str:
    """A stack with a queue that is tagged with what an SSM parameter says."""
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"Tags": [{"Key": "is", "Value": {"Ref": "Value"}}]}}
    parameter = {"Type": f"AWS::SSM::Parameter::Value<{kind}>", "Default": default}
    return json.dumps({"Parameters": {"Value": parameter}, "Resources": {"Queue": queue}})


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with Aws(tmp_path_factory.mktemp("aws")) as aws:
        aws.client("ssm").put_parameter(Name="/acme/queue", Value="ours", Type="String")
        yield Account(aws)


def refusal(act: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as refused:
        act(**arguments)
    assert refused.value.response["Error"]["Code"] == "ValidationError"
    return str(refused.value)


@pytest.mark.parametrize(("default", "arn"), [(IMAGE, f"arn:aws:ssm:{REGION}::parameter{IMAGE}"), ("/acme/queue", OWN)])
def test_who_may_not_read_a_parameter_makes_no_stack_of_it(account: Account, default: str, arn: str) -> None:
    cloudformation = account.cloudformation(account.user(*MAKE))
    stack = name()
    for act, more in (
        (cloudformation.create_stack, {}),
        (cloudformation.create_change_set, {"ChangeSetName": "first", "ChangeSetType": "CREATE"}),
    ):
        said = refusal(act, StackName=stack, TemplateBody=body(default), **more)
        assert f"is not authorized to perform: ssm:GetParameters on resource: {arn}" in said
    assert made(account.cloudformation(), body(default))[1] == "CREATE_COMPLETE"


@pytest.mark.parametrize(("default", "on"), [(IMAGE, OF_AWS), ("/acme/queue", OWN)])
def test_who_may_read_it_does(account: Account, default: str, on: str) -> None:
    caller = account.user(*MAKE, allow("ssm:GetParameters", on=on))
    assert made(account.cloudformation(caller), body(default))[1] == "CREATE_COMPLETE"


def test_the_right_to_read_one_is_none_to_read_another(account: Account) -> None:
    cloudformation = account.cloudformation(account.user(*MAKE, allow("ssm:GetParameters", on=OF_AWS)))
    assert "parameter/acme/queue" in refusal(
        cloudformation.create_stack, StackName=name(), TemplateBody=body("/acme/queue")
    )


def test_an_update_reads_again_what_it_keeps(account: Account) -> None:
    reader = allow("ssm:GetParameters", on=OWN)
    stack, status, _ = made(account.cloudformation(account.user(*MAKE, reader)), body("/acme/queue"))
    assert status == "CREATE_COMPLETE"
    kept: dict[str, Any] = {
        "StackName": stack,
        "UsePreviousTemplate": True,
        "Parameters": [{"ParameterKey": "Value", "UsePreviousValue": True}],
        "Tags": [{"Key": "new", "Value": "tag"}],
    }
    assert "parameter/acme/queue" in refusal(account.cloudformation(account.user(*MAKE)).update_stack, **kept)
    account.cloudformation(account.user(*MAKE, reader)).update_stack(**kept)
    assert settled(account.cloudformation(), stack)["StackStatus"] == "UPDATE_COMPLETE"


def test_a_service_role_reads_in_place_of_the_caller(account: Account) -> None:
    caller = account.user(*MAKE, allow("iam:PassRole"), allow("ssm:GetParameters", on=OWN))
    without = account.role(allow("sqs:*"))
    said = refusal(
        account.cloudformation(caller).create_stack,
        StackName=name(),
        TemplateBody=body("/acme/queue"),
        RoleARN=without,
    )
    assert "assumed-role" in said
    reading = account.role(allow("sqs:*"), allow("ssm:GetParameters", on=OWN))
    assert made(account.cloudformation(caller), body("/acme/queue"), RoleARN=reading)[1] == "CREATE_COMPLETE"
