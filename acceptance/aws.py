"""AWS as boto3's default chain reaches it: who asks, the role of the access template, what is left of a run."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from acceptance.errors import MissingInput, StepFailed


@contextmanager
def _in_words(what: str) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise StepFailed(f"{what}: {error}") from None


def launch(cloudformation: Any, shown: Mapping[str, Any], *, delay: int = 1) -> None:
    """Make an account's role as its owner does: from the access template, as the panel's API shows it.

    Args:
        cloudformation: boto3's client, with credentials of the account's owner.
        shown: the answer of `/aws-accounts/{id}/access-template/`.
        delay: seconds between two looks at the stack.

    Raises:
        StepFailed: the stack did not come up.
    """
    name = shown["stack_name"]
    with _in_words(f"The stack {name} of the access template did not come up"):
        cloudformation.create_stack(
            StackName=name,
            TemplateBody=json.dumps(shown["template"]),
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in shown["parameters"].items()],
        )
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName=name, WaiterConfig={"Delay": delay, "MaxAttempts": 60}
        )
        [stack] = cloudformation.describe_stacks(StackName=name)["Stacks"]
    made = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    if made["RoleArn"] != shown["role_arn"]:
        raise StepFailed(f"The access template made {made['RoleArn']}, not {shown['role_arn']}")


class Account:
    """The account that the default chain leads to, in one region.

    Raises:
        MissingInput: there is no region.
    """

    def __init__(self, region: str = "") -> None:
        with _in_words("AWS cannot be asked"):
            self._session = boto3.Session(region_name=region or None)
        self.region = self._session.region_name or ""
        if not self.region:
            raise MissingInput("No AWS region: set AWS_REGION or give --region.")

    def account_id(self) -> str:
        """The twelve digits of the account. Raises MissingInput where the credentials are not good."""
        try:
            return self._session.client("sts").get_caller_identity()["Account"]
        except (BotoCoreError, ClientError) as error:
            raise MissingInput(
                f"AWS does not know who asks ({error}). boto3's default chain needs credentials that may make a role "
                "by CloudFormation, such as AWS_PROFILE; or name an account that is connected already: --account NAME."
            ) from None

    def partition(self) -> str:
        """Such as `aws` or `aws-cn`."""
        return self._session.get_partition_for_region(self.region)

    def launch(self, shown: Mapping[str, Any]) -> None:
        """As the function `launch`."""
        launch(self._session.client("cloudformation"), shown, delay=2)

    def stacks(self) -> list[str]:
        """The names of all stacks that are there. Raises StepFailed."""
        with _in_words("AWS does not list its stacks"):
            pages = self._session.client("cloudformation").get_paginator("describe_stacks").paginate()
            return [
                each["StackName"]
                for page in pages
                for each in page["Stacks"]
                if each["StackStatus"] != "DELETE_COMPLETE"
            ]

    def delete(self, name: str) -> None:
        """Delete a stack with its buckets and all that is in them. Raises StepFailed."""
        cloudformation = self._session.client("cloudformation")
        with _in_words(f"The stack {name} could not be deleted"):
            pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
            there = [each for page in pages for each in page["StackResourceSummaries"]]
            buckets = [each["PhysicalResourceId"] for each in there if each["ResourceType"] == "AWS::S3::Bucket"]
            for bucket in buckets:
                self._empty(bucket)
            cloudformation.delete_stack(StackName=name)
            cloudformation.get_waiter("stack_delete_complete").wait(
                StackName=name, WaiterConfig={"Delay": 5, "MaxAttempts": 360}
            )
            for bucket in buckets:
                self._empty(bucket, delete=True)  # where the stack was to leave it

    def _empty(self, name: str, *, delete: bool = False) -> None:
        bucket = self._session.resource("s3").Bucket(name)
        try:
            bucket.object_versions.delete()
            if delete:
                bucket.delete()
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchBucket":
                raise
