"""What the local CodeDeploy knows: applications, groups, deployments and their targets, as plain JSON."""

# MiniStack offers no hooks: its own stores and handlers are used where they stand.
# ruff: noqa: SLF001

import copy
import time
from typing import Any

from ministack.core.responses import AccountRegionScopedDict, new_uuid

applications = AccountRegionScopedDict()
groups = AccountRegionScopedDict()
"""By `<application>/<group>`."""
configs = AccountRegionScopedDict()
"""Deployment configurations but AWS's own."""
deployments = AccountRegionScopedDict()
targets = AccountRegionScopedDict()
"""By deployment: instance to its target."""

ACTIVE = ("Created", "Queued", "InProgress", "Ready")
_ALL = {
    "applications": applications,
    "groups": groups,
    "configs": configs,
    "deployments": deployments,
    "targets": targets,
}


def reset() -> None:
    """Forget everything."""
    for each in _ALL.values():
        each.clear()


def get_state() -> dict[str, Any]:
    """What is saved."""
    return copy.deepcopy(dict(_ALL))


def load_persisted_state(data: dict[str, Any]) -> None:
    """Go on with what was saved. What ran when the process ended has failed: nothing would ever end it."""
    for name, each in _ALL.items():
        each.update(data.get(name, {}))
    for of_deployment in targets._data.values():
        for target in of_deployment.values():
            _settle(target)
    for deployment in deployments._data.values():
        if deployment["status"] in ACTIVE:
            deployment.update(
                status="Failed",
                completeTime=time.time(),
                errorInformation={
                    "code": "INTERNAL_ERROR",
                    "message": "The local AWS ended in the middle of the deployment.",
                },
            )


def _settle(target: dict[str, Any]) -> None:
    if target["status"] == "InProgress":
        target["status"] = "Failed"
    elif target["status"] == "Pending":
        target["status"] = "Skipped"
    for event in target["lifecycleEvents"]:
        if event["status"] == "InProgress":
            event.update(status="Unknown", endTime=time.time())
        elif event["status"] == "Pending":
            event["status"] = "Skipped"


def group_key(application: str, group: str) -> str:
    return f"{application}/{group}"


def new_deployment_id() -> str:
    return f"d-{new_uuid().replace('-', '')[:9].upper()}"


def of_group(application: str, group: str) -> list[dict[str, Any]]:
    """Deployments of a group, the newest first."""
    found = [
        each
        for each in list(deployments.values())
        if each["applicationName"] == application and each["deploymentGroupName"] == group
    ]
    return sorted(found, key=lambda each: float(each["createTime"]), reverse=True)


def active(application: str, group: str) -> dict[str, Any] | None:
    return next((each for each in of_group(application, group) if each["status"] in ACTIVE), None)
