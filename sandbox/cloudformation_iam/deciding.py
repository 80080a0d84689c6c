"""Whether a principal may do something, and AWS's words where it may not."""

# MiniStack offers no hooks: its own evaluation of policies is used where it stands.
# ruff: noqa: SLF001

import uuid
from dataclasses import dataclass
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import get_region
from ministack.services.tagging import resource_tags

_SERVICES = {
    "application-autoscaling": "ApplicationAutoScaling",
    "apigateway": "ApiGatewayV2",
    "autoscaling": "AutoScaling",
    "cloudformation": "CloudFormation",
    "cloudwatch": "CloudWatch",
    "codebuild": "CodeBuild",
    "codedeploy": "CodeDeploy",
    "codepipeline": "CodePipeline",
    "dynamodb": "DynamoDb",
    "ec2": "Ec2",
    "ecr": "Ecr",
    "ecs": "AmazonECS",
    "elasticloadbalancing": "ElasticLoadBalancingV2",
    "events": "EventBridge",
    "iam": "Iam",
    "kms": "Kms",
    "lambda": "Lambda",
    "logs": "CloudWatchLogs",
    "s3": "S3",
    "secretsmanager": "SecretsManager",
    "sns": "Sns",
    "sqs": "Sqs",
    "ssm": "Ssm",
}
"""As the AWS SDK for Java, in which handlers are written, names them in errors."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something was refused.

    Attributes:
        said: what AWS says, from "User: " on.
        service: whose action it is.
    """

    said: str
    service: str

    def of_handler(self) -> str:
        """As CloudFormation passes on what a resource's handler was told."""
        name = _SERVICES.get(self.service, self.service)
        return (
            f'Resource handler returned message: "{self.said} (Service: {name}, Status Code: 403, '
            f'Request ID: {uuid.uuid4()})" (RequestToken: {uuid.uuid4()}, HandlerErrorCode: AccessDenied)'
        )


def refusal(
    principal: iam_evaluator.PrincipalInfo, permission: str, resource: str, keys: dict[str, Any]
) -> Refusal | None:
    """None where the principal may do it: by its policies within its limits, and by the resource's own policy."""
    if principal.policies is None:
        return None
    service = permission.partition(":")[0]
    if iam_evaluator._names_condition_key(principal.policies, "aws:resourcetag/"):
        tags = resource_tags(resource) or {}
        keys = {f"aws:resourcetag/{name}".lower(): value for name, value in tags.items()} | keys
    context = iam_evaluator.EvalContext(
        principal_arn=principal.arn,
        principal_type=principal.type,
        principal_account=principal.account,
        action=permission,
        resource_arn=resource,
        region=get_region(),
        secure_transport=True,
        service_context=keys,
        principal_keys=principal.keys,
    )
    alone = iam_evaluator.evaluate(context, principal.policies)
    result = iam_evaluator.evaluate(context, principal.policies, *principal.limits)
    policy = iam_evaluator._resource_policy(service, resource)
    if policy is not None:
        result = iam_evaluator.combine_resource_policy(
            result,
            context,
            *policy,
            required=service in iam_evaluator._POLICY_REQUIRED,
            limits=tuple(principal.limits),
        )
    if result.decision == "Allow":
        return None
    said = f"User: {principal.arn} is not authorized to perform: {permission} on resource: {resource} "
    return Refusal(said + _because(permission, result, alone), service)


def _because(permission: str, result: iam_evaluator.EvalResult, alone: iam_evaluator.EvalResult) -> str:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html"""
    if result.decision == "Deny":
        kind = "a resource-based" if result.resource_policy_arn else "an identity-based"
        return f"with an explicit deny in {kind} policy"
    kind = "permissions boundary" if alone.decision == "Allow" else "identity-based policy"
    return f"because no {kind} allows the {permission} action"
