"""Fleets that AWS refuses or that never come up fail here too: MiniStack makes whatever it is asked for."""

# MiniStack offers no hooks: what it gets wrong is replaced where it stands.
# ruff: noqa: SLF001

from collections.abc import Callable
from typing import Any

from sandbox.aws_patches import OFFERED

MOST_INSTANCES = 16
"""Of one group: what a new account's 32 vCPUs hold of the smallest instances with two.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-on-demand-instances.html#ec2-on-demand-instances-limits
"""


def install() -> None:
    """Change MiniStack in this process; call before it serves."""
    from ministack.services.cloudformation import provisioners

    for kind, check in (
        ("AWS::ElasticLoadBalancingV2::LoadBalancer", _two_zones),
        ("AWS::AutoScaling::AutoScalingGroup", _within_the_quota),
        ("AWS::AutoScaling::AutoScalingGroup", _of_a_type_that_is_offered),
    ):
        handler = provisioners._RESOURCE_HANDLERS[kind]
        handler["create"] = _checked(handler["create"], check)


def _checked(create: Callable[..., Any], check: Callable[[dict[str, Any]], None]) -> Callable[..., Any]:
    def create_if_possible(logical_id: str, properties: dict[str, Any], stack_name: str) -> Any:
        check(properties)
        return create(logical_id, properties, stack_name)

    return create_if_possible


def _two_zones(properties: dict[str, Any]) -> None:
    """https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html"""
    from ministack.services import ec2

    if properties.get("Type", "application") != "application":
        return
    zones = {(ec2._subnets.get(subnet) or {}).get("AvailabilityZone") for subnet in properties.get("Subnets", [])}
    if len(zones) < 2:
        raise ValueError(
            "At least two subnets in two different Availability Zones must be specified "
            "(Service: ElasticLoadBalancingV2, Status Code: 400)"
        )


def _within_the_quota(properties: dict[str, Any]) -> None:
    """Instances beyond the quota never start, and so never signal.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-creationpolicy.html
    """
    wanted = int(properties.get("DesiredCapacity") or properties.get("MinSize") or 0)
    if wanted > MOST_INSTANCES:
        raise ValueError(
            f"Received {MOST_INSTANCES} SUCCESS signal(s) out of {wanted}.  "
            "Unable to satisfy 100% MinSuccessfulInstancesPercent requirement"
        )


def _of_a_type_that_is_offered(properties: dict[str, Any]) -> None:
    """A region has not every type of instance.

    https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-regions.html
    """
    from ministack.services import ec2

    template = ec2._launch_templates.get((properties.get("LaunchTemplate") or {}).get("LaunchTemplateId", ""))
    kind = template["Versions"][-1].get("LaunchTemplateData", {}).get("InstanceType") if template else None
    if kind is not None and kind not in OFFERED:
        raise ValueError(
            f"You must use a valid fully-formed launch template. Invalid value '{kind}' for InstanceType. "
            "(Service: AutoScaling, Status Code: 400)"
        )
