"""The condition keys of a permission's check, as the services fill them for CloudFormation's calls.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

# MiniStack offers no hooks: its own stores are used where they stand.
# ruff: noqa: SLF001

from typing import Any

from ministack.services import iam

from sandbox.cloudformation_iam.subjects import Subject

_PASSED_TO = {
    "AWS::ApiGatewayV2::Integration": "apigateway.amazonaws.com",
    "AWS::ApplicationAutoScaling::ScalableTarget": "application-autoscaling.amazonaws.com",
    "AWS::AutoScaling::AutoScalingGroup": "ec2.amazonaws.com",
    "AWS::CloudFormation::Stack": "cloudformation.amazonaws.com",
    "AWS::CodeBuild::Project": "codebuild.amazonaws.com",
    "AWS::CodeDeploy::DeploymentGroup": "codedeploy.amazonaws.com",
    "AWS::CodePipeline::Pipeline": "codepipeline.amazonaws.com",
    "AWS::ECS::Service": "ecs.amazonaws.com",
    "AWS::ECS::TaskDefinition": "ecs-tasks.amazonaws.com",
    "AWS::Events::Rule": "events.amazonaws.com",
    "AWS::IAM::InstanceProfile": "ec2.amazonaws.com",
    "AWS::Lambda::Function": "lambda.amazonaws.com",
}

# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
_TELL_THE_BOUNDARY = frozenset(
    {
        "iam:AttachRolePolicy",
        "iam:CreateRole",
        "iam:DeleteRolePermissionsBoundary",
        "iam:DeleteRolePolicy",
        "iam:DetachRolePolicy",
        "iam:PutRolePermissionsBoundary",
        "iam:PutRolePolicy",
    }
)

# Actions whose requests carry the new tags.
_CARRY_TAGS = ("Create", "Register", "Run", "Tag", "AddTags", "Put", "Request", "POST", "PUT")

_DATA_SERVICES = {
    "AWS::DynamoDB::Table": "dynamodb",
    "AWS::Lambda::EventSourceMapping": "lambda",
    "AWS::Lambda::Function": "lambda",
    "AWS::ECR::Repository": "ecr",
}
"""Types whose service uses a key in the caller's name."""


def keys(permission: str, subject: Subject, *, for_a_person: bool) -> list[dict[str, Any]]:
    """The keys of the check, in lower case; several where the call is made several times.

    Args:
        permission: the action.
        subject: the resource.
        for_a_person: CloudFormation passes on a caller's own rights, and has not taken a service role.
    """
    action = permission.partition(":")[2]
    found: dict[str, Any] = _origin(for_a_person) | _tags(action, subject) | _of_service(permission, subject)
    if permission == "iam:PassRole":
        found["iam:passedtoservice"] = _PASSED_TO.get(subject.kind)
    if permission in _TELL_THE_BOUNDARY:
        found["iam:permissionsboundary"] = _boundary(subject)
    if permission in ("iam:AttachRolePolicy", "iam:DetachRolePolicy"):
        policies = subject.at("ManagedPolicyArns") or [None]
        return [{**found, "iam:policyarn": policy} for policy in policies]
    return [found]


def _origin(for_a_person: bool) -> dict[str, Any]:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/access_forward_access_sessions.html"""
    if not for_a_person:
        return {"aws:viaawsservice": "false"}
    caller = "cloudformation.amazonaws.com"
    return {
        "aws:viaawsservice": "true",
        "aws:calledvia": [caller],
        "aws:calledviafirst": caller,
        "aws:calledvialast": caller,
    }


def _tags(action: str, subject: Subject) -> dict[str, Any]:
    tags = subject.tags()
    found: dict[str, Any] = {"aws:tagkeys": None}
    given = {name: value for name, value in tags.items() if not name.startswith("aws:")}
    if given and action.startswith(_CARRY_TAGS):
        found["aws:tagkeys"] = list(given)
        found |= {f"aws:requesttag/{name}".lower(): value for name, value in given.items()}
    # What is not there yet has no tags, but for the calls that follow its creation.
    if subject.operation != "create" or not action.startswith(("Create", "Register", "Run", "POST")):
        service_keys = ("aws", subject.kind.split("::")[1].lower().replace("v2", ""))
        found |= {f"{key}:resourcetag/{name}".lower(): value for name, value in tags.items() for key in service_keys}
    return found


def _boundary(subject: Subject) -> str | None:
    """Of the role as it is; of one that is made, as it will be."""
    role = iam._roles.get(subject.physical_id) if subject.kind == "AWS::IAM::Role" else None
    given = subject.properties.get("PermissionsBoundary")
    known = (role or {}).get("PermissionsBoundary") or given
    return str(known) if known else None


def _of_service(permission: str, subject: Subject) -> dict[str, Any]:
    service, _, action = permission.partition(":")
    found: dict[str, Any] = {}
    if make := _BY_SERVICE.get(service):
        found = make(subject)
    if subject.operation == "create" and action in ("CreateTags", "TagResource", "AddTags"):
        found[f"{service}:createaction"] = _creation(subject)
    return found


def _of_ec2(subject: Subject) -> dict[str, Any]:
    vpc = subject.properties.get("VpcId")
    arn = f"arn:aws:ec2:{subject.region}:{subject.account}:vpc/{vpc}"
    return {"ec2:region": subject.region, "ec2:vpc": arn if vpc else None}


def _of_ecs(subject: Subject) -> dict[str, Any]:
    cluster = str(subject.properties.get("Cluster", ""))
    arn = cluster if cluster.startswith("arn:") else f"arn:aws:ecs:{subject.region}:{subject.account}:cluster/{cluster}"
    return {"ecs:cluster": arn if cluster else None}


def _of_scaling(subject: Subject) -> dict[str, Any]:
    return {
        "application-autoscaling:service-namespace": subject.properties.get("ServiceNamespace", "ecs"),
        "application-autoscaling:scalable-dimension": subject.properties.get(
            "ScalableDimension", "ecs:service:DesiredCount"
        ),
    }


def _of_lambda(subject: Subject) -> dict[str, Any]:
    name = str(subject.properties.get("FunctionName", ""))
    arn = name if name.startswith("arn:") else f"arn:aws:lambda:{subject.region}:{subject.account}:function:{name}"
    return {"lambda:functionarn": arn if name else None, "lambda:principal": subject.properties.get("Principal")}


def _of_kms(subject: Subject) -> dict[str, Any]:
    used_by = _DATA_SERVICES.get(subject.kind)
    return {
        "kms:calleraccount": subject.account,
        "kms:grantisforawsresource": "true",
        "kms:viaservice": f"{used_by}.{subject.region}.amazonaws.com" if used_by else None,
    }


_BY_SERVICE = {
    "application-autoscaling": _of_scaling,
    "ec2": _of_ec2,
    "ecs": _of_ecs,
    "kms": _of_kms,
    "lambda": _of_lambda,
}


def _creation(subject: Subject) -> str:
    name = subject.kind.rpartition("::")[2]
    return "RegisterTaskDefinition" if name == "TaskDefinition" else f"Create{name}"
