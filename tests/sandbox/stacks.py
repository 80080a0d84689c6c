"""Stacks of a test's own, made by whom the test chooses."""

import json
import secrets
from typing import Any

import boto3

from sandbox.aws import ACCOUNT_ID, REGION, Aws
from tests.sandbox.conftest import eventually

Statement = dict[str, Any]
HERE = f"{REGION}:{ACCOUNT_ID}"


def allow(*actions: str, on: str | list[str] = "*", **conditions: Any) -> Statement:
    """A statement; conditions by their operator."""
    found: Statement = {"Effect": "Allow", "Action": list(actions), "Resource": on}
    return found | ({"Condition": conditions} if conditions else {})


def document(*statements: Statement) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


class Account:
    """The account of a local AWS: its root, its people, its roles and its stacks."""

    def __init__(self, aws: Aws) -> None:
        self.aws, self.iam = aws, aws.client("iam")

    def user(self, *statements: Statement) -> boto3.Session:
        """A session of a new user who may do this."""
        name = f"user-{secrets.token_hex(4)}"
        self.iam.create_user(UserName=name)
        self.iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document(*statements))
        key = self.iam.create_access_key(UserName=name)["AccessKey"]
        return boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=REGION)

    def role(
        self, *statements: Statement, boundary: str = "", service: str = "cloudformation", path: str = "/", **when: Any
    ) -> str:
        """ARN of a new role that a service, CloudFormation by default, may take."""
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": f"{service}.amazonaws.com"},
            "Action": "sts:AssumeRole",
            **({"Condition": when} if when else {}),
        }
        name = f"role-{secrets.token_hex(4)}"
        more = {"PermissionsBoundary": boundary} if boundary else {}
        made = self.iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=document(trust), **more)["Role"]
        if statements:
            self.iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document(*statements))
        arn: str = made["Arn"]
        return arn

    def managed_policy(self, *statements: Statement) -> str:
        made = self.iam.create_policy(PolicyName=f"p-{secrets.token_hex(4)}", PolicyDocument=document(*statements))
        arn: str = made["Policy"]["Arn"]
        return arn

    def cloudformation(self, session: boto3.Session | None = None) -> Any:
        if session is None:
            return self.aws.client("cloudformation")
        return session.client("cloudformation", endpoint_url=self.aws.endpoint)


def name() -> str:
    return f"stack-{secrets.token_hex(4)}"


def template(**resources: tuple[str, dict[str, Any]]) -> str:
    return json.dumps({"Resources": {key: {"Type": kind, "Properties": of} for key, (kind, of) in resources.items()}})


def settled(cloudformation: Any, stack: str) -> dict[str, Any]:
    """The stack once nothing is at work on it."""

    def look() -> dict[str, Any] | None:
        (found,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
        return None if found["StackStatus"].endswith("_IN_PROGRESS") else found

    found: dict[str, Any] = eventually(look)
    return found


def failures(cloudformation: Any, stack: str) -> dict[str, str]:
    """Why resources of the stack failed, by their logical ids."""
    events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    return {
        each["LogicalResourceId"]: each.get("ResourceStatusReason", "")
        for each in events
        if each["ResourceStatus"].endswith("_FAILED") and each["LogicalResourceId"] != each["StackName"]
    }


def made(cloudformation: Any, body: str, **more: Any) -> tuple[str, str, dict[str, str]]:
    """Create a stack; its id, the status it came to, and what failed."""
    stack_id = cloudformation.create_stack(StackName=name(), TemplateBody=body, **more)["StackId"]
    status = settled(cloudformation, stack_id)["StackStatus"]
    return stack_id, status, failures(cloudformation, stack_id)
