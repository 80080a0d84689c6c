"""Deployment configurations: how many instances must stay healthy.

https://docs.aws.amazon.com/codedeploy/latest/userguide/deployment-configurations.html
"""

import math
import time
from typing import Any

from ministack.core.responses import new_uuid

from sandbox.codedeploy import store
from sandbox.codedeploy.errors import ApiError

Request = dict[str, Any]

_ONE_AT_A_TIME = "CodeDeployDefault.OneAtATime"
_OWN: dict[str, dict[str, Any]] = {
    "CodeDeployDefault.AllAtOnce": {"type": "HOST_COUNT", "value": 0},
    "CodeDeployDefault.HalfAtATime": {"type": "FLEET_PERCENT", "value": 50},
    _ONE_AT_A_TIME: {"type": "HOST_COUNT", "value": 1},
}


def named(name: str) -> dict[str, Any]:
    """A configuration, AWS's own or the account's. Raises ApiError."""
    if name in _OWN:
        return {
            "deploymentConfigId": name,
            "deploymentConfigName": name,
            "minimumHealthyHosts": _OWN[name],
            "computePlatform": "Server",
        }
    found: dict[str, Any] | None = store.configs.get(name)
    if found is None:
        message = f"No Deployment Configuration found for name: {name}"
        raise ApiError("DeploymentConfigDoesNotExistException", message)
    return found


def goes_on(name: str, failed: int, number: int, total: int) -> bool:
    """Whether enough instances stay healthy, `failed` of the first `number` having failed.

    One at a time, the last instance may fail; all at once, all but one.
    """
    if name == _ONE_AT_A_TIME:
        return number == total > 1 and failed == 1
    least = named(name)["minimumHealthyHosts"]
    value = int(least["value"])
    healthy = math.ceil(total * value / 100) if least["type"] == "FLEET_PERCENT" else value
    return total - failed >= max(healthy, 1)


def create_deployment_config(request: Request) -> Request:
    name = request["deploymentConfigName"]
    if name in _OWN or name in store.configs:
        message = f"A deployment configuration named {name} already exists."
        raise ApiError("DeploymentConfigAlreadyExistsException", message)
    least = request.get("minimumHealthyHosts") or {}
    if least.get("type") not in ("HOST_COUNT", "FLEET_PERCENT") or int(least.get("value", -1)) < 0:
        message = "The minimum healthy hosts need a type, HOST_COUNT or FLEET_PERCENT, and a value from 0 up."
        raise ApiError("InvalidMinimumHealthyHostValueException", message)
    store.configs[name] = {
        "deploymentConfigId": new_uuid(),
        "deploymentConfigName": name,
        "minimumHealthyHosts": {"type": least["type"], "value": int(least["value"])},
        "computePlatform": request.get("computePlatform", "Server"),
        "createTime": time.time(),
    }
    return {"deploymentConfigId": store.configs[name]["deploymentConfigId"]}


def get_deployment_config(request: Request) -> Request:
    return {"deploymentConfigInfo": named(request["deploymentConfigName"])}


def list_deployment_configs(_request: Request) -> Request:
    return {"deploymentConfigsList": sorted([*_OWN, *store.configs])}


def delete_deployment_config(request: Request) -> Request:
    name = request["deploymentConfigName"]
    if name in _OWN:
        raise ApiError("InvalidOperationException", "AWS's own deployment configurations cannot be deleted.")
    if any(each["deploymentConfigName"] == name for each in store.groups.values()):
        raise ApiError("DeploymentConfigInUseException", f"The deployment configuration {name} is in use.")
    store.configs.pop(name, None)
    return {}
