"""The ARNs that a template's values stand for, as patterns in which `*` is anything."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

_PARTS = 5
"""Colons of an ARN before its resource."""
_VARIABLE = re.compile(r"\$\{([^!][^}]*)\}")

# The ARN of what a template makes, for `Ref` of those types whose physical id is an ARN, and for `Fn::GetAtt X.Arn`:
# https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
_MADE = {
    "AWS::CloudFormation::Stack": "arn:aws:cloudformation:*:*:stack/*/*",
    "AWS::CodeBuild::Project": "arn:aws:codebuild:*:*:project/*",
    "AWS::DynamoDB::Table": "arn:aws:dynamodb:*:*:table/*",
    "AWS::ECR::Repository": "arn:aws:ecr:*:*:repository/*",
    "AWS::Events::Rule": "arn:aws:events:*:*:rule/*",
    "AWS::IAM::ManagedPolicy": "arn:aws:iam::*:policy/*",
    "AWS::IAM::Role": "arn:aws:iam::*:role/*",
    "AWS::KMS::Key": "arn:aws:kms:*:*:key/*",
    "AWS::Lambda::Function": "arn:aws:lambda:*:*:function:*",
    "AWS::Logs::LogGroup": "arn:aws:logs:*:*:log-group:*:*",
    "AWS::S3::Bucket": "arn:aws:s3:::*",
    "AWS::SNS::Topic": "arn:aws:sns:*:*:*",
    "AWS::SQS::Queue": "arn:aws:sqs:*:*:*",
    "AWS::SecretsManager::Secret": "arn:aws:secretsmanager:*:*:secret:*",
}
_ARN_BY_ATTRIBUTE = {("AWS::SecretsManager::Secret", "Id")}
_ARN_BY_REF = frozenset(
    {
        "AWS::CloudFormation::Stack",
        "AWS::IAM::ManagedPolicy",
        "AWS::SNS::Topic",
        "AWS::SecretsManager::Secret",
    }
)
_GIVEN = {
    "DeliveriesKeyArn": "arn:aws:kms:*:*:key/*",
    "KmsKeyArn": "arn:aws:kms:*:*:key/*",
    "RepositoryArn": "arn:aws:ecr:*:*:repository/*",
    "ServiceRoleArn": "arn:aws:iam::*:role/*",
    "TaskPermissionsBoundary": "arn:aws:iam::*:policy/*",
}
"""What parameters stand for that hold a whole ARN."""


class UnknownArn(Exception):
    """A value whose ARN nobody listed here; the message says which."""


def pattern(value: Any, template: Mapping[str, Any]) -> str:
    """The pattern of a statement's resource. Raises UnknownArn."""
    if isinstance(value, str):
        return value
    if "Fn::Sub" in value:
        text = value["Fn::Sub"]
        text, given = (text, {}) if isinstance(text, str) else text
        return _VARIABLE.sub(lambda found: _variable(found[1], given, template), text)
    if "Fn::GetAtt" in value:
        name, attribute = _attribute(value["Fn::GetAtt"])
        return _arn(name, attribute, template)
    if "Fn::If" in value and len(either := {pattern(each, template) for each in value["Fn::If"][1:]}) == 1:
        return either.pop()
    if "Ref" in value:
        return _reference(value["Ref"], template)
    raise UnknownArn(f"deployers.policies.arns cannot read {value}")


def form(arn: str) -> str:
    """A form of the reference, such as `arn:${Partition}:sqs:${Region}:${Account}:${QueueName}`, as a pattern."""
    return _VARIABLE.sub("*", arn.replace("${Partition}", "aws"))


def overlap(one: str, other: str) -> bool:
    """Whether any ARN fits both patterns. A `*` stays within its part: the service, the region, the account ..."""
    if "*" in (one, other):
        return True
    parts = zip(one.split(":", _PARTS), other.split(":", _PARTS), strict=False)
    return one.count(":") >= _PARTS and all(_fit(*each) for each in parts)


@lru_cache(maxsize=4096)
def _fit(one: str, other: str) -> bool:
    """Whether any text fits both."""
    if not one or not other:
        return set(one + other) <= {"*"}
    if one[0] == "*":
        return _fit(one[1:], other) or _fit(one, other[1:])
    if other[0] == "*":
        return _fit(other, one)
    return one[0] == other[0] and _fit(one[1:], other[1:])


def _variable(name: str, given: Mapping[str, Any], template: Mapping[str, Any]) -> str:
    if name == "AWS::Partition":
        return "aws"
    if name.endswith(".Arn"):
        return _arn(name.removesuffix(".Arn"), "Arn", template)
    if name in given:
        return "*"
    kind = template["Resources"].get(name, {}).get("Type")
    return _MADE[kind] if kind in _ARN_BY_REF else "*"


def _reference(name: str, template: Mapping[str, Any]) -> str:
    kind = template["Resources"].get(name, {}).get("Type")
    if kind in _ARN_BY_REF:
        return _MADE[kind]
    if name in _GIVEN and name in template.get("Parameters", {}):
        return _GIVEN[name]
    raise UnknownArn(f"deployers.policies.arns does not know the ARN of {name}")


def _attribute(value: Any) -> tuple[str, str]:
    name, _, attribute = value.partition(".") if isinstance(value, str) else (value[0], ".", value[1])
    return name, attribute


def _arn(name: str, attribute: str, template: Mapping[str, Any]) -> str:
    kind = template["Resources"].get(name, {}).get("Type")
    if kind not in _MADE or (attribute != "Arn" and (kind, attribute) not in _ARN_BY_ATTRIBUTE):
        raise UnknownArn(f"deployers.policies.arns does not know {name}.{attribute}")
    return _MADE[kind]
