"""Reads IAM statements out of templates."""

from collections.abc import Iterator, Mapping
from typing import Any

Granted = set[tuple[str, str, str]]
"""Template, logical id and action."""


def statements(value: Any) -> Iterator[dict[str, Any]]:
    """Every IAM statement anywhere below, on every branch of an `Fn::If`."""
    if isinstance(value, dict):
        if "Effect" in value:
            yield value
        for each in value.values():
            yield from statements(each)
    elif isinstance(value, list):
        for each in value:
            yield from statements(each)


def granted(source: str, template: Mapping[str, Any]) -> Granted:
    """What the template's roles and managed policies allow; policies of AWS stand as `managed:<name>`."""
    found: Granted = set()
    for name, resource in template["Resources"].items():
        if not resource["Type"].startswith("AWS::IAM::"):
            continue
        for statement in statements(resource.get("Properties", {})):
            if statement["Effect"] == "Allow" and "Principal" not in statement:
                found |= {(source, name, action) for action in as_list(statement.get("Action", []))}
        for arn in as_list(resource.get("Properties", {}).get("ManagedPolicyArns", [])):
            if "Fn::Sub" in arn:
                found.add((source, name, f"managed:{str(arn['Fn::Sub']).rpartition('/')[2]}"))
    return found


def as_list(value: Any) -> list[Any]:
    """A list as it is, anything else as the only element of one."""
    return value if isinstance(value, list) else [value]
