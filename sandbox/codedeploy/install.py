"""Puts CodeDeploy into MiniStack: routing, authorization, persistence and CloudFormation resources."""

# MiniStack offers no hooks: its own stores and handlers are used where they stand.
# ruff: noqa: SLF001

import os
import sys
from pathlib import Path
from typing import Any

from ministack.core.responses import new_uuid
from ministack.services import autoscaling

from sandbox.cloudformation_names import physical_name

_SERVICE = "codedeploy"


def install() -> None:
    """Change MiniStack in this process; call before it serves."""
    from ministack import app
    from ministack.core import iam_actions, router
    from ministack.services.cloudformation import provisioners

    from sandbox.codedeploy import engine, service

    engine.root = Path(os.environ["STATE_DIR"]).parent / "codedeploy"
    sys.modules[f"ministack.services.{_SERVICE}"] = service
    app.SERVICE_REGISTRY[_SERVICE] = {"module": _SERVICE}
    app.SERVICE_HANDLERS[_SERVICE] = service.handle_request
    app._loaded_modules[_SERVICE] = service
    app._state_map[_SERVICE] = _SERVICE
    router.SERVICE_PATTERNS[_SERVICE] = {
        "target_prefixes": [service.PREFIX],
        "host_patterns": [r"codedeploy\."],
        "credential_scope": _SERVICE,
    }
    iam_actions.SERVICE_TO_IAM_NAMESPACE[_SERVICE] = _SERVICE
    _name_resources(iam_actions, service)
    _fill_groups(provisioners)
    autoscaling._ACTION_MAP["SetInstanceHealth"] = _set_instance_health
    provisioners._RESOURCE_HANDLERS |= {
        "AWS::CodeDeploy::Application": {"create": _create_application, "delete": _delete_application},
        "AWS::CodeDeploy::DeploymentConfig": {"create": _create_config, "delete": _delete_config},
        "AWS::CodeDeploy::DeploymentGroup": {
            "create": _create_group,
            "update": _update_group,
            "delete": _delete_group,
        },
    }


def _name_resources(iam_actions: Any, service: Any) -> None:
    """Policies name applications and deployment groups."""
    extract = iam_actions.extract_resource_arn

    def with_codedeploy(name: str, *request: Any) -> Any:
        if name == _SERVICE:
            _method, _path, _headers, body, _query, region, account = request
            return service.resource_arn(body, region, account)
        return extract(name, *request)

    iam_actions.extract_resource_arn = with_codedeploy


def _fill_groups(provisioners: Any) -> None:
    """An Auto Scaling group of a stack gets its instances, as one made through the API does."""
    handler = provisioners._RESOURCE_HANDLERS["AWS::AutoScaling::AutoScalingGroup"]
    for act in ("create", "update"):
        original = handler[act]

        def act_and_fill(*arguments: Any, _original: Any = original) -> Any:
            answer = _original(*arguments)
            name = answer[0] if isinstance(answer, tuple) else answer
            if name in autoscaling._asgs:
                autoscaling._reconcile_instances(autoscaling._asgs[name])
            return answer

        handler[act] = act_and_fill


def _set_instance_health(request: dict[str, Any]) -> Any:
    """Lets a person make an instance unhealthy; nothing replaces it here.

    https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_SetInstanceHealth.html
    """
    wanted = autoscaling._p(request, "InstanceId")
    for group in autoscaling._asgs.values():
        for instance in group["Instances"]:
            if instance["InstanceId"] == wanted:
                instance["HealthStatus"] = autoscaling._p(request, "HealthStatus")
                return autoscaling._xml(200, "SetInstanceHealthResponse", "")
    return autoscaling._error("ValidationError", f"Instance Id not found - No managed instance found for: {wanted}")


def _lowered(properties: dict[str, Any]) -> dict[str, Any]:
    """A template's property names as the API writes them: ServiceRoleArn is serviceRoleArn."""

    def lower(value: Any) -> Any:
        if isinstance(value, dict):
            return {name[0].lower() + name[1:]: lower(each) for name, each in value.items()}
        return [lower(each) for each in value] if isinstance(value, list) else value

    found: dict[str, Any] = lower(properties)
    return found


def _create_application(logical_id: str, properties: dict[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
    from sandbox.codedeploy import service

    name = properties.get("ApplicationName") or physical_name(stack_name, logical_id, most=100, seed=new_uuid())
    service.create_application({**_lowered(properties), "applicationName": name})
    return name, {}


def _delete_application(physical_id: str, _properties: dict[str, Any]) -> None:
    from sandbox.codedeploy import service

    service.delete_application({"applicationName": physical_id})


def _create_config(logical_id: str, properties: dict[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
    from sandbox.codedeploy import configs

    name = properties.get("DeploymentConfigName") or physical_name(stack_name, logical_id, most=100, seed=new_uuid())
    configs.create_deployment_config({**_lowered(properties), "deploymentConfigName": name})
    return name, {}


def _delete_config(physical_id: str, _properties: dict[str, Any]) -> None:
    from sandbox.codedeploy import configs

    configs.delete_deployment_config({"deploymentConfigName": physical_id})


def _group(properties: dict[str, Any], name: str) -> dict[str, Any]:
    return {**_lowered(properties), "deploymentGroupName": name, "currentDeploymentGroupName": name}


def _create_group(logical_id: str, properties: dict[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
    from sandbox.codedeploy import service

    name = properties.get("DeploymentGroupName") or physical_name(stack_name, logical_id, most=100, seed=new_uuid())
    service.create_deployment_group(_group(properties, name))
    return name, {}


def _update_group(
    physical_id: str, _old: dict[str, Any], properties: dict[str, Any], _stack_name: str
) -> tuple[str, dict[str, Any]]:
    from sandbox.codedeploy import service

    service.update_deployment_group(_group(properties, physical_id))
    return physical_id, {}


def _delete_group(physical_id: str, properties: dict[str, Any]) -> None:
    from sandbox.codedeploy import service

    service.delete_deployment_group(
        {"applicationName": properties["ApplicationName"], "deploymentGroupName": physical_id}
    )
