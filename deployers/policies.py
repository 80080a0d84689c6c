"""Checks the IAM policies of all templates: `python -m deployers.policies`, part of `make check`.

No wildcard among actions; no resource `*` but for listed actions; services act for this account alone; and
docs/iam.md says of each role's actions, and of no others, why they are needed.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from deployers import templates

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "iam.md"

# They take no resource, or are asked about several in one request as DescribeAlarms is:
# https://docs.aws.amazon.com/service-authorization/latest/reference/
WITHOUT_RESOURCE = frozenset(
    {
        "application-autoscaling:DescribeScalableTargets",
        "application-autoscaling:DescribeScalingPolicies",
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:DescribeLifecycleHooks",
        "autoscaling:DescribePolicies",
        "cloudwatch:DescribeAlarms",
        "codepipeline:PutJobFailureResult",
        "codepipeline:PutJobSuccessResult",
        "ec2:DescribeInstanceStatus",
        "ec2:DescribeInstances",
        "ec2:DescribeSecurityGroupRules",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSubnets",
        "ec2:DescribeVpcs",
        "ecr:GetAuthorizationToken",
        "ecs:DeregisterTaskDefinition",
        "ecs:DescribeTaskDefinition",
        "ecs:RegisterTaskDefinition",
        "elasticloadbalancing:DescribeListeners",
        "elasticloadbalancing:DescribeLoadBalancerAttributes",
        "elasticloadbalancing:DescribeLoadBalancers",
        "elasticloadbalancing:DescribeTags",
        "elasticloadbalancing:DescribeTargetGroupAttributes",
        "elasticloadbalancing:DescribeTargetGroups",
        "elasticloadbalancing:DescribeTargetHealth",
        "logs:DescribeLogGroups",
    }
)
# These get their role by iam:PassRole, within its account; AWS's own trust policies for them have no condition:
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html
TRUSTED_AS_THEY_ARE = frozenset({"ec2.amazonaws.com", "ecs-tasks.amazonaws.com", "lambda.amazonaws.com"})
SOURCE_KEYS = ("aws:sourceaccount", "aws:sourcearn")

Documented = set[tuple[str, str, str]]
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


def granted(source: str, template: Mapping[str, Any]) -> Documented:
    """What the template's roles and managed policies allow; policies of AWS stand as `managed:<name>`."""
    found: Documented = set()
    for name, resource in template["Resources"].items():
        if not resource["Type"].startswith("AWS::IAM::"):
            continue
        for statement in statements(resource["Properties"]):
            if statement["Effect"] == "Allow" and "Principal" not in statement:
                found |= {(source, name, action) for action in _list(statement.get("Action", []))}
        for arn in _list(resource["Properties"].get("ManagedPolicyArns", [])):
            if "Fn::Sub" in arn:
                found.add((source, name, f"managed:{str(arn['Fn::Sub']).rpartition('/')[2]}"))
    return found


def faults(source: str, template: Mapping[str, Any]) -> list[str]:
    """What is wider than it could be, in words."""
    found = []
    for name, resource in template["Resources"].items():
        for statement in statements(resource.get("Properties", {})):
            if statement["Effect"] == "Allow":
                # A key's policy is about that key, whatever resource it names.
                own = resource["Type"] == "AWS::KMS::Key"
                found += [f"{source} {name}: {fault}" for fault in _faults(statement, own=own)]
        if resource["Type"] == "AWS::Lambda::Permission":
            missing = {"SourceAccount", "SourceArn"} - set(resource["Properties"])
            # The ARNs of buckets name no account; those of other services do.
            if "SourceArn" in missing or (missing and resource["Properties"]["Principal"] == "s3.amazonaws.com"):
                found.append(f"{source} {name}: lacks {' and '.join(sorted(missing))}")
    return found


def _faults(statement: Mapping[str, Any], *, own: bool) -> Iterator[str]:
    for name in ("NotAction", "NotPrincipal", "NotResource"):
        if name in statement:
            yield f"{name} allows what nobody listed"
    actions = _list(statement.get("Action", []))
    for action in actions:
        if "*" in action or "?" in action:
            yield f"{action} is a wildcard: list the actions"
    if not own and "*" in _list(statement.get("Resource", [])):
        for action in sorted(set(actions) - WITHOUT_RESOURCE):
            yield f"{action} is allowed for every resource"
    principal = statement.get("Principal", {})
    if principal == "*" or "*" in _list(principal.get("AWS", [])):
        yield "everybody is allowed"
        return
    keys = {key.lower() for condition in statement.get("Condition", {}).values() for key in condition}
    for service in _list(principal.get("Service", [])):
        if service not in TRUSTED_AS_THEY_ARE and not keys & set(SOURCE_KEYS):
            yield f"{service} may act for other accounts: add a condition on aws:SourceAccount or aws:SourceArn"


def documented(text: str) -> Documented:
    """What docs/iam.md explains: `## template`, `### role`, and rows whose first cell lists actions."""
    found: Documented = set()
    source = role = ""
    for line in text.splitlines():
        if line.startswith("## "):
            source, role = line[3:].strip("` "), ""
        elif line.startswith("### "):
            role = line[4:].strip("` ")
        elif line.startswith("|") and role:
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if cells[-1]:
                found |= {(source, role, action) for action in re.findall(r"`([a-z0-9-]+:\w+)`", cells[0])}
    return found


def check() -> list[str]:
    """All that is wrong with the templates and the document, one line each."""
    found, allowed = [], set()
    for path in sorted(templates.DIRECTORY.rglob("*.yaml")):
        source = path.relative_to(templates.DIRECTORY).as_posix()
        template = templates.load(source)
        found += faults(source, template)
        allowed |= granted(source, template)
    explained = documented(DOCUMENT.read_text(encoding="utf-8"))
    found += [f"docs/iam.md does not say why {' '.join(each)} is needed" for each in sorted(allowed - explained)]
    found += [
        f"docs/iam.md explains {' '.join(each)}, which no template allows" for each in sorted(explained - allowed)
    ]
    return found


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


if __name__ == "__main__":
    problems = check()
    sys.stdout.writelines(f"{problem}\n" for problem in problems)
    sys.exit(1 if problems else 0)
