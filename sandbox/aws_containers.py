"""CloudFormation resources of ECS services that MiniStack lacks: capacity providers, scaling, a security group's rule.

Scaling is accepted and does nothing: no task of the local AWS has any load.
"""

# MiniStack offers no hooks: its own stores are used where they stand.
# ruff: noqa: SLF001

import json
from typing import Any

from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import ec2, ecs
from ministack.services.cloudformation import provisioners

from sandbox.cloudformation_names import physical_name

Made = tuple[str, dict[str, Any]]
_NAME_TAKES = 255
"""https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateCapacityProvider.html"""


def install() -> None:
    """Change MiniStack in this process; call before it serves."""
    provisioners._RESOURCE_HANDLERS |= {
        "AWS::ECS::CapacityProvider": {"create": _make_capacity_provider, "delete": _delete_capacity_provider},
        "AWS::ECS::ClusterCapacityProviderAssociations": {
            "create": _associate,
            "update": lambda _id, _old, properties, stack: _associate("", properties, stack),
            "delete": lambda _id, properties: _associate("", {**properties, "CapacityProviders": []}, ""),
        },
        "AWS::ApplicationAutoScaling::ScalableTarget": {"create": _make_target, "delete": _nothing},
        "AWS::ApplicationAutoScaling::ScalingPolicy": {"create": _make_policy, "delete": _nothing},
        "AWS::ECS::Service": _with_numbers(provisioners._RESOURCE_HANDLERS["AWS::ECS::Service"]),
        "AWS::EC2::SecurityGroupIngress": {"create": _add_rule, "delete": _remove_rule},
    }


def _with_numbers(handler: dict[str, Any]) -> dict[str, Any]:
    """A service's numbers are texts where they come from parameters; MiniStack counts with them."""

    def numbered(properties: dict[str, Any]) -> dict[str, Any]:
        return {**properties, "DesiredCount": int(properties.get("DesiredCount", 1))}

    def wrap(act: Any) -> Any:
        return lambda *given: act(*(numbered(each) if isinstance(each, dict) else each for each in given))

    return {name: wrap(act) if callable(act) else act for name, act in handler.items()}


def _nothing(_physical_id: str, _properties: dict[str, Any]) -> None:
    return


def _make_capacity_provider(logical_id: str, properties: dict[str, Any], stack_name: str) -> Made:
    name = properties.get("Name") or physical_name(stack_name, logical_id, most=_NAME_TAKES, seed=new_uuid())
    given = properties["AutoScalingGroupProvider"]
    status, _, body = ecs._ACTION_MAP["CreateCapacityProvider"](
        {
            "name": name,
            "autoScalingGroupProvider": {
                "autoScalingGroupArn": given["AutoScalingGroupArn"],
                "managedTerminationProtection": given.get("ManagedTerminationProtection", "DISABLED"),
            },
        }
    )
    if status >= 400:
        raise ValueError(f"CreateCapacityProvider error: {json.loads(body)['message']}")
    return name, {}


def _delete_capacity_provider(physical_id: str, _properties: dict[str, Any]) -> None:
    ecs._delete_capacity_provider({"capacityProvider": physical_id})


def _associate(_logical_id: str, properties: dict[str, Any], _stack_name: str) -> Made:
    strategy = [
        {"capacityProvider": each["CapacityProvider"], "weight": int(each.get("Weight", 0))}
        for each in properties.get("DefaultCapacityProviderStrategy", [])
    ]
    ecs._put_cluster_capacity_providers(
        {
            "cluster": properties["Cluster"],
            "capacityProviders": properties["CapacityProviders"],
            "defaultCapacityProviderStrategy": strategy if properties["CapacityProviders"] else [],
        }
    )
    return properties["Cluster"], {}


def _make_target(_logical_id: str, properties: dict[str, Any], _stack_name: str) -> Made:
    target = "|".join((properties["ResourceId"], properties["ScalableDimension"], properties["ServiceNamespace"]))
    return target, {"Id": target}


def _make_policy(_logical_id: str, properties: dict[str, Any], _stack_name: str) -> Made:
    arn = (
        f"arn:aws:autoscaling:{get_region()}:{get_account_id()}:scalingPolicy:{new_uuid()}:resource/ecs/"
        f"{properties['ScalingTargetId'].split('|')[0]}:policyName/{properties['PolicyName']}"
    )
    return arn, {"Arn": arn}


def _permission(properties: dict[str, Any]) -> dict[str, Any]:
    group = properties.get("SourceSecurityGroupId")
    return {
        "IpProtocol": properties["IpProtocol"],
        "FromPort": int(properties["FromPort"]),
        "ToPort": int(properties["ToPort"]),
        "IpRanges": [{"CidrIp": properties["CidrIp"]}] if "CidrIp" in properties else [],
        "Ipv6Ranges": [],
        "PrefixListIds": [],
        "UserIdGroupPairs": [{"GroupId": group, "UserId": get_account_id()}] if group else [],
    }


def _add_rule(_logical_id: str, properties: dict[str, Any], _stack_name: str) -> Made:
    rule = f"sgr-{new_uuid().replace('-', '')[:17]}"
    ec2._security_groups[properties["GroupId"]]["IpPermissions"].append(_permission(properties))
    return rule, {"Id": rule}


def _remove_rule(_physical_id: str, properties: dict[str, Any]) -> None:
    group = ec2._security_groups.get(properties["GroupId"])
    if group and _permission(properties) in group["IpPermissions"]:
        group["IpPermissions"].remove(_permission(properties))
