"""What IAM policies allow beyond what is needed."""

from collections.abc import Iterator, Mapping
from typing import Any

from deployers.policies.statements import as_list, statements

# They take no resource, or are asked about several in one request as DescribeAlarms, DescribeStacks and ListTasks are:
# https://docs.aws.amazon.com/service-authorization/latest/reference/
WITHOUT_RESOURCE = frozenset(
    {
        "acm:ListCertificates",
        "acm:RequestCertificate",
        "application-autoscaling:DescribeScalableTargets",
        "application-autoscaling:DescribeScalingPolicies",
        "application-autoscaling:DescribeScheduledActions",
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:DescribeAutoScalingInstances",
        "autoscaling:DescribeLifecycleHooks",
        "autoscaling:DescribeNotificationConfigurations",
        "autoscaling:DescribePolicies",
        "autoscaling:DescribeScalingActivities",
        "autoscaling:DescribeScheduledActions",
        "cloudformation:DescribeStacks",
        "cloudwatch:DescribeAlarms",
        "codedeploy:BatchGetDeploymentTargets",
        "codedeploy:ListDeploymentTargets",
        "codedeploy:StopDeployment",
        "codepipeline:PutJobFailureResult",
        "codepipeline:PutJobSuccessResult",
        "ec2:DescribeAccountAttributes",
        "ec2:DescribeAddresses",
        "ec2:DescribeInstanceStatus",
        "ec2:DescribeInstanceTypeOfferings",
        "ec2:DescribeInstances",
        "ec2:DescribeInternetGateways",
        "ec2:DescribeKeyPairs",
        "ec2:DescribeLaunchTemplateVersions",
        "ec2:DescribeLaunchTemplates",
        "ec2:DescribeRegions",
        "ec2:DescribeRouteTables",
        "ec2:DescribeSecurityGroupRules",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSubnets",
        "ec2:DescribeVpcs",
        "ecr:GetAuthorizationToken",
        "ecs:DeregisterTaskDefinition",
        "ecs:DescribeTaskDefinition",
        "ecs:ListServices",
        "ecs:ListTasks",
        "ecs:RegisterTaskDefinition",
        "elasticloadbalancing:DescribeCapacityReservation",
        "elasticloadbalancing:DescribeInstanceHealth",
        "elasticloadbalancing:DescribeListenerAttributes",
        "elasticloadbalancing:DescribeListeners",
        "elasticloadbalancing:DescribeLoadBalancerAttributes",
        "elasticloadbalancing:DescribeLoadBalancers",
        "elasticloadbalancing:DescribeTags",
        "elasticloadbalancing:DescribeTargetGroupAttributes",
        "elasticloadbalancing:DescribeTargetGroups",
        "elasticloadbalancing:DescribeTargetHealth",
        "kms:CreateKey",
        "lambda:CreateEventSourceMapping",
        "lambda:GetAccountSettings",
        "logs:DescribeIndexPolicies",
        "logs:DescribeLogGroups",
        "logs:DescribeResourcePolicies",
        "logs:CreateLogDelivery",
        "logs:DeleteLogDelivery",
        "logs:GetLogDelivery",
        "logs:ListLogDeliveries",
        "logs:PutResourcePolicy",
        "logs:UpdateLogDelivery",
        "route53:ListHostedZones",
        "sns:GetSubscriptionAttributes",
        "sns:SetSubscriptionAttributes",
        "sns:Unsubscribe",
        "tag:GetResources",
    }
)
# These get their role by iam:PassRole, within its account; AWS's own trust policies for them have no condition:
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html
# For CloudFormation's service role AWS documents no condition either, and one that it does not fill shuts it out:
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-iam-servicerole.html
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cross-service-confused-deputy-prevention.html
TRUSTED_AS_THEY_ARE = frozenset(
    {"cloudformation.amazonaws.com", "ec2.amazonaws.com", "ecs-tasks.amazonaws.com", "lambda.amazonaws.com"}
)
SOURCE_KEYS = ("aws:sourceaccount", "aws:sourcearn")
# By type of the resource: services that do nothing where the policy asks for a source.
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-iam-servicerole.html
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-troubleshooting.html
NAME_NO_SOURCE = {"AWS::IAM::Role": "cloudformation.amazonaws.com", "AWS::SNS::TopicPolicy": "events.amazonaws.com"}


def faults(source: str, template: Mapping[str, Any]) -> list[str]:
    """What is wider than it could be, in words."""
    found = []
    for name, resource in template["Resources"].items():
        for statement in statements(resource.get("Properties", {})):
            if statement["Effect"] == "Allow":
                found += [f"{source} {name}: {fault}" for fault in _faults(statement, resource["Type"])]
        if resource["Type"] == "AWS::Lambda::Permission":
            missing = {"SourceAccount", "SourceArn"} - set(resource["Properties"])
            if _is_own_role(resource["Properties"]["Principal"], template):
                continue
            # The ARNs of buckets name no account; those of other services do.
            if "SourceArn" in missing or (missing and resource["Properties"]["Principal"] == "s3.amazonaws.com"):
                found.append(f"{source} {name}: lacks {' and '.join(sorted(missing))}")
    return found


def _is_own_role(principal: Any, template: Mapping[str, Any]) -> bool:
    """Whether a role of the same template is meant, and no service that acts for anybody."""
    name = principal.get("Fn::GetAtt", [""])[0] if isinstance(principal, dict) else ""
    return bool(template["Resources"].get(name, {}).get("Type") == "AWS::IAM::Role")


def _faults(statement: Mapping[str, Any], kind: str) -> Iterator[str]:
    for name in ("NotAction", "NotPrincipal", "NotResource"):
        if name in statement:
            yield f"{name} allows what nobody listed"
    actions = as_list(statement.get("Action", []))
    for action in actions:
        if "*" in action or "?" in action:
            yield f"{action} is a wildcard: list the actions"
    # A key's policy is about that key, whatever resource it names.
    if kind != "AWS::KMS::Key" and "*" in as_list(statement.get("Resource", [])):
        for action in sorted(set(actions) - WITHOUT_RESOURCE):
            yield f"{action} is allowed for every resource"
    principal = statement.get("Principal", {})
    if principal == "*" or "*" in as_list(principal.get("AWS", [])):
        yield "everybody is allowed"
        return
    keys = {key.lower() for condition in statement.get("Condition", {}).values() for key in condition}
    for service in as_list(principal.get("Service", [])):
        named = bool(keys & set(SOURCE_KEYS))
        if service == NAME_NO_SOURCE.get(kind):
            if named:
                yield f"{service} names no source here: with this condition it is shut out"
        elif service not in TRUSTED_AS_THEY_ARE and not named:
            yield f"{service} may act for other accounts: add a condition on aws:SourceAccount or aws:SourceArn"
