"""Roles that services make for themselves: a fresh account has none, and their first use needs the right to make one.

https://docs.aws.amazon.com/IAM/latest/UserGuide/using-service-linked-roles.html
"""

# MiniStack offers no hooks: its own stores are used where they stand.
# ruff: noqa: SLF001

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id
from ministack.services import iam

from sandbox.cloudformation_iam import deciding
from sandbox.cloudformation_iam.subjects import Subject

NAMES = {
    "autoscaling.amazonaws.com": "AWSServiceRoleForAutoScaling",
    "ecs.amazonaws.com": "AWSServiceRoleForECS",
    "ecs.application-autoscaling.amazonaws.com": "AWSServiceRoleForApplicationAutoScaling_ECSService",
    "elasticloadbalancing.amazonaws.com": "AWSServiceRoleForElasticLoadBalancing",
}

_ECS = "ecs.amazonaws.com"
_USERS = {
    "AWS::ApplicationAutoScaling::ScalableTarget": "ecs.application-autoscaling.amazonaws.com",
    "AWS::AutoScaling::AutoScalingGroup": "autoscaling.amazonaws.com",
    "AWS::ECS::CapacityProvider": _ECS,
    "AWS::ECS::Cluster": _ECS,
    "AWS::ECS::ClusterCapacityProviderAssociations": _ECS,
    "AWS::ECS::Service": _ECS,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": "elasticloadbalancing.amazonaws.com",
    "AWS::ElasticLoadBalancingV2::TargetGroup": "elasticloadbalancing.amazonaws.com",
}

_SETTLES_SECONDS = 15.0
"""For so long ECS cannot take the role that it has just made itself: IAM's changes take time to arrive."""

_NOT_ASSUMED = (
    "Unable to assume the service linked role. Please verify that the ECS service linked role exists. "
    "(Service: AmazonECS; Status Code: 400; Error Code: InvalidParameterException)"
)
# https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/818
_NO_CLUSTER = f"Invalid request provided: CreateCluster Invalid Request: {_NOT_ASSUMED}"
# https://github.com/aws-samples/aws-scalable-big-blue-button-example/issues/29
_NO_PROVIDER = (
    "Invalid request provided: CreateCapacityProvider error: ECS Service Linked Role does not exist. Please create a "
    "Service linked role for ECS and try again. (Service: AmazonECS; Status Code: 400; Error Code: ClientException)"
)


class NotAssumed(ValueError):
    """The service has no role to act in; the message is AWS's."""


def install() -> None:
    """Change MiniStack in this process; call before it serves."""
    from ministack.core import iam_actions

    from sandbox.hooks import replace

    replace(iam._IAM_HANDLERS, "CreateServiceLinkedRole", _creating)
    replace(iam_actions, "extract_resource_arn", _naming)
    replace(iam_actions, "request_tag_context", _telling_the_service)


def _asked_for(service: str, body: bytes) -> str:
    """The service whose role a request wants to be made; empty for other requests."""
    if service != "iam" or b"CreateServiceLinkedRole" not in body:
        return ""
    asked = parse_qs(body.decode("utf-8", "replace"))
    return asked.get("AWSServiceName", [""])[0] if asked.get("Action") == ["CreateServiceLinkedRole"] else ""


def _naming(extract: Callable[..., Any]) -> Callable[..., Any]:
    """Policies name the role that is to be made."""

    def with_linked_roles(service: str, *request: Any) -> Any:
        wanted = _asked_for(service, request[3])
        return arn(wanted) if wanted in NAMES else extract(service, *request)

    return with_linked_roles


def _telling_the_service(tags: Callable[..., Any]) -> Callable[..., Any]:
    """Policies have the condition key `iam:AWSServiceName`."""

    def with_service(service: str, action: str, body: bytes, params: dict[str, Any]) -> Any:
        found = tags(service, action, body, params)
        wanted = _asked_for(service, body)
        return {**found, "iam:AWSServiceName": wanted} if wanted else found

    return with_service


def _creating(_create: Callable[..., Any]) -> Callable[..., Any]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateServiceLinkedRole.html"""

    def create(params: dict[str, Any]) -> Any:
        service = iam._p(params, "AWSServiceName")
        name = NAMES.get(service)
        if name is None:
            return iam._error(404, "NoSuchEntity", f"The local AWS knows no role of {service}.", ns="iam")
        if name in iam._roles:
            message = f"Service role name {name} has been taken in this account, please try a different suffix."
            return iam._error(400, "InvalidInput", message, ns="iam")
        make(service)
        role = f"<CreateServiceLinkedRoleResult><Role>{iam._role_xml(name)}</Role></CreateServiceLinkedRoleResult>"
        return iam._xml(200, "CreateServiceLinkedRoleResponse", role, ns="iam")

    return create


def make(service: str, *, settles: float = 0.0) -> None:
    """Make the role of a service. `settles`: when the service can take it, in Unix time."""
    name, path = NAMES[service], f"/aws-service-role/{service}/"
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    iam._roles[name] = {
        "RoleName": name,
        "Arn": arn(service),
        "RoleId": iam._gen_id("AROA"),
        "CreateDate": iam._now(),
        "Path": path,
        "AssumeRolePolicyDocument": iam.json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
        "Description": f"Service-linked role for {service}",
        "MaxSessionDuration": 3600,
        "AttachedPolicies": [],
        "InlinePolicies": {},
        "Tags": [],
        "_settles": settles,
    }


def arn(service: str) -> str:
    """Of the service's role in this account, which need not be there."""
    return f"arn:aws:iam::{get_account_id()}:role/aws-service-role/{service}/{NAMES[service]}"


def use(subject: Subject, principal: iam_evaluator.PrincipalInfo) -> None:
    """What a service does about its role before it makes the resource.

    Raises:
        NotAssumed: ECS has no role, or made it too short a time ago.
        PermissionError: the principal may not make the role that is missing; the message is AWS's.
    """
    service = _USERS.get(subject.kind)
    if service is None or subject.operation != "create":
        return
    missing = NAMES[service] not in iam._roles
    refused = missing and deciding.refusal(
        principal, "iam:CreateServiceLinkedRole", arn(service), {"iam:awsservicename": service}
    )
    if service == _ECS:
        _use_of_ecs(subject, made=not missing, may_make=not refused)
    elif refused:
        raise PermissionError(refused.of_handler())
    elif missing:
        make(service)


def _use_of_ecs(subject: Subject, *, made: bool, may_make: bool) -> None:
    """ECS makes its role with the first cluster, if the caller may, and has to take it for Fargate's providers.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateCluster.html
    """
    on_fargate = any(str(each).startswith("FARGATE") for each in subject.at("CapacityProviders"))
    if not made and may_make:
        make(_ECS, settles=time.time() + _SETTLES_SECONDS)
    if subject.kind == "AWS::ECS::CapacityProvider":
        if not made and not may_make:
            raise NotAssumed(_NO_PROVIDER)
        return
    if subject.kind == "AWS::ECS::Service" and (made or may_make):
        return
    needed = on_fargate or subject.kind == "AWS::ECS::Service"
    role = iam._roles.get(NAMES[_ECS])
    if needed and (role is None or role.get("_settles", 0.0) > time.time()):
        if role is not None:
            role["_settles"] = 0.0
        raise NotAssumed(_NO_CLUSTER if subject.kind == "AWS::ECS::Cluster" else _NOT_ASSUMED)
