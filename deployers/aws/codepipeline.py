"""CodePipeline: executions of a pipeline, what their actions did, approvals, starting and stopping.

https://docs.aws.amazon.com/codepipeline/latest/APIReference/Welcome.html
"""

from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

from deployers.aws.faults import aws_faults
from deployers.aws.session import Access, client
from deployers.errors import AwsError, NotFoundAtAws

if TYPE_CHECKING:
    from mypy_boto3_codepipeline import CodePipelineClient

ACTIVE = ("InProgress", "Stopping")
SOURCE_ACTION = "Artifact"
"""Name of the template's action that takes the artifact."""
LOG_LINES = 40


@dataclass(frozen=True, slots=True)
class Execution:
    """One run of a pipeline, for one version of its source, or blank.

    `by_rule` if an event started it, `first` if the pipeline did, as it was made:
    https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_ExecutionTrigger.html
    """

    id: str
    status: str
    version_id: str
    by_rule: bool
    first: bool
    started_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Action:
    """What one action of a run did. `external_id` is its own service's, such as a build's."""

    stage: str
    name: str
    provider: str
    status: str
    started_at: datetime | None
    updated_at: datetime | None
    external_id: str
    url: str
    summary: str
    error: str


def _client(access: Access) -> "CodePipelineClient":
    return cast("CodePipelineClient", client(access, "codepipeline"))


def executions(access: Access, pipeline: str, *, most: int) -> list[Execution]:
    """The newest runs; none if the pipeline is gone. One that is still at its source has no version yet."""
    found = []
    try:
        with aws_faults():
            pages = _client(access).get_paginator("list_pipeline_executions").paginate(pipelineName=pipeline)
            rows = (each for page in pages for each in page["pipelineExecutionSummaries"])
            for each in islice(rows, most):
                revisions: Any = each.get("sourceRevisions") or [{}]
                trigger = each.get("trigger") or {}
                found.append(
                    Execution(
                        id=each["pipelineExecutionId"],
                        status=each["status"],
                        version_id=revisions[0].get("revisionId", ""),
                        by_rule=":rule/" in trigger.get("triggerDetail", ""),
                        first=trigger.get("triggerType") == "CreatePipeline",
                        started_at=each["startTime"],
                        updated_at=each["lastUpdateTime"],
                    )
                )
    except NotFoundAtAws:
        return []
    return found


def actions(access: Access, pipeline: str, execution: str) -> list[Action]:
    """What the actions of a run did, in the order in which they began; of a repeated one only the last time."""
    found: dict[tuple[str, str], Action] = {}
    with aws_faults():
        pages = _client(access).get_paginator("list_action_executions")
        answer = pages.paginate(pipelineName=pipeline, filter={"pipelineExecutionId": execution})
        rows = [each for page in answer for each in page["actionExecutionDetails"]]
    for each in reversed(rows):
        result: Any = each.get("output", {}).get("executionResult", {})
        found[each["stageName"], each["actionName"]] = Action(
            stage=each["stageName"],
            name=each["actionName"],
            provider=cast("dict[str, Any]", each.get("input", {})).get("actionTypeId", {}).get("provider", ""),
            status=each["status"],
            started_at=each.get("startTime"),
            updated_at=each.get("lastUpdateTime"),
            external_id=result.get("externalExecutionId", ""),
            url=result.get("externalExecutionUrl", ""),
            summary=result.get("externalExecutionSummary", ""),
            error=result.get("errorDetails", {}).get("message", ""),
        )
    return list(found.values())


def start(access: Access, pipeline: str, *, version_id: str, token: str) -> str:
    """Run the pipeline for one version of its source; the run's id. The same token is the same run."""
    with aws_faults():
        return _client(access).start_pipeline_execution(
            name=pipeline,
            clientRequestToken=token,
            sourceRevisions=[
                {"actionName": SOURCE_ACTION, "revisionType": "S3_OBJECT_VERSION_ID", "revisionValue": version_id}
            ],
        )["pipelineExecutionId"]


def stop(access: Access, pipeline: str, execution: str, *, reason: str, abandon: bool) -> None:
    """Stop a run after the actions that are under way; with `abandon` at once, and they go on by themselves.

    An approval is under way until somebody answers it.
    https://docs.aws.amazon.com/codepipeline/latest/userguide/pipelines-stop.html
    """
    with aws_faults():
        _client(access).stop_pipeline_execution(
            pipelineName=pipeline, pipelineExecutionId=execution, abandon=abandon, reason=reason[:200]
        )


def retry(access: Access, pipeline: str, execution: str, *, stage: str) -> None:
    """Do a stage once more, within the same run: all of it, as Deploy clears first what a failed deployment left."""
    with aws_faults():
        _client(access).retry_stage_execution(
            pipelineName=pipeline, stageName=stage, pipelineExecutionId=execution, retryMode="ALL_ACTIONS"
        )


def answer_approval(access: Access, pipeline: str, execution: str, *, approved: bool, summary: str) -> bool:
    """Answer the approval that a run waits for; False if it waits for none (any more)."""
    with aws_faults():
        state: Any = _client(access).get_pipeline_state(name=pipeline)
        for stage in state.get("stageStates", []):
            if stage.get("latestExecution", {}).get("pipelineExecutionId") != execution:
                continue
            for action in stage.get("actionStates", []):
                latest = action.get("latestExecution", {})
                if latest.get("status") != "InProgress" or not latest.get("token"):
                    continue
                _client(access).put_approval_result(
                    pipelineName=pipeline,
                    stageName=stage["stageName"],
                    actionName=action["actionName"],
                    result={"summary": summary[:512], "status": "Approved" if approved else "Rejected"},
                    token=latest["token"],
                )
                return True
    return False


def build_log(access: Access, build_id: str) -> str:
    """The last lines of a build's log; empty if it cannot be read.

    https://docs.aws.amazon.com/codebuild/latest/APIReference/API_LogsLocation.html
    """
    try:
        with aws_faults():
            builds: Any = client(access, "codebuild").batch_get_builds(ids=[build_id])["builds"]
            logs = builds[0].get("logs", {}) if builds else {}
            if not logs.get("groupName") or not logs.get("streamName"):
                return ""
            events: Any = client(access, "logs").get_log_events(
                logGroupName=logs["groupName"],
                logStreamName=logs["streamName"],
                limit=LOG_LINES,
                startFromHead=False,
            )
    except AwsError:
        # Only details: an account that may not read them still sees which action failed.
        return ""
    return "\n".join(each["message"].rstrip("\n") for each in events["events"])
