"""AWS as boto3's default chain reaches it: who asks, the role of the access template, what is left of a run."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
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
    """The account that the default chain leads to, or given credentials, in one region.

    Args:
        region: empty: the one that the credentials come with.
        session: boto3's session in place of the default chain.
        endpoint: address of AWS, where it is not AWS's own.

    Raises:
        MissingInput: there is no region.
    """

    def __init__(self, region: str = "", *, session: boto3.Session | None = None, endpoint: str | None = None) -> None:
        with _in_words("AWS cannot be asked"):
            self._session = session or boto3.Session(region_name=region or None)
        self._endpoint = endpoint
        self.region = self._session.region_name or ""
        if not self.region:
            raise MissingInput("No AWS region: set AWS_REGION or give --region.")

    def account_id(self) -> str:
        """The twelve digits of the account. Raises MissingInput where the credentials are not good."""
        try:
            return str(self._client("sts").get_caller_identity()["Account"])
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
        launch(self._client("cloudformation"), shown, delay=self._delay)

    def networks(self) -> dict[str, list[dict[str, Any]]]:
        """`vpcs` and `subnets` as `network.pick` takes them. Raises StepFailed."""
        ec2 = self._client("ec2")
        with _in_words("AWS does not list its networks"):
            vpcs = [each for page in ec2.get_paginator("describe_vpcs").paginate() for each in page["Vpcs"]]
            subnets = [each for page in ec2.get_paginator("describe_subnets").paginate() for each in page["Subnets"]]
        return {
            "vpcs": [{"id": each["VpcId"], "default": each.get("IsDefault", False)} for each in vpcs],
            "subnets": [
                {
                    "id": each["SubnetId"],
                    "vpc": each["VpcId"],
                    "zone": each["AvailabilityZone"],
                    "public": each.get("MapPublicIpOnLaunch", False),
                }
                for each in subnets
            ],
        }

    def outputs(self, name: str) -> dict[str, str]:
        """The outputs of a stack. Raises StepFailed."""
        with _in_words(f"AWS does not tell of the stack {name}"):
            [stack] = self._client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}

    def stacks(self) -> list[str]:
        """The names of all stacks that are there, without those that are parts of others. Raises StepFailed."""
        with _in_words("AWS does not list its stacks"):
            pages = self._client("cloudformation").get_paginator("describe_stacks").paginate()
            return [
                each["StackName"]
                for page in pages
                for each in page["Stacks"]
                if each["StackStatus"] != "DELETE_COMPLETE" and not each.get("ParentId")
            ]

    def delete(self, name: str) -> None:
        """Delete a stack with its buckets and registries and all that is in them. Raises StepFailed."""
        cloudformation = self._client("cloudformation")
        with _in_words(f"The stack {name} could not be deleted"):
            there = list(self._resources(name))
            buckets = [id_ for kind, id_ in there if kind == "AWS::S3::Bucket"]
            for bucket in buckets:
                self._empty(bucket)
            for registry in [id_ for kind, id_ in there if kind == "AWS::ECR::Repository"]:
                self._delete_registry(registry)
            cloudformation.delete_stack(StackName=name)
            cloudformation.get_waiter("stack_delete_complete").wait(
                StackName=name, WaiterConfig={"Delay": 5, "MaxAttempts": 720}
            )
            for bucket in buckets:
                self._empty(bucket, delete=True)  # where the stack was to leave it

    def _resources(self, name: str) -> Iterator[tuple[str, str]]:
        """Type and id of what a stack made, and the stacks that it is made of."""
        for page in self._client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=name):
            for each in page["StackResourceSummaries"]:
                made = each.get("PhysicalResourceId")
                if not made or each["ResourceStatus"] == "DELETE_COMPLETE":
                    continue
                yield each["ResourceType"], made
                if each["ResourceType"] == "AWS::CloudFormation::Stack":
                    yield from self._resources(made)

    def _delete_registry(self, name: str) -> None:
        ecr = self._client("ecr")
        with suppress(ecr.exceptions.RepositoryNotFoundException):
            ecr.delete_repository(repositoryName=name, force=True)

    def _empty(self, name: str, *, delete: bool = False) -> None:
        bucket = self._session.resource("s3", endpoint_url=self._endpoint).Bucket(name)
        try:
            bucket.object_versions.delete()
            if delete:
                bucket.delete()
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchBucket":
                raise

    @property
    def _delay(self) -> int:
        """Seconds between two looks at a stack that is being made."""
        return 1 if self._endpoint else 2

    def _client(self, service: str) -> Any:
        return self._session.client(service, endpoint_url=self._endpoint)  # type: ignore[call-overload]
