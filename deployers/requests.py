"""Requests to CloudFormation, made of plain values.

Names and tokens derive from the operation, so that a request that is sent twice is the same request.
https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateChangeSet.html
"""

import hashlib
import hmac
import json
import re
from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

OWNER_TAG = "sluice:integration"
MAX_STACK_NAME = 128


def stack_name(integration_name: str, suffix: str) -> str:
    """`sluice-<integration>-<suffix>`, of the characters that CloudFormation takes."""
    middle = re.sub(r"[^A-Za-z0-9]+", "-", integration_name).strip("-")
    return f"sluice-{middle[: MAX_STACK_NAME - len(suffix) - 8]}-{suffix}"


def change_set_name(operation_id: UUID, part: int = 1) -> str:
    """Name of the change set of an operation; one that updates its stack twice has two parts."""
    return f"sluice-{operation_id.hex}" + ("" if part == 1 else f"-{part}")


def token(operation_id: UUID, step: str) -> str:
    """The client request token of one step of an operation."""
    return f"sluice-{operation_id.hex}-{step}"


def tags(*, integration_id: UUID, integration_name: str, team: str, panel_url: str) -> dict[str, str]:
    """Tags of a stack; `OWNER_TAG` says whose it is, the others tell people in the AWS console."""
    values = {
        OWNER_TAG: str(integration_id),
        "sluice:name": integration_name,
        "sluice:team": team,
        "sluice:panel": panel_url,
    }
    # https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
    return {key: re.sub(r"[^\w .:/=+\-@]", "-", value)[:256] for key, value in values.items()}


def parameters_digest(parameters: Mapping[str, str], *, key: bytes) -> str:
    """A keyed digest of the parameters: equal ones can be recognised, and it tells nothing about them."""
    return hmac.new(key, json.dumps(dict(parameters), sort_keys=True).encode(), hashlib.sha256).hexdigest()


def change_set(
    *,
    stack: str,
    name: str,
    create: bool,
    template_url: str,
    capabilities: Collection[str],
    parameters: Mapping[str, str],
    unchanged_secrets: Collection[str],
    stack_tags: Mapping[str, str],
    description: str,
    nested: bool = False,
) -> dict[str, Any]:
    """Arguments of CreateChangeSet.

    `unchanged_secrets` are the parameters that keep the value they have at AWS, and so are not sent again. `nested`
    computes the changes of nested stacks too.
    """
    return {
        "StackName": stack,
        "ChangeSetName": name,
        "ClientToken": name,
        "ChangeSetType": "CREATE" if create else "UPDATE",
        "TemplateURL": template_url,
        "Capabilities": sorted(capabilities),
        "Parameters": [
            {"ParameterKey": key, "UsePreviousValue": True}
            if key in unchanged_secrets
            else {"ParameterKey": key, "ParameterValue": value}
            for key, value in sorted(parameters.items())
        ],
        "Tags": [{"Key": key, "Value": value} for key, value in sorted(stack_tags.items())],
        "Description": description[:1024],
    } | ({"IncludeNestedStacks": True} if nested else {})
