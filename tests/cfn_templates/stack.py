"""A stack of the Git to S3 template, driven as the panel drives it: through change sets."""

import http.client
import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from deployers import templates
from sandbox.aws import Aws

GIT_TO_S3 = "git_intgrtn_aws_s3_main.yaml"
SECONDS = 30.0


@dataclass(frozen=True)
class Packages:
    """Where the Lambda packages are, and what they were built for."""

    bucket: str
    runtime: str
    architecture: str


@dataclass(frozen=True)
class Answer:
    status: int
    body: dict[str, Any]


class Stack:
    def __init__(self, aws: Aws, name: str, packages: Packages) -> None:
        self.aws = aws
        self.name = name
        self.id = ""
        self._packages = packages
        self._cloudformation = aws.client("cloudformation")
        self._given: dict[str, str] = {}

    def create(self, **parameters: str) -> None:
        self._given = {
            "LambdaArtifactS3Bucket": self._packages.bucket,
            "LambdaArtifactPrefix": "first",
            "LambdaRuntime": self._packages.runtime,
            "LambdaArchitecture": self._packages.architecture,
            **parameters,
        }
        chosen = [{"ParameterKey": key, "ParameterValue": value} for key, value in self._given.items()]
        status = self._apply("CREATE", chosen)
        assert status == "CREATE_COMPLETE", self.failures()

    def update(self, **parameters: str) -> None:
        """Change these parameters and keep all others."""
        kept = [{"ParameterKey": key, "UsePreviousValue": True} for key in self._given if key not in parameters]
        chosen = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
        self._given.update(parameters)
        status = self._apply("UPDATE", kept + chosen)
        assert status == "UPDATE_COMPLETE", self.failures()

    def delete(self, retain: list[str] | None = None) -> str:
        """Delete it and return the status that it ends in."""
        self._cloudformation.delete_stack(StackName=self.id, RetainResources=retain or [])
        return self._settled()

    @property
    def outputs(self) -> dict[str, str]:
        found = self._cloudformation.describe_stacks(StackName=self.id)["Stacks"][0]["Outputs"]
        return {each["OutputKey"]: each["OutputValue"] for each in found}

    def failures(self) -> list[str]:
        """The reasons of what failed, oldest first."""
        pages = self._cloudformation.get_paginator("describe_stack_events").paginate(StackName=self.id)
        events = [event for page in pages for event in page["StackEvents"]]
        return [
            f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}"
            for event in reversed(events)
            if event["ResourceStatus"].endswith("FAILED")
        ]

    def post(self, output: str, body: bytes, headers: dict[str, str]) -> Answer:
        """Post to one of the webhook addresses among the outputs.

        *.localhost is this machine (RFC 6761) whether or not the resolver knows.
        """
        url = urlsplit(self.outputs[output])
        connection = http.client.HTTPConnection("127.0.0.1", url.port, timeout=10)
        try:
            connection.request("POST", url.path, body, {**headers, "Host": url.netloc})
            response = connection.getresponse()
            return Answer(response.status, json.loads(response.read()))
        finally:
            connection.close()

    def delivery(self, delivery_id: str) -> dict[str, str]:
        """The delivery's text attributes; empty if there is no such delivery."""
        answer = self.aws.client("dynamodb").get_item(
            TableName=self.outputs["DeliveriesTableName"], Key={"id": {"S": delivery_id}}
        )
        return {name: value["S"] for name, value in answer.get("Item", {}).items() if "S" in value}

    def delivery_once(self, delivery_id: str, status: str) -> dict[str, str]:
        """The delivery as soon as it has this status."""
        deadline = time.monotonic() + SECONDS
        while (found := self.delivery(delivery_id)).get("status") != status:
            assert time.monotonic() < deadline, found
            time.sleep(0.05)
        return found

    def _apply(self, kind: str, parameters: list[dict[str, Any]]) -> str:
        change_set = self._cloudformation.create_change_set(
            StackName=self.id or self.name,
            ChangeSetName=f"{kind.lower()}-{time.monotonic_ns()}",
            ChangeSetType=kind,
            TemplateBody=templates.render(GIT_TO_S3).decode(),
            Capabilities=["CAPABILITY_IAM"],
            Parameters=parameters,
        )
        self.id = change_set["StackId"]
        self._cloudformation.execute_change_set(ChangeSetName=change_set["Id"])
        return self._settled()

    def _settled(self) -> str:
        deadline = time.monotonic() + SECONDS
        while True:
            stack = self._cloudformation.describe_stacks(StackName=self.id)["Stacks"][0]
            status: str = stack["StackStatus"]
            if not status.endswith("_IN_PROGRESS"):
                return status
            assert time.monotonic() < deadline, status
            time.sleep(0.05)
