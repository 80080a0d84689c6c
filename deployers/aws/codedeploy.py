"""CodeDeploy: deployments of a group, their instances, starting and stopping them.

https://docs.aws.amazon.com/codedeploy/latest/APIReference/Welcome.html
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from deployers.aws.faults import aws_faults
from deployers.aws.session import Access, client
from deployers.errors import NotFoundAtAws

if TYPE_CHECKING:
    from mypy_boto3_codedeploy import CodeDeployClient

ACTIVE = ("Created", "Queued", "InProgress", "Baking", "Ready")
"""Statuses of deployments that have not ended."""
BUSY = "DeploymentLimitExceededException"
MAX_DESCRIPTION = 200
_BATCH = 25


@dataclass(frozen=True, slots=True)
class Group:
    """A deployment group and its application."""

    application: str
    name: str


@dataclass(frozen=True, slots=True)
class Revision:
    """One version of an object in S3."""

    bucket: str
    key: str
    version_id: str


@dataclass(frozen=True, slots=True)
class DeploymentInfo:
    """A deployment as CodeDeploy tells of it. `overview` counts instances by status."""

    id: str
    status: str
    creator: str
    description: str
    revision: Revision | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    overview: Mapping[str, int]
    error: str
    rolled_back_by: str
    rolls_back: str


@dataclass(frozen=True, slots=True)
class LifecycleEvent:
    """One step of a deployment on one instance."""

    name: str
    status: str
    started_at: datetime | None
    finished_at: datetime | None
    code: str
    script: str
    message: str
    log_tail: str


@dataclass(frozen=True, slots=True)
class Target:
    """A deployment on one instance."""

    instance: str
    status: str
    events: tuple[LifecycleEvent, ...] = field(default=())


def _client(access: Access) -> "CodeDeployClient":
    return cast("CodeDeployClient", client(access, "codedeploy"))


def deployment_ids(
    access: Access, group: Group, *, since: datetime | None = None, statuses: Sequence[str] = ()
) -> Iterator[str]:
    """Ids of a group's deployments, the newest first; none if the group is gone."""
    only: dict[str, Any] = {"includeOnlyStatuses": list(statuses)} if statuses else {}
    if since is not None:
        only["createTimeRange"] = {"start": since}
    try:
        with aws_faults():
            pages = _client(access).get_paginator("list_deployments")
            for page in pages.paginate(applicationName=group.application, deploymentGroupName=group.name, **only):
                yield from page.get("deployments", [])
    except NotFoundAtAws:
        return


def describe(access: Access, ids: Sequence[str]) -> list[DeploymentInfo]:
    """The deployments of these ids."""
    found = []
    for at in range(0, len(ids), _BATCH):
        with aws_faults():
            answer = _client(access).batch_get_deployments(deploymentIds=list(ids[at : at + _BATCH]))
        found += [_info(each) for each in answer["deploymentsInfo"]]
    return found


def _info(each: Mapping[str, Any]) -> DeploymentInfo:
    location = each.get("revision", {}).get("s3Location")
    rollback = each.get("rollbackInfo") or {}
    return DeploymentInfo(
        id=each["deploymentId"],
        status=each["status"],
        creator=each.get("creator", ""),
        description=each.get("description", ""),
        revision=Revision(location["bucket"], location["key"], location.get("version", "")) if location else None,
        created_at=each["createTime"],
        started_at=each.get("startTime"),
        finished_at=each.get("completeTime"),
        overview={name: count for name, count in (each.get("deploymentOverview") or {}).items() if count},
        error=(each.get("errorInformation") or {}).get("message", ""),
        rolled_back_by=rollback.get("rollbackDeploymentId", ""),
        rolls_back=rollback.get("rollbackTriggeringDeploymentId", ""),
    )


def targets(access: Access, deployment_id: str) -> list[Target]:
    """The instances of a deployment, with what happened on each; none before it started."""
    found = []
    ids = _target_ids(access, deployment_id)
    for at in range(0, len(ids), _BATCH):
        with aws_faults():
            answer: Any = _client(access).batch_get_deployment_targets(
                deploymentId=deployment_id, targetIds=ids[at : at + _BATCH]
            )
        found += [_target(each["instanceTarget"]) for each in answer["deploymentTargets"] if "instanceTarget" in each]
    return found


def _target_ids(access: Access, deployment_id: str) -> list[str]:
    ids: list[str] = []
    with aws_faults():
        api, more = _client(access), cast("Any", {})
        while True:
            try:
                page: Any = api.list_deployment_targets(deploymentId=deployment_id, **more)
            except api.exceptions.DeploymentNotStartedException:
                return []
            ids += page.get("targetIds", [])
            if not page.get("nextToken"):
                return ids
            more = {"nextToken": page["nextToken"]}


def _target(each: Mapping[str, Any]) -> Target:
    return Target(
        instance=each["targetId"].rpartition("/")[2],
        status=each["status"],
        events=tuple(_event(event) for event in each.get("lifecycleEvents", [])),
    )


def _event(event: Mapping[str, Any]) -> LifecycleEvent:
    told = event.get("diagnostics") or {}
    return LifecycleEvent(
        name=event["lifecycleEventName"],
        status=event["status"],
        started_at=event.get("startTime"),
        finished_at=event.get("endTime"),
        code=told.get("errorCode", ""),
        script=told.get("scriptName", ""),
        message=told.get("message", ""),
        log_tail=told.get("logTail", ""),
    )


def create(access: Access, group: Group, *, revision: Revision, description: str) -> str:
    """Deploy a revision; returns the deployment's id.

    Raises AwsError with `aws_code` BUSY while another one runs on the group.
    """
    with aws_faults():
        return _client(access).create_deployment(
            applicationName=group.application,
            deploymentGroupName=group.name,
            revision={
                "revisionType": "S3",
                "s3Location": {
                    "bucket": revision.bucket,
                    "key": revision.key,
                    "bundleType": "zip",
                    "version": revision.version_id,
                },
            },
            description=description[:MAX_DESCRIPTION],
            fileExistsBehavior="OVERWRITE",
        )["deploymentId"]


def stop(access: Access, deployment_id: str, *, roll_back: bool) -> None:
    """Ask it to stop; over already is fine."""
    with aws_faults():
        api = _client(access)
        try:
            api.stop_deployment(deploymentId=deployment_id, autoRollbackEnabled=roll_back)
        except api.exceptions.DeploymentAlreadyCompletedException:
            return
