"""Instances and tasks in a subnet without a way to the internet: they start, reach nobody, and are never of use.

A subnet has a way out if its routes lead to an internet gateway and what starts in it gets a public address, or if
they lead to a NAT gateway. Endpoints of the services that are needed would do as well; the local AWS makes none.
https://docs.aws.amazon.com/vpc/latest/userguide/VPC_Internet_Gateway.html
https://docs.aws.amazon.com/vpc/latest/userguide/vpc-nat-gateway.html
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_cannot_pull_image.html
"""

# MiniStack offers no hooks: what it gets wrong is replaced where it stands.
# ruff: noqa: SLF001

import time
from collections.abc import Callable
from typing import Any

from sandbox.hooks import replace

_EVERYWHERE = "0.0.0.0/0"


def install() -> None:
    """Change MiniStack in this process; call before it serves."""
    from ministack.services.cloudformation import provisioners

    handlers = provisioners._RESOURCE_HANDLERS
    for kind, waiting in (("AWS::AutoScaling::AutoScalingGroup", _for_signals), ("AWS::ECS::Service", _for_tasks)):
        replace(handlers[kind], "create", waiting)


def has_way_out(subnet_id: str, *, public_address: bool | None = None) -> bool:
    """Whether what starts in the subnet reaches the internet.

    Args:
        subnet_id: one of the stored subnets; an unknown one has no way out.
        public_address: whether it gets one; None leaves it to the subnet.
    """
    from ministack.services import ec2

    ec2._ensure_defaults_initialized()
    subnet = ec2._subnets.get(subnet_id)
    if subnet is None:
        return False
    addressed = subnet.get("MapPublicIpOnLaunch", False) if public_address is None else public_address
    for route in _routes(subnet):
        if route.get("DestinationCidrBlock") != _EVERYWHERE or route.get("State", "active") != "active":
            continue
        if route.get("NatGatewayId") or (str(route.get("GatewayId", "")).startswith("igw-") and addressed):
            return True
    return False


def _routes(subnet: dict[str, Any]) -> list[dict[str, Any]]:
    """Those of the table that the subnet is associated with, else of its network's main one."""
    from ministack.services import ec2

    main: list[dict[str, Any]] = []
    for table in ec2._route_tables.values():
        for association in table.get("Associations", []):
            if association.get("SubnetId") == subnet["SubnetId"]:
                return list(table["Routes"])
            if association.get("Main") and table["VpcId"] == subnet["VpcId"]:
                main = table["Routes"]
    return main


def _for_signals(create: Callable[..., Any]) -> Callable[..., Any]:
    """What waits for its instances' signals gets none; the others are made, of instances that nobody can reach."""

    def create_signalled(logical_id: str, properties: dict[str, Any], stack_name: str) -> Any:
        wanted = int(properties.get("DesiredCapacity") or properties.get("MinSize") or 0)
        subnets = _listed(properties.get("VPCZoneIdentifier"))
        shut_in = [each for each in subnets if not has_way_out(each, public_address=_addressed(properties))]
        signals = _signals(stack_name, logical_id)
        if signals and wanted and shut_in:
            # Auto Scaling spreads a group over its subnets.
            coming = wanted - -(-wanted * len(shut_in) // len(subnets))
            if coming < signals:
                raise ValueError(
                    f"Received {coming} SUCCESS signal(s) out of {signals}.  "
                    "Unable to satisfy 100% MinSuccessfulInstancesPercent requirement"
                )
        return create(logical_id, properties, stack_name)

    return create_signalled


def _listed(value: Any) -> list[str]:
    return [each.strip() for each in value.split(",")] if isinstance(value, str) else list(value or [])


def _addressed(properties: dict[str, Any]) -> bool | None:
    """Whether the group's launch template gives its instances public addresses; None leaves it to the subnet."""
    from ministack.services import ec2

    template = ec2._launch_templates.get((properties.get("LaunchTemplate") or {}).get("LaunchTemplateId", ""))
    if not template:
        return None
    data = template["Versions"][-1].get("LaunchTemplateData", {})
    for interface in data.get("NetworkInterfaces") or []:
        if "AssociatePublicIpAddress" in interface:
            return str(interface["AssociatePublicIpAddress"]).lower() == "true"
    return None


def _signals(stack_name: str, logical_id: str) -> int:
    """How many signals the template asks for; none where it has no CreationPolicy."""
    from ministack.services import cloudformation
    from ministack.services.cloudformation import engine

    stack = cloudformation._stacks.get(stack_name) or {}
    resource = stack.get("_template", {}).get("Resources", {}).get(logical_id, {})
    signal = (resource.get("CreationPolicy") or {}).get("ResourceSignal")
    if signal is None:
        return 0
    count = engine._resolve_refs(
        signal.get("Count", 1),
        stack.get("_resources", {}),
        stack.get("_resolved_params", {}),
        stack.get("_conditions", {}),
        stack["_template"].get("Mappings", {}),
        stack_name,
        stack["StackId"],
    )
    return int(count)


def _for_tasks(create: Callable[..., Any]) -> Callable[..., Any]:
    """A task that cannot pull its image is stopped, again and again, until the circuit breaker ends the deployment."""

    def create_pulling(logical_id: str, properties: dict[str, Any], stack_name: str) -> Any:
        network = (properties.get("NetworkConfiguration") or {}).get("AwsvpcConfiguration") or {}
        public = str(network.get("AssignPublicIp", "DISABLED")).upper() == "ENABLED"
        wanted = int(properties.get("DesiredCount", 1))
        shut_in = [each for each in _listed(network.get("Subnets")) if not has_way_out(each, public_address=public)]
        if not shut_in or not wanted:
            return create(logical_id, properties, stack_name)
        from ministack.services.cloudformation import provisioners

        made = create(logical_id, {**properties, "DesiredCount": 0}, stack_name)
        _note_stopped_task(properties, shut_in[0])
        # CloudFormation rolls back what it began to make.
        provisioners._RESOURCE_HANDLERS["AWS::ECS::Service"]["delete"](made[0], properties)
        raise ValueError(
            "Resource handler returned message: \"Error occurred during operation 'ECS Deployment Circuit Breaker was "
            "triggered'.\" (HandlerErrorCode: GeneralServiceException)"
        )

    return create_pulling


def _note_stopped_task(properties: dict[str, Any], subnet: str) -> None:
    """The task that DescribeTasks shows for an hour."""
    from ministack.core.responses import get_account_id, get_region, new_uuid
    from ministack.services import ecs

    cluster = ecs._resolve_cluster_name(properties.get("Cluster", "default"))
    definition = properties.get("TaskDefinition", "")
    image = next(
        (
            each["image"]
            for each in ecs._task_defs.get(ecs._resolve_td_key(definition), {}).get("containerDefinitions", [])
        ),
        "image",
    )
    arn = f"arn:aws:ecs:{get_region()}:{get_account_id()}:task/{cluster}/{new_uuid().replace('-', '')}"
    ecs._tasks[arn] = {
        "taskArn": arn,
        "clusterArn": ecs._clusters[cluster]["clusterArn"],
        "taskDefinitionArn": definition,
        "lastStatus": "STOPPED",
        "desiredStatus": "STOPPED",
        "launchType": properties.get("LaunchType", "FARGATE"),
        "group": f"service:{properties.get('ServiceName', '')}",
        "startedBy": "ecs-svc",
        "createdAt": int(time.time()),
        "stoppedAt": int(time.time()),
        "stopCode": "TaskFailedToStart",
        "stoppedReason": (
            f"CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref {image}: "
            f"failed to do request: dial tcp: i/o timeout (subnet {subnet})"
        ),
        "containers": [],
        "overrides": {"containerOverrides": []},
        "tags": [],
    }
