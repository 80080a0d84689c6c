"""Drives deployments: instance by instance through the lifecycle, as CodeDeploy and its agent do.

https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-structure-hooks.html
"""

# MiniStack offers no hooks: its own stores and handlers are used where they stand.
# ruff: noqa: SLF001

import contextvars
import json
import logging
import threading
import time
from pathlib import Path
from typing import Any

from ministack.core.responses import get_account_id, get_region, now_iso
from ministack.services import eventbridge

from sandbox import aws_persistence
from sandbox.codedeploy import configs, instances, store
from sandbox.codedeploy.agent import Agent, Failure
from sandbox.codedeploy.instances import Instance

_log = logging.getLogger("sluice.codedeploy")

EVENTS = (
    "BeforeBlockTraffic",
    "BlockTraffic",
    "AfterBlockTraffic",
    "ApplicationStop",
    "DownloadBundle",
    "BeforeInstall",
    "Install",
    "AfterInstall",
    "ApplicationStart",
    "ValidateService",
    "BeforeAllowTraffic",
    "AllowTraffic",
    "AfterAllowTraffic",
)
_TRAFFIC = frozenset(name for name in EVENTS if name.endswith("Traffic"))
# Seconds: long enough for a person to see it happen.
_PAUSE = 0.05
_TOO_FEW = (
    "The overall deployment failed because too many individual instances failed deployment, too few healthy instances "
    "are available for deployment, or some instances in your deployment group are experiencing problems."
)
_NO_INSTANCES = "The deployment failed because no instances were found in your deployment group."
_stopping: dict[str, bool] = {}
"""Deployments that were asked to stop; whether they are to roll back."""
root = Path("codedeploy")
"""Where instances have their disks; set before anything runs."""


def start(group: dict[str, Any], request: dict[str, Any], *, creator: str, rolls_back: str = "") -> str:
    """Record a deployment, let it run in a thread of its own, and return its id."""
    key = store.new_deployment_id()
    store.deployments[key] = {
        "deploymentId": key,
        "applicationName": group["applicationName"],
        "deploymentGroupName": group["deploymentGroupName"],
        "deploymentConfigName": request.get("deploymentConfigName") or group["deploymentConfigName"],
        "revision": request["revision"],
        "description": request.get("description", ""),
        "status": "Created",
        "creator": creator,
        "createTime": time.time(),
        "fileExistsBehavior": request.get("fileExistsBehavior", "DISALLOW"),
        "ignoreApplicationStopFailures": bool(request.get("ignoreApplicationStopFailures")),
        "deploymentStyle": group.get("deploymentStyle", {}),
        "computePlatform": "Server",
        "deploymentOverview": {},
        **({"rollbackInfo": {"rollbackTriggeringDeploymentId": rolls_back}} if rolls_back else {}),
    }
    store.targets[key] = {}
    # The thread works for the account and region of the request.
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(_run, key), name=f"codedeploy-{key}", daemon=True).start()
    return key


def stop(deployment: dict[str, Any], *, rollback: bool) -> None:
    """Ask a running deployment to stop before its next step."""
    _stopping[deployment["deploymentId"]] = rollback


def _run(key: str) -> None:
    deployment = store.deployments[key]
    group = store.groups.get(store.group_key(deployment["applicationName"], deployment["deploymentGroupName"])) or {}
    try:
        time.sleep(_PAUSE)
        deployment.update(status="InProgress", startTime=time.time())
        _tell(deployment, "START")
        outcome = _deploy(deployment, group)
    except Exception:  # noqa: BLE001   a thread's outermost frame: the deployment fails, and the log tells why
        _log.exception("deployment %s", key)
        outcome = ("Failed", {"code": "INTERNAL_ERROR", "message": "There was an internal error."})
    _finish(deployment, group, *outcome)


def _deploy(deployment: dict[str, Any], group: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
    found = instances.of_group(group)
    if not found:
        return "Failed", {"code": "NO_INSTANCES", "message": _NO_INSTANCES}
    targets = {each.id: _target(deployment, each.id) for each in found}
    store.targets[deployment["deploymentId"]] = targets
    _count(deployment)
    failed = 0
    for number, instance in enumerate(found, start=1):
        well = _walk(deployment, instance, targets[instance.id])
        if deployment["deploymentId"] in _stopping:
            _skip_rest(deployment)
            return "Stopped", {"code": "MANUAL_STOP", "message": "The deployment was stopped."}
        if not well:
            failed += 1
            if not configs.goes_on(deployment["deploymentConfigName"], failed, number, len(found)):
                _skip_rest(deployment)
                return "Failed", {"code": "HEALTH_CONSTRAINTS", "message": _TOO_FEW}
    return "Succeeded", None


def _target(deployment: dict[str, Any], instance: str) -> dict[str, Any]:
    style = deployment["deploymentStyle"].get("deploymentOption")
    names = EVENTS if style == "WITH_TRAFFIC_CONTROL" else tuple(name for name in EVENTS if name not in _TRAFFIC)
    return {
        "deploymentId": deployment["deploymentId"],
        "targetId": instance,
        "targetArn": f"arn:aws:ec2:{get_region()}:{get_account_id()}:instance/{instance}",
        "status": "Pending",
        "lastUpdatedAt": time.time(),
        "lifecycleEvents": [{"lifecycleEventName": name, "status": "Pending"} for name in names],
    }


def _walk(deployment: dict[str, Any], instance: Instance, target: dict[str, Any]) -> bool:
    """Take one instance through the lifecycle; whether all went well."""
    agent = Agent(root / instance.id, deployment, instance)
    target["status"] = "InProgress"
    _count(deployment)
    well = True
    for event in target["lifecycleEvents"]:
        if not well or deployment["deploymentId"] in _stopping:
            event["status"] = "Skipped"
            continue
        event.update(status="InProgress", startTime=time.time())
        aws_persistence.note_change()
        time.sleep(_PAUSE)
        try:
            agent.act(event["lifecycleEventName"])
            event.update(
                status="Succeeded", diagnostics={"errorCode": "Success", "message": "Succeeded", "logTail": ""}
            )
        except Failure as failure:
            well = event["lifecycleEventName"] == "ApplicationStop" and deployment["ignoreApplicationStopFailures"]
            event.update(status="Failed", diagnostics=failure.diagnostics())
        event["endTime"] = target["lastUpdatedAt"] = time.time()
    cut_short = any(event["status"] == "Skipped" for event in target["lifecycleEvents"])
    target["status"] = "Failed" if not well else "Skipped" if cut_short else "Succeeded"
    _count(deployment)
    return well


def _skip_rest(deployment: dict[str, Any]) -> None:
    for target in store.targets[deployment["deploymentId"]].values():
        if target["status"] == "Pending":
            target["status"] = "Skipped"
            for event in target["lifecycleEvents"]:
                event["status"] = "Skipped"
    _count(deployment)


def _count(deployment: dict[str, Any]) -> None:
    states = [target["status"] for target in store.targets[deployment["deploymentId"]].values()]
    names = ("Pending", "InProgress", "Succeeded", "Failed", "Skipped", "Ready")
    deployment["deploymentOverview"] = {name: states.count(name) for name in names}


def _finish(deployment: dict[str, Any], group: dict[str, Any], status: str, error: dict[str, Any] | None) -> None:
    key = deployment["deploymentId"]
    asked = _stopping.pop(key, None)
    summary = {"deploymentId": key, "createTime": deployment["createTime"], "endTime": time.time()}
    if status == "Succeeded" and group:
        group["targetRevision"] = deployment["revision"]
        group["lastSuccessfulDeployment"] = {**summary, "status": status}
    if group:
        group["lastAttemptedDeployment"] = {**summary, "status": status}
    deployment.update(completeTime=time.time(), **({"errorInformation": error} if error else {}))
    rollback = _wants_rollback(group) if status == "Failed" else bool(asked)
    # The group is busy until the status says otherwise, so that nothing comes between a failure and its rollback.
    if status != "Succeeded" and rollback and deployment["creator"] != "codeDeployRollback":
        _roll_back(deployment, group)
    deployment["status"] = status
    aws_persistence.note_change()
    _tell(deployment, {"Succeeded": "SUCCESS", "Failed": "FAILURE", "Stopped": "STOP"}[status])


def _wants_rollback(group: dict[str, Any]) -> bool:
    found = group.get("autoRollbackConfiguration") or {}
    enabled = str(found.get("enabled", "")).lower() == "true"
    return enabled and "DEPLOYMENT_FAILURE" in found.get("events", [])


def _roll_back(deployment: dict[str, Any], group: dict[str, Any]) -> None:
    last = group.get("lastSuccessfulDeployment")
    if not last:
        deployment["rollbackInfo"] = {"rollbackMessage": "There is no successful deployment to roll back to."}
        return
    good = store.deployments[last["deploymentId"]]
    request = {
        "revision": good["revision"],
        "description": f"Automatic rollback of {deployment['deploymentId']}",
        "deploymentConfigName": deployment["deploymentConfigName"],
        "fileExistsBehavior": "OVERWRITE",
    }
    started = start(group, request, creator="codeDeployRollback", rolls_back=deployment["deploymentId"])
    deployment["rollbackInfo"] = {
        "rollbackDeploymentId": started,
        "rollbackMessage": f"Deployment {started} was created to roll back.",
    }


def _tell(deployment: dict[str, Any], state: str) -> None:
    """The event that rules listen for.

    https://docs.aws.amazon.com/codedeploy/latest/userguide/monitoring-cloudwatch-events.html
    """
    application, group = deployment["applicationName"], deployment["deploymentGroupName"]
    prefix = f"arn:aws:codedeploy:{get_region()}:{get_account_id()}"
    detail = {
        "application": application,
        "deploymentGroup": group,
        "deploymentId": deployment["deploymentId"],
        "instanceGroupId": application,
        "region": get_region(),
        "state": state,
        "time": now_iso(),
    }
    entry = {
        "Source": "aws.codedeploy",
        "DetailType": "CodeDeploy Deployment State-change Notification",
        "Detail": json.dumps(detail),
        "Resources": [f"{prefix}:application:{application}", f"{prefix}:deploymentgroup:{application}/{group}"],
    }
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
