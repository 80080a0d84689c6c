"""A pipeline's Deploy action: it creates or updates a stack.

https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-CloudFormation.html
"""

import json
import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from sandbox.codepipeline.errors import ActionFailed

_POLL_SECONDS = 0.2


class Deploying:
    """One stack, created or updated."""

    def __init__(self, client: Any, name: str) -> None:
        self._client, self._name = client, name

    def begin(
        self, template: str, *, parameters: dict[str, str], tags: dict[str, str], capabilities: list[str], role: str
    ) -> str:
        """Create the stack, or update it if there is one; its id."""
        request: dict[str, Any] = {
            "StackName": self._name,
            "TemplateBody": template,
            "Parameters": [
                {"ParameterKey": key, "ParameterValue": str(value)} for key, value in sorted(parameters.items())
            ],
            "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
            "Capabilities": capabilities,
            **({"RoleARN": role} if role else {}),
        }
        found = self._find()
        if found is None:
            stack: str = self._client.create_stack(**request)["StackId"]
            return stack
        try:
            self._client.update_stack(**request)
        except ClientError as error:
            if "No updates are to be performed" not in str(error):
                raise
        return str(found["StackId"])

    def end(self, check: Callable[[], None]) -> dict[str, str]:
        """Wait for the operation's end; the stack's outputs. Raises ActionFailed, and what `check` raises."""
        while True:
            found = self._find() or {"StackStatus": "DELETE_COMPLETE"}
            status = found["StackStatus"]
            if not status.endswith("_IN_PROGRESS"):
                break
            check()
            time.sleep(_POLL_SECONDS)
        if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            reason = found.get("StackStatusReason") or "its events tell why."
            raise ActionFailed("JobFailed", f"Stack {self._name} is {status}: {reason}")
        return {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}

    def _find(self) -> dict[str, Any] | None:
        try:
            (found,) = self._client.describe_stacks(StackName=self._name)["Stacks"]
        except ClientError as error:
            if "does not exist" not in str(error):
                raise
            return None
        result: dict[str, Any] = found
        return None if result["StackStatus"] == "DELETE_COMPLETE" else result


def resolved(
    overrides: dict[str, Any], read: Callable[[str, str], bytes], artifacts: dict[str, dict[str, str]]
) -> dict[str, str]:
    """Parameter overrides with their Fn::GetParam and Fn::GetArtifactAtt replaced. Raises ActionFailed."""
    return {name: _resolved(name, value, read, artifacts) for name, value in overrides.items()}


def _resolved(name: str, value: Any, read: Callable[[str, str], bytes], artifacts: dict[str, dict[str, str]]) -> str:
    if not isinstance(value, dict):
        return str(value)
    if "Fn::GetParam" in value:
        artifact, file, key = value["Fn::GetParam"]
        try:
            return str(json.loads(read(artifact, file))[key])
        except (ValueError, KeyError, TypeError):
            message = f"Parameter [{key}] does not exist in file [{file}] of artifact [{artifact}]"
            raise ActionFailed("ConfigurationError", message) from None
    if "Fn::GetArtifactAtt" in value:
        artifact, attribute = value["Fn::GetArtifactAtt"]
        place = artifacts.get(artifact, {})
        known = {"BucketName": place.get("bucket"), "ObjectKey": place.get("key")}
        if found := known.get(attribute):
            return found
    raise ActionFailed("ConfigurationError", f"The override of {name} cannot be resolved.")
