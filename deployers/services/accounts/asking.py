"""Questions to IAM about what the access template allows: each statement as a request that a stack would make."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from deployers import access_needs, templates
from deployers.aws.iam import Ask
from deployers.catalog import CODEDEPLOY, ECS, GIT

_VARIABLE = re.compile(r"\$\{([^}]+)\}")
SAMPLE = "check"
"""Stands for what a stack calls its things: `sluice-check`."""
# Of the services that roles are passed to, those of each kind of stack.
_PASSED = {
    GIT.kind: ("lambda",),
    CODEDEPLOY.kind: ("lambda", "ec2", "codedeploy"),
    ECS.kind: ("lambda", "ec2", "codebuild", "codepipeline", "events"),
}


def asks(kind: str, *, partition: str, account_id: str, region: str) -> list[Ask]:
    """What has to be allowed for a kind of stack."""
    values = {
        "AWS::Partition": partition,
        "AWS::AccountId": account_id,
        "ArtifactBuckets": f"sluice-{SAMPLE}",
        "RoleName": SAMPLE,
    }
    needed, resources = access_needs.needs(kind), templates.load(access_needs.TEMPLATE)["Resources"]
    found = []
    for name in access_needs.POLICIES[kind]:
        for statement in resources[name]["Properties"]["PolicyDocument"]["Statement"]:
            actions = tuple(each for each in _as_list(statement["Action"]) if each in needed)
            where = [_sample(each, values, region) for each in _as_list(statement["Resource"])]
            condition = {
                key: _as_list(value) for each in statement.get("Condition", {}).values() for key, value in each.items()
            }
            if actions and not _is_of_the_check(statement):
                found += [Ask(actions, *each) for each in _requests(kind, where, condition, values, region)]
    return found


def _is_of_the_check(statement: Mapping[str, Any]) -> bool:
    """What *Check* alone asks, of the connected role and of service-linked roles."""
    return statement["Resource"] != "*" and set(_as_list(statement["Action"])) <= set(access_needs.CHECK.split())


def _requests(
    kind: str, where: list[str], condition: Mapping[str, list[Any]], values: Mapping[str, str], region: str
) -> Iterator[tuple[str, dict[str, str]]]:
    """A resource and condition keys for each request that the statement is there for."""
    if services := condition.get("iam:PassedToService"):
        for service in services:
            if service.partition(".")[0] in _PASSED[kind]:
                yield where[0], {"iam:PassedToService": service}
    elif services := condition.get("iam:AWSServiceName"):
        for resource, service in zip(where, services, strict=True):
            yield resource, {"iam:AWSServiceName": service}
    else:
        # Whether a tag is there, and which function it is about.
        keys = {
            key: _sample(given[0], values, region) if isinstance(given[0], dict) else SAMPLE
            for key, given in condition.items()
        }
        yield where[0], keys


def _sample(pattern: Any, values: Mapping[str, str], region: str) -> str:
    """An ARN that fits the pattern, in this region."""
    text = pattern["Fn::Sub"] if isinstance(pattern, dict) else str(pattern)
    if text == "*":
        return text
    parts = _VARIABLE.sub(lambda found: values[found[1]], text).split(":", 5)
    parts[3] = region if parts[3] == "*" else parts[3]
    return ":".join(parts).replace("*", SAMPLE)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
