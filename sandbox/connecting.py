"""The local AWS as an account that the panel is let into: the panel's own user, and the role of the access template."""

import json
from collections.abc import Mapping
from typing import Any

import boto3

from acceptance import aws
from sandbox.aws import Aws

USER = "sluice-panel"
_ASSUME = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "arn:aws:iam::*:role/*"}


def own_credentials(aws: Aws, known: Mapping[str, str]) -> dict[str, str]:
    """An access key of the panel's own: a user that may assume roles, and nothing else, as docs/operations.md has it.

    Args:
        aws: the local AWS, running.
        known: the key of an earlier start, if there was one, named as in the result.

    Returns:
        `panel_access_key_id` and `panel_secret_access_key`.
    """
    iam = aws.client("iam")
    if USER not in [each["UserName"] for each in iam.list_users()["Users"]]:
        iam.create_user(UserName=USER)
    document = json.dumps({"Version": "2012-10-17", "Statement": [_ASSUME]})
    iam.put_user_policy(UserName=USER, PolicyName="AssumeRoles", PolicyDocument=document)
    there = {each["AccessKeyId"] for each in iam.list_access_keys(UserName=USER)["AccessKeyMetadata"]}
    if known.get("panel_access_key_id") in there:
        return {name: known[name] for name in ("panel_access_key_id", "panel_secret_access_key")}
    for lost in there:
        iam.delete_access_key(UserName=USER, AccessKeyId=lost)
    made = iam.create_access_key(UserName=USER)["AccessKey"]
    return {"panel_access_key_id": made["AccessKeyId"], "panel_secret_access_key": made["SecretAccessKey"]}


def launch(environment: Mapping[str, str], shown: Mapping[str, Any]) -> None:
    """Make an account's role as its owner does: from the access template, as the API shows it (`access-template/`).

    Args:
        environment: the `AWS_*` variables of the account's owner.
        shown: the API's answer.

    Raises:
        StepFailed: the stack did not come up.
    """
    cloudformation = boto3.client(
        "cloudformation",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        region_name=environment["AWS_DEFAULT_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )
    aws.launch(cloudformation, shown)
