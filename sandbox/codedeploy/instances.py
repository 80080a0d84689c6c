"""The instances of a deployment group, and the role that each of them has."""

# MiniStack offers no hooks: its own stores and handlers are used where they stand.
# ruff: noqa: SLF001

from dataclasses import dataclass
from typing import Any

from ministack.core.responses import get_account_id
from ministack.services import autoscaling, ec2, iam


@dataclass(frozen=True)
class Instance:
    """One instance of an Auto Scaling group; without an instance profile its role is empty, and it may read all."""

    id: str
    healthy: bool
    role_arn: str


def of_group(group: dict[str, Any]) -> list[Instance]:
    """The instances in the Auto Scaling groups of a deployment group."""
    found = (autoscaling._asgs.get(each["name"]) for each in group.get("autoScalingGroups", []))
    return [
        Instance(each["InstanceId"], each["HealthStatus"] == "Healthy", role)
        for scaling in found
        if scaling
        for role in [_role(scaling)]
        for each in scaling["Instances"]
    ]


def _role(scaling: dict[str, Any]) -> str:
    """The role of a launch template's instance profile."""
    wanted = scaling.get("LaunchTemplate") or {}
    template = ec2._launch_templates.get(wanted.get("LaunchTemplateId", "")) or {"Versions": []}
    versions = {str(each["VersionNumber"]): each for each in template["Versions"]}
    named = {"$Latest": "LatestVersionNumber", "$Default": "DefaultVersionNumber"}.get(str(wanted.get("Version")))
    version = versions.get(str(template.get(named) if named else wanted.get("Version"))) or {}
    profile = (version.get("LaunchTemplateData") or {}).get("IamInstanceProfile") or {}
    name = profile.get("Name") or str(profile.get("Arn", "")).rpartition("/")[2]
    roles = (iam._instance_profiles.get(name) or {}).get("Roles") or []
    return f"arn:aws:iam::{get_account_id()}:role/{roles[0]}" if roles else ""
