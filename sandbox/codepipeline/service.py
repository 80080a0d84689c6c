"""The API: one function an operation, in AWS's own names.

https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_Operations.html
"""

import json
import time
from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json, get_account_id, get_region, json_response

from sandbox.codepipeline import engine, store
from sandbox.codepipeline.errors import ApiError
from sandbox.codepipeline.store import get_state, load_persisted_state, reset

__all__ = ["get_state", "handle_request", "load_persisted_state", "reset", "resource_arn"]

PREFIX = "CodePipeline_20150709"
_PAGE = 100
_SUMMARY = (
    "pipelineExecutionId",
    "status",
    "statusSummary",
    "startTime",
    "lastUpdateTime",
    "trigger",
    "executionMode",
    "executionType",
)
Request = dict[str, Any]


async def handle_request(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]) -> Any:  # noqa: ARG001
    """What MiniStack calls for each request to the service."""
    operation = headers.get("x-amz-target", "").rpartition(".")[2]
    act = OPERATIONS.get(operation)
    if act is None:
        return error_response_json("UnknownOperationException", f"The local CodePipeline has no {operation}.", 400)
    try:
        return json_response(act(json.loads(body or b"{}")))
    except ApiError as error:
        return error_response_json(error.code, str(error), 400)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        return error_response_json("ValidationException", f"The request cannot be understood: {error!r}", 400)


def resource_arn(body: bytes, region: str, account: str) -> str:
    """What a request is about, for policies.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_awscodepipeline.html
    """
    try:
        request = json.loads(body or b"{}")
    except ValueError:
        return "*"
    definition = request.get("pipeline")
    name = request.get("pipelineName") or request.get("name") or (definition or {}).get("name", "")
    parts = [name, request.get("stageName"), request.get("actionName")]
    path = "/".join(str(each) for each in parts if each)
    return f"arn:aws:codepipeline:{region}:{account}:{path}" if name else "*"


# -- Pipelines --------------------------------------------------------------------------------------------------------


def create_pipeline(request: Request) -> Request:
    pipeline = request["pipeline"]
    name = pipeline["name"]
    if name in store.pipelines:
        raise ApiError("PipelineNameInUseException", f"A pipeline with the name '{name}' already exists")
    if len(pipeline["stages"]) < 2:
        raise ApiError("InvalidStructureException", "Pipeline has to have at least two stages")
    now = time.time()
    arn = f"arn:aws:codepipeline:{get_region()}:{get_account_id()}:{name}"
    store.pipelines[name] = {
        "pipeline": {"pipelineType": "V1", "executionMode": "SUPERSEDED", **pipeline, "version": 1},
        "metadata": {"pipelineArn": arn, "created": now, "updated": now},
    }
    engine.start(name, trigger="CreatePipeline", detail="", revisions=[], variables={})
    return {"pipeline": store.pipelines[name]["pipeline"]}


def _pipeline(name: str) -> dict[str, Any]:
    found: dict[str, Any] | None = store.pipelines.get(name)
    if found is None:
        message = f"Account '{get_account_id()}' does not have a pipeline with name '{name}'"
        raise ApiError("PipelineNotFoundException", message)
    return found


def get_pipeline(request: Request) -> Request:
    return _pipeline(request["name"])


def update_pipeline(request: Request) -> Request:
    pipeline = request["pipeline"]
    found = _pipeline(pipeline["name"])
    version = found["pipeline"]["version"] + 1
    # Executions keep the definition that they started with.
    found["pipeline"] = {"pipelineType": "V1", "executionMode": "SUPERSEDED", **pipeline, "version": version}
    found["metadata"]["updated"] = time.time()
    return {"pipeline": found["pipeline"]}


def delete_pipeline(request: Request) -> Request:
    name = request["name"]
    for each in store.of_pipeline(name):
        if each["status"] in store.ACTIVE:
            engine.stop(each, abandon=True, reason="The pipeline was deleted.")
    store.pipelines.pop(name, None)
    return {}


def list_pipelines(_request: Request) -> Request:
    found = [
        {
            **{name: each["pipeline"][name] for name in ("name", "version", "pipelineType", "executionMode")},
            **{name: each["metadata"][name] for name in ("created", "updated")},
        }
        for each in store.pipelines.values()
    ]
    return {"pipelines": found}


def get_pipeline_state(request: Request) -> Request:
    found = _pipeline(request["name"])
    history = store.of_pipeline(request["name"])
    stages = [_stage_state(stage, history) for stage in found["pipeline"]["stages"]]
    return {
        "pipelineName": request["name"],
        "pipelineVersion": found["pipeline"]["version"],
        "stageStates": stages,
        **{name: found["metadata"][name] for name in ("created", "updated")},
    }


def _stage_state(stage: dict[str, Any], history: list[dict[str, Any]]) -> dict[str, Any]:
    name = stage["name"]
    latest = next((each for each in history if name in each["stages"]), None)
    state: dict[str, Any] = {
        "stageName": name,
        "inboundTransitionState": {"enabled": True},
        "actionStates": [_action_state(name, action["name"], history) for action in stage["actions"]],
    }
    if latest is not None:
        identity = {"pipelineExecutionId": latest["pipelineExecutionId"]}
        state["latestExecution"] = {**identity, "status": latest["stages"][name]}
    return state


def _action_state(stage: str, name: str, history: list[dict[str, Any]]) -> dict[str, Any]:
    runs = [
        each
        for execution in history
        for each in reversed(execution["actions"])
        if (each["stageName"], each["actionName"]) == (stage, name)
    ]
    if not runs:
        return {"actionName": name}
    record = runs[0]
    result = record["output"]["executionResult"]
    latest = {
        "actionExecutionId": record["actionExecutionId"],
        "status": record["status"],
        "lastStatusChange": record["lastUpdateTime"],
        "summary": result.get("externalExecutionSummary", ""),
        "token": record.get("token"),
        "externalExecutionId": result.get("externalExecutionId"),
        "errorDetails": result.get("errorDetails"),
    }
    return {"actionName": name, "latestExecution": {key: each for key, each in latest.items() if each is not None}}


# -- Executions -------------------------------------------------------------------------------------------------------


def start_pipeline_execution(request: Request) -> Request:
    _pipeline(request["name"])
    key = engine.start(
        request["name"],
        trigger="StartPipelineExecution",
        detail=f"arn:aws:iam::{get_account_id()}:root",
        revisions=request.get("sourceRevisions") or [],
        variables={each["name"]: each["value"] for each in request.get("variables") or []},
    )
    return {"pipelineExecutionId": key}


def _execution(request: Request) -> dict[str, Any]:
    name, key = request["pipelineName"], request["pipelineExecutionId"]
    _pipeline(name)
    found: dict[str, Any] | None = store.executions.get(key)
    if found is None or found["pipelineName"] != name:
        message = f"Pipeline execution '{key}' does not exist in pipeline '{name}'"
        raise ApiError("PipelineExecutionNotFoundException", message)
    return found


def get_pipeline_execution(request: Request) -> Request:
    found = _execution(request)
    names = (*_SUMMARY, "pipelineName", "pipelineVersion", "artifactRevisions")
    own = {name: found[name] for name in names if name in found and name not in ("startTime", "lastUpdateTime")}
    return {"pipelineExecution": own}


def list_pipeline_executions(request: Request) -> Request:
    _pipeline(request["pipelineName"])
    stage = ((request.get("filter") or {}).get("succeededInStage") or {}).get("stageName")
    found = [
        {
            **{name: each[name] for name in _SUMMARY if name in each},
            "sourceRevisions": each["taken"],
        }
        for each in store.of_pipeline(request["pipelineName"])
        if not stage or each["stages"].get(stage) == "Succeeded"
    ]
    return _page("pipelineExecutionSummaries", found, request)


def list_action_executions(request: Request) -> Request:
    _pipeline(request["pipelineName"])
    wanted = request.get("filter") or {}
    key = wanted.get("pipelineExecutionId") or (wanted.get("latestInPipelineExecution") or {}).get(
        "pipelineExecutionId"
    )
    found = [
        {name: value for name, value in record.items() if name not in ("token", "answer")}
        for execution in store.of_pipeline(request["pipelineName"])
        for record in reversed(execution["actions"])
        if not key or execution["pipelineExecutionId"] == key
    ]
    return _page("actionExecutionDetails", found, request)


def _page(name: str, items: list[Any], request: Request) -> Request:
    start, size = int(request.get("nextToken") or 0), int(request.get("maxResults") or _PAGE)
    answer: Request = {name: items[start : start + size]}
    if start + size < len(items):
        answer["nextToken"] = str(start + size)
    return answer


def stop_pipeline_execution(request: Request) -> Request:
    found = _execution(request)
    if found["status"] not in store.ACTIVE:
        message = "The pipeline execution has already finished, so it cannot be stopped."
        raise ApiError("PipelineExecutionNotStoppableException", message)
    if found["status"] == "Stopping" and not request.get("abandon"):
        message = "The pipeline execution is already in a Stopping state."
        raise ApiError("DuplicatedStopRequestException", message)
    engine.stop(found, abandon=bool(request.get("abandon")), reason=request.get("reason", ""))
    return {"pipelineExecutionId": request["pipelineExecutionId"]}


def retry_stage_execution(request: Request) -> Request:
    found = _execution(request)
    if found["status"] in store.ACTIVE or found["stages"].get(request["stageName"]) not in ("Failed", "Stopped"):
        raise ApiError(
            "StageNotRetryableException", f"The stage {request['stageName']} did not fail in this execution."
        )
    engine.retry(found, request["stageName"], request["retryMode"])
    return {"pipelineExecutionId": request["pipelineExecutionId"]}


def put_approval_result(request: Request) -> Request:
    name = request["pipelineName"]
    _pipeline(name)
    waiting = [
        record
        for execution in store.of_pipeline(name)
        for record in execution["actions"]
        if (record["stageName"], record["actionName"]) == (request["stageName"], request["actionName"])
        and record["status"] == "InProgress"
    ]
    if not waiting:
        raise ApiError(
            "ApprovalAlreadyCompletedException", "The approval action has already been approved or rejected."
        )
    record = next((each for each in waiting if each.get("token") == request["token"]), None)
    if record is None:
        raise ApiError("InvalidApprovalTokenException", "The approval token is not valid.")
    with store.changed:
        record["answer"] = request["result"]
        store.changed.notify_all()
    return {"approvedAt": time.time()}


# -- Jobs -------------------------------------------------------------------------------------------------------------


def _job(key: str) -> dict[str, Any]:
    found: dict[str, Any] | None = store.jobs.get(key)
    if found is None:
        raise ApiError("JobNotFoundException", f"The job {key} cannot be found.")
    return found


def get_job_details(request: Request) -> Request:
    found = _job(request["jobId"])
    return {"jobDetails": {name: found[name] for name in ("id", "accountId", "data")}}


def put_job_success_result(request: Request) -> Request:
    summary = (request.get("executionDetails") or {}).get("summary", "")
    if token := request.get("continuationToken"):
        _answer(request, status="Continued", summary=summary, continuationToken=token)
    else:
        _answer(request, status="Succeeded", summary=summary, outputVariables=request.get("outputVariables") or {})
    return {}


def put_job_failure_result(request: Request) -> Request:
    _answer(request, status="Failed", failure=request["failureDetails"])
    return {}


def _answer(request: Request, **result: Any) -> None:
    found = _job(request["jobId"])
    if found["status"] != "InProgress":
        raise ApiError("InvalidJobStateException", f"The job {found['id']} is in the state {found['status']}.")
    with store.changed:
        found.update(result)
        store.changed.notify_all()


OPERATIONS: dict[str, Callable[[Request], Request]] = {
    "CreatePipeline": create_pipeline,
    "DeletePipeline": delete_pipeline,
    "GetJobDetails": get_job_details,
    "GetPipeline": get_pipeline,
    "GetPipelineExecution": get_pipeline_execution,
    "GetPipelineState": get_pipeline_state,
    "ListActionExecutions": list_action_executions,
    "ListPipelineExecutions": list_pipeline_executions,
    "ListPipelines": list_pipelines,
    "PutApprovalResult": put_approval_result,
    "PutJobFailureResult": put_job_failure_result,
    "PutJobSuccessResult": put_job_success_result,
    "RetryStageExecution": retry_stage_execution,
    "StartPipelineExecution": start_pipeline_execution,
    "StopPipelineExecution": stop_pipeline_execution,
    "UpdatePipeline": update_pipeline,
}
