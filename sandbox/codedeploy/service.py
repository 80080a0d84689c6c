"""The API: one function an operation, in AWS's own names.

https://docs.aws.amazon.com/codedeploy/latest/APIReference/API_Operations.html
"""

import json
import time
from collections.abc import Callable
from typing import Any

from ministack.core.arn import parse_arn
from ministack.core.responses import error_response_json, json_response, new_uuid

from sandbox.codedeploy import configs, engine, store
from sandbox.codedeploy.errors import ApiError
from sandbox.codedeploy.store import get_state, load_persisted_state, reset

__all__ = ["get_state", "handle_request", "load_persisted_state", "reset", "resource_arn"]

PREFIX = "CodeDeploy_20141006"
_PAGE = 100
_GROUP_FIELDS = (
    "alarmConfiguration",
    "autoRollbackConfiguration",
    "deploymentStyle",
    "loadBalancerInfo",
    "outdatedInstancesStrategy",
    "serviceRoleArn",
    "triggerConfigurations",
)
Request = dict[str, Any]


async def handle_request(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]) -> Any:  # noqa: ARG001
    """What MiniStack calls for each request to the service."""
    operation = headers.get("x-amz-target", "").rpartition(".")[2]
    act = OPERATIONS.get(operation)
    if act is None:
        return error_response_json("UnknownOperationException", f"The local CodeDeploy has no {operation}.", 400)
    try:
        return json_response(act(json.loads(body or b"{}")))
    except ApiError as error:
        return error_response_json(error.code, str(error), 400)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        return error_response_json("ValidationException", f"The request cannot be understood: {error!r}", 400)


def resource_arn(body: bytes, region: str, account: str) -> str:
    """What a request is about, for policies.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_awscodedeploy.html
    """
    try:
        request = json.loads(body or b"{}")
    except ValueError:
        return "*"
    found = request.get("deploymentId") or next(iter(request.get("deploymentIds") or ()), "")
    deployment = store.deployments.get(found) or {}
    application = request.get("applicationName") or deployment.get("applicationName", "")
    group = request.get("deploymentGroupName") or deployment.get("deploymentGroupName", "")
    prefix = f"arn:aws:codedeploy:{region}:{account}"
    if named := request.get("ResourceArn"):
        return str(named)
    if config := request.get("deploymentConfigName") if not application else "":
        return f"{prefix}:deploymentconfig:{config}"
    if application and group:
        return f"{prefix}:deploymentgroup:{application}/{group}"
    return f"{prefix}:application:{application}" if application else "*"


# -- Applications and groups ------------------------------------------------------------------------------------------


def create_application(request: Request) -> Request:
    name = request["applicationName"]
    if name in store.applications:
        raise ApiError("ApplicationAlreadyExistsException", f"An application named {name} already exists.")
    store.applications[name] = {
        "applicationId": new_uuid(),
        "applicationName": name,
        "createTime": time.time(),
        "computePlatform": request.get("computePlatform", "Server"),
        "linkedToGitHub": False,
        "tags": request.get("tags", []),
    }
    return {"applicationId": store.applications[name]["applicationId"]}


def _application(name: str) -> dict[str, Any]:
    found: dict[str, Any] | None = store.applications.get(name)
    if found is None:
        raise ApiError("ApplicationDoesNotExistException", f"No application found for name: {name}")
    return found


def get_application(request: Request) -> Request:
    return {"application": _application(request["applicationName"])}


def batch_get_applications(request: Request) -> Request:
    return {"applicationsInfo": [_application(name) for name in request["applicationNames"]]}


def list_applications(_request: Request) -> Request:
    return {"applications": sorted(store.applications)}


def delete_application(request: Request) -> Request:
    """Takes its groups with it."""
    name = request["applicationName"]
    for key in [key for key in store.groups if key.startswith(f"{name}/")]:
        del store.groups[key]
    store.applications.pop(name, None)
    return {}


def create_deployment_group(request: Request) -> Request:
    application, name = request["applicationName"], request["deploymentGroupName"]
    _application(application)
    key = store.group_key(application, name)
    if key in store.groups:
        raise ApiError("DeploymentGroupAlreadyExistsException", f"The deployment group {name} already exists.")
    made = {
        "applicationName": application,
        "deploymentGroupId": new_uuid(),
        "deploymentGroupName": name,
        "computePlatform": "Server",
        "tags": request.get("tags", []),
    }
    _configure(made, request)
    store.groups[key] = made
    return {"deploymentGroupId": made["deploymentGroupId"]}


def _configure(group: dict[str, Any], request: Request) -> None:
    config = request.get("deploymentConfigName") or group.get("deploymentConfigName", "CodeDeployDefault.OneAtATime")
    configs.named(config)
    group.update({name: request[name] for name in _GROUP_FIELDS if name in request})
    group["deploymentConfigName"] = config
    if "autoScalingGroups" in request:
        group["autoScalingGroups"] = [
            each if isinstance(each, dict) else {"name": each, "hook": f"CodeDeploy-managed-{new_uuid()}"}
            for each in request["autoScalingGroups"]
        ]


def group(application: str, name: str) -> dict[str, Any]:
    """A deployment group. Raises ApiError."""
    _application(application)
    found: dict[str, Any] | None = store.groups.get(store.group_key(application, name))
    if found is None:
        raise ApiError("DeploymentGroupDoesNotExistException", f"No Deployment Group found for name: {name}")
    return found


def get_deployment_group(request: Request) -> Request:
    return {"deploymentGroupInfo": group(request["applicationName"], request["deploymentGroupName"])}


def batch_get_deployment_groups(request: Request) -> Request:
    names = request["deploymentGroupNames"]
    return {"deploymentGroupsInfo": [group(request["applicationName"], name) for name in names]}


def list_deployment_groups(request: Request) -> Request:
    name = request["applicationName"]
    _application(name)
    names = [each["deploymentGroupName"] for each in store.groups.values() if each["applicationName"] == name]
    return {"applicationName": name, "deploymentGroups": sorted(names)}


def update_deployment_group(request: Request) -> Request:
    application, name = request["applicationName"], request["currentDeploymentGroupName"]
    found = group(application, name)
    renamed = request.get("newDeploymentGroupName") or name
    if renamed != name and store.group_key(application, renamed) in store.groups:
        raise ApiError("DeploymentGroupAlreadyExistsException", f"The deployment group {renamed} already exists.")
    _configure(found, request)
    if renamed != name:
        found["deploymentGroupName"] = renamed
        store.groups[store.group_key(application, renamed)] = store.groups.pop(store.group_key(application, name))
    return {"hooksNotCleanedUp": []}


def delete_deployment_group(request: Request) -> Request:
    store.groups.pop(store.group_key(request["applicationName"], request["deploymentGroupName"]), None)
    return {"hooksNotCleanedUp": []}


# -- Deployments ------------------------------------------------------------------------------------------------------


def create_deployment(request: Request) -> Request:
    application, name = request["applicationName"], request.get("deploymentGroupName", "")
    if not name:
        raise ApiError("DeploymentGroupNameRequiredException", "The deployment group name was not specified.")
    found = group(application, name)
    location = request.get("revision", {}).get("s3Location") or {}
    if not {"bucket", "key", "bundleType"} <= set(location):
        raise ApiError("InvalidRevisionException", "The local CodeDeploy takes revisions from S3 only.")
    if request.get("deploymentConfigName"):
        configs.named(request["deploymentConfigName"])
    busy = store.active(application, name)
    if busy is not None:
        raise ApiError(
            "DeploymentLimitExceededException",
            f"The Deployment Group '{name}' already has an active Deployment '{busy['deploymentId']}'",
        )
    return {"deploymentId": engine.start(found, request, creator="user")}


def _deployment(key: str) -> dict[str, Any]:
    found: dict[str, Any] | None = store.deployments.get(key)
    if found is None:
        raise ApiError("DeploymentDoesNotExistException", f"The deployment {key} could not be found")
    return found


def get_deployment(request: Request) -> Request:
    return {"deploymentInfo": _deployment(request["deploymentId"])}


def batch_get_deployments(request: Request) -> Request:
    ids = request.get("deploymentIds", [])
    if len(ids) > 25:
        raise ApiError("BatchLimitExceededException", "The maximum number of names or IDs allowed is 25")
    return {"deploymentsInfo": [_deployment(each) for each in ids]}


def list_deployments(request: Request) -> Request:
    application, name = request.get("applicationName"), request.get("deploymentGroupName")
    if bool(application) != bool(name):
        missing = "ApplicationNameRequiredException" if name else "DeploymentGroupNameRequiredException"
        raise ApiError(missing, "An application and a deployment group go together.")
    if application and name:
        group(application, name)
        found = store.of_group(application, name)
    else:
        found = sorted(store.deployments.values(), key=lambda each: float(each["createTime"]), reverse=True)
    statuses, between = request.get("includeOnlyStatuses") or (), request.get("createTimeRange") or {}
    first, last = float(between.get("start") or 0), float(between.get("end") or "inf")
    ids = [
        each["deploymentId"]
        for each in found
        if (not statuses or each["status"] in statuses) and first <= float(each["createTime"]) <= last
    ]
    return _page("deployments", ids, request)


def _page(name: str, items: list[Any], request: Request) -> Request:
    start = int(request.get("nextToken") or 0)
    answer: Request = {name: items[start : start + _PAGE]}
    if start + _PAGE < len(items):
        answer["nextToken"] = str(start + _PAGE)
    return answer


def stop_deployment(request: Request) -> Request:
    deployment = _deployment(request["deploymentId"])
    if deployment["status"] not in store.ACTIVE:
        raise ApiError("DeploymentAlreadyCompletedException", "The deployment is already complete.")
    engine.stop(deployment, rollback=bool(request.get("autoRollbackEnabled")))
    return {"status": "Pending", "statusMessage": "Stopping the deployment."}


def list_deployment_targets(request: Request) -> Request:
    _deployment(request["deploymentId"])
    return _page("targetIds", list(store.targets.get(request["deploymentId"], {})), request)


def batch_get_deployment_targets(request: Request) -> Request:
    key = request["deploymentId"]
    _deployment(key)
    known = store.targets.get(key, {})
    unknown = [each for each in request.get("targetIds", []) if each not in known]
    if unknown:
        raise ApiError("DeploymentTargetDoesNotExistException", f"The target {unknown[0]} could not be found")
    return {
        "deploymentTargets": [
            {"deploymentTargetType": "InstanceTarget", "instanceTarget": known[each]}
            for each in request.get("targetIds", known)
        ]
    }


def get_deployment_target(request: Request) -> Request:
    one = {"deploymentId": request["deploymentId"], "targetIds": [request["targetId"]]}
    return {"deploymentTarget": batch_get_deployment_targets(one)["deploymentTargets"][0]}


def _tagged(request: Request) -> dict[str, Any]:
    kind, _, name = parse_arn(request["ResourceArn"]).resource.partition(":")
    if kind == "application":
        return _application(name)
    if kind == "deploymentgroup":
        return group(*name.split("/", 1))
    raise ApiError("ArnNotSupportedException", "Applications and deployment groups have tags.")


def list_tags_for_resource(request: Request) -> Request:
    return {"Tags": _tagged(request)["tags"]}


def tag_resource(request: Request) -> Request:
    found, new = _tagged(request), request["Tags"]
    keys = {each["Key"] for each in new}
    found["tags"] = [each for each in found["tags"] if each["Key"] not in keys] + new
    return {}


def untag_resource(request: Request) -> Request:
    found = _tagged(request)
    found["tags"] = [each for each in found["tags"] if each["Key"] not in request["TagKeys"]]
    return {}


OPERATIONS: dict[str, Callable[[Request], Request]] = {
    "BatchGetApplications": batch_get_applications,
    "BatchGetDeploymentGroups": batch_get_deployment_groups,
    "BatchGetDeployments": batch_get_deployments,
    "BatchGetDeploymentTargets": batch_get_deployment_targets,
    "CreateApplication": create_application,
    "CreateDeployment": create_deployment,
    "CreateDeploymentConfig": configs.create_deployment_config,
    "CreateDeploymentGroup": create_deployment_group,
    "DeleteApplication": delete_application,
    "DeleteDeploymentConfig": configs.delete_deployment_config,
    "DeleteDeploymentGroup": delete_deployment_group,
    "GetApplication": get_application,
    "GetDeployment": get_deployment,
    "GetDeploymentConfig": configs.get_deployment_config,
    "GetDeploymentGroup": get_deployment_group,
    "GetDeploymentTarget": get_deployment_target,
    "ListApplications": list_applications,
    "ListDeploymentConfigs": configs.list_deployment_configs,
    "ListDeploymentGroups": list_deployment_groups,
    "ListDeployments": list_deployments,
    "ListDeploymentTargets": list_deployment_targets,
    "ListTagsForResource": list_tags_for_resource,
    "StopDeployment": stop_deployment,
    "TagResource": tag_resource,
    "UntagResource": untag_resource,
    "UpdateDeploymentGroup": update_deployment_group,
}
