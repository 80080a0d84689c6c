"""ECS services that AWS refuses, or whose tasks never become healthy, fail here too.

No container runs here. An image says itself that it is not well: by `LABEL sluice.local=unhealthy` in its Dockerfile.
"""

# MiniStack offers no hooks: its own stores and handlers are used where they stand.
# ruff: noqa: SLF001

import json
from collections.abc import Callable
from typing import Any

from ministack.core.responses import new_uuid
from ministack.services import alb, ecr, ecs
from ministack.services.cloudformation import provisioners

LABEL = "sluice.local=unhealthy"
_GIVEN_UP = "Error occurred during operation 'ECS Deployment Circuit Breaker was triggered'."


def install() -> None:
    """Change MiniStack in this process; call before it serves."""
    handler = provisioners._RESOURCE_HANDLERS["AWS::ECS::Service"]
    handler |= {"create": _created(handler["create"], handler["delete"]), "update": _updated(handler["update"])}


def _created(create: Callable[..., Any], delete: Callable[..., Any]) -> Callable[..., Any]:
    def make(logical_id: str, properties: dict[str, Any], stack_name: str) -> Any:
        _behind_a_load_balancer(properties)
        made = create(logical_id, properties, stack_name)
        if _never_healthy(properties):
            _tell(made[0], properties)
            # CloudFormation rolls back what it began to make.
            delete(made[0], properties)
            raise ValueError(f'Resource handler returned message: "{_GIVEN_UP}"')
        return made

    return make


def _updated(update: Callable[..., Any]) -> Callable[..., Any]:
    def change(physical_id: str, old: dict[str, Any], new: dict[str, Any], *rest: Any) -> Any:
        if _never_healthy(new):
            # The circuit breaker has rolled the service back already; then the stack's update fails.
            _tell(physical_id, new)
            raise ValueError(f'Resource handler returned message: "{_GIVEN_UP}"')
        return update(physical_id, old, new, *rest)

    return change


def _behind_a_load_balancer(properties: dict[str, Any]) -> None:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html"""
    for given in properties.get("LoadBalancers", []):
        group = given.get("TargetGroupArn")
        if group and not any(group in json.dumps(each, default=str) for each in alb._listeners.values()):
            raise ValueError(
                f"The target group with targetGroupArn {group} does not have an associated load balancer. "
                "(Service: AmazonECS; Status Code: 400; Error Code: InvalidParameterException)"
            )


def _never_healthy(properties: dict[str, Any]) -> bool:
    if not int(properties.get("DesiredCount", 1)):
        return False
    definition = ecs._task_defs.get(str(properties.get("TaskDefinition", "")).rpartition("/")[2])
    containers = definition.get("containerDefinitions", []) if definition else []
    return any(_unhealthy(str(each.get("image", ""))) for each in containers)


def _unhealthy(image: str) -> bool:
    repository, _, tag = image.partition("/")[2].rpartition(":")
    for found in ecr._images.get(repository, []):
        if tag in (found.get("imageTags") or [found["imageId"].get("imageTag")]):
            return LABEL in str(found.get("imageManifest"))
    return False


def _tell(physical_id: str, properties: dict[str, Any]) -> None:
    """What ECS logs of such a deployment.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html
    """
    name = physical_id.rpartition("/")[2]
    words = [
        f"(service {name}) (port {each.get('ContainerPort')}) is unhealthy in (target-group {each['TargetGroupArn']})"
        " due to (reason Health checks failed)."
        for each in properties.get("LoadBalancers", [])
    ]
    words.append(f"(service {name}) deployment failed: tasks failed to start.")
    for service in ecs._services.values():
        if service.get("serviceName") == name:
            for each in words:
                service["events"].insert(0, {"id": new_uuid(), "createdAt": ecs._iso(), "message": each})
