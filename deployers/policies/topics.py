"""Finds topics that EventBridge cannot publish to, though their policy lets it."""

from collections.abc import Mapping
from typing import Any

SERVICE_KEY = "alias/aws/sns"


def faults(source: str, template: Mapping[str, Any]) -> list[str]:
    """Topics that are a rule's target under SNS's own key, which EventBridge may not use.

    https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services
    """
    resources = template["Resources"]
    targets = [
        target["Arn"].get("Ref")
        for resource in resources.values()
        if resource["Type"] == "AWS::Events::Rule"
        for target in resource["Properties"].get("Targets", [])
        if isinstance(target["Arn"], dict)
    ]
    return [
        f"{source} {name}: EventBridge cannot use {SERVICE_KEY}: its messages would never arrive"
        for name, resource in resources.items()
        if resource["Type"] == "AWS::SNS::Topic"
        and name in targets
        and resource.get("Properties", {}).get("KmsMasterKeyId") == SERVICE_KEY
    ]
