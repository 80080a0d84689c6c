"""Which permissions a resource with given properties needs, out of all that its type may need.

`deployers.resource_permissions` has what AWS publishes for a type, whatever its properties. Three things are added to
that: what the service asks the caller for on its own (ADDED), which calls a `Describe*` stands for (CALLS), and what
the properties certainly do not need (UNNEEDED, each with its reason). The check of templates and the local AWS ask
here, so that both know the same.

A create or update handler returns every property of the resource, and so reads it:
https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-test-contract.html
"""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from deployers import resource_permissions
from deployers.unneeded_permissions import UNNEEDED, Unneeded

CUSTOM = ("Custom::", "AWS::CloudFormation::CustomResource")
"""What types of custom resources begin with."""

_ALARMS = "cloudwatch:DescribeAlarms cloudwatch:PutMetricAlarm cloudwatch:DeleteAlarms"

_DELIVERY = (
    "logs:DescribeLogGroups logs:DescribeResourcePolicies logs:GetLogDelivery logs:ListLogDeliveries "
    "logs:PutResourcePolicy"
)

# By type and operation: what the registry's schema does not tell, from the services' own pages.
ADDED = {
    # Of whoever lets a stage log: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging.html
    ("AWS::ApiGatewayV2::Stage", "create"): f"{_DELIVERY} logs:CreateLogDelivery",
    ("AWS::ApiGatewayV2::Stage", "update"): f"{_DELIVERY} logs:CreateLogDelivery logs:UpdateLogDelivery",
    ("AWS::ApiGatewayV2::Stage", "delete"): "logs:DeleteLogDelivery logs:GetLogDelivery logs:ListLogDeliveries",
    # https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/elb-api-permissions.html
    ("AWS::ElasticLoadBalancingV2::LoadBalancer", "create"): "ec2:DescribeAccountAttributes ec2:DescribeAddresses "
    "ec2:DescribeInternetGateways ec2:DescribeSecurityGroups ec2:DescribeSubnets ec2:DescribeVpcs "
    "iam:CreateServiceLinkedRole",
    ("AWS::ElasticLoadBalancingV2::LoadBalancer", "update"): "ec2:DescribeSecurityGroups ec2:DescribeSubnets",
    ("AWS::ElasticLoadBalancingV2::TargetGroup", "create"): "ec2:DescribeInternetGateways ec2:DescribeVpcs "
    "iam:CreateServiceLinkedRole",
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/auto-scaling-IAM.html
    ("AWS::ApplicationAutoScaling::ScalableTarget", "create"): "ecs:DescribeServices ecs:UpdateService",
    ("AWS::ApplicationAutoScaling::ScalingPolicy", "create"): _ALARMS,
    ("AWS::ApplicationAutoScaling::ScalingPolicy", "update"): _ALARMS,
    ("AWS::ApplicationAutoScaling::ScalingPolicy", "delete"): "cloudwatch:DeleteAlarms",
    # https://docs.aws.amazon.com/autoscaling/application/userguide/security_iam_service-with-iam.html
    ("AWS::ApplicationAutoScaling::ScalableTarget", "read"): "application-autoscaling:ListTagsForResource",
    # A nested stack's template is fetched for the caller:
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/control-access-with-iam.html
    ("AWS::CloudFormation::Stack", "create"): "s3:GetObject",
    ("AWS::CloudFormation::Stack", "update"): "s3:GetObject",
}

# What a pattern of the table stands for here: the calls that the handler has to make.
CALLS = {
    # IAM knows no such actions: tags are put to, and deleted from, a resource of their own.
    # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonapigatewaymanagementv2.html
    "apigateway:TagResource": "apigateway:PUT",
    "apigateway:UntagResource": "apigateway:DELETE",
    "autoscaling:Describe*": "autoscaling:DescribeAutoScalingGroups autoscaling:DescribeScalingActivities",
    "ec2:Describe*": "ec2:DescribeLaunchTemplates ec2:DescribeLaunchTemplateVersions ec2:DescribeSubnets",
    "ec2:Get*": "",
    "elasticloadbalancing:Describe*": "elasticloadbalancing:DescribeTargetGroups",
    "managed-fleets:Get*": "",
    # Taken away by the permission with which they are put:
    # https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketEncryption.html
    # https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketLifecycle.html
    "s3:DeleteBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:DeleteBucketLifecycle": "s3:PutLifecycleConfiguration",
    "ssm:Get*": "ssm:GetParameters",
}


def needed(kind: str, operation: str, properties: Mapping[str, Any], *, tagged: bool = False) -> frozenset[str]:
    """What "create", "update" or "delete" of this resource needs, as `service:Action` without patterns.

    Args:
        kind: the resource's type; custom resources are known, others outside the table raise KeyError.
        operation: one of the three.
        properties: as the stack has them, or as the template does: an intrinsic function counts as any value.
        tagged: whether the stack has tags, which go to its resources.
    """
    if kind.startswith(CUSTOM):
        # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-custom-resources.html
        return frozenset({"lambda:InvokeFunction"})
    names = set(_named(kind, operation))
    found = names - {
        name
        for row, hit in _rows(kind, operation)
        for name in hit
        if not any(_has(properties, path, tagged=tagged) for path in row.unless)
    }
    return frozenset(call for name in found for call in CALLS.get(name, name).split())


def both_branches(value: Any) -> Any:
    """Both branches of an `Fn::If` that is one of a list stand in that list."""
    if isinstance(value, dict):
        return {name: both_branches(each) for name, each in value.items()}
    if not isinstance(value, list):
        return value
    found = []
    for each in value:
        branches = each["Fn::If"][1:] if isinstance(each, dict) and "Fn::If" in each else [each]
        found += [both_branches(branch) for branch in branches if branch != {"Ref": "AWS::NoValue"}]
    return found


@lru_cache(maxsize=256)
def _named(kind: str, operation: str) -> frozenset[str]:
    operations = (operation,) if operation == "delete" else (operation, "read")
    found = [each for name in operations for each in resource_permissions.permissions(kind, name)]
    found += [each for name in operations for each in ADDED.get((kind, name), "").split()]
    # Actions are compared without case; the table writes one of them in two ways.
    return frozenset("s3:" + each[3:] if each.startswith("S3:") else each for each in found)


@lru_cache(maxsize=256)
def _rows(kind: str, operation: str) -> tuple[tuple[Unneeded, frozenset[str]], ...]:
    """The rows about this type, each with what it takes away."""
    names = _named(kind, operation)
    rows = [row for row in UNNEEDED if fnmatchcase(kind, row.kind) and row.operation in ("", operation)]
    hits = [frozenset(name for name in names if row.takes(name)) for row in rows]
    return tuple((row, hit) for row, hit in zip(rows, hits, strict=True) if hit)


def _has(properties: Any, path: str, *, tagged: bool) -> bool:
    """Whether there is a value at `A.B`, in any element of lists on the way; with `A=value`, whether it may be that."""
    path, _, wanted = path.partition("=")
    if path == "Tags" and tagged:
        return True
    return any(
        _is_function(value) or (str(value).lower() == wanted.lower() if wanted else value not in (None, "", [], {}))
        for value in _at(properties, path.split("."))
    )


def _is_function(value: Any) -> bool:
    return isinstance(value, dict) and any(key == "Ref" or key.startswith("Fn::") for key in value)


def _at(value: Any, names: list[str]) -> Iterator[Any]:
    """What may be there: each branch of an `Fn::If`, nothing for AWS::NoValue, and a function as it stands."""
    if isinstance(value, list):
        for each in value:
            yield from _at(each, names)
    elif isinstance(value, dict) and "Fn::If" in value:
        yield from _at(value["Fn::If"][1:], names)
    elif value == {"Ref": "AWS::NoValue"}:
        return
    elif _is_function(value) or not names:
        yield value
    elif isinstance(value, dict) and names[0] in value:
        yield from _at(value[names[0]], names[1:])
