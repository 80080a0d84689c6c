"""Drives executions through the stages of their pipeline, one thread an execution.

https://docs.aws.amazon.com/codepipeline/latest/userguide/concepts-how-it-works.html
"""

import contextvars
import json
import logging
import re
import threading
import time
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import eventbridge

from sandbox import aws_persistence
from sandbox.codepipeline import actions, store
from sandbox.codepipeline.errors import ActionFailed, Interrupted

_log = logging.getLogger("sluice.codepipeline")
_VARIABLE = re.compile(r"#\{([A-Za-z0-9_@-]+)\.([A-Za-z0-9_@-]+)\}")
_waiting: dict[tuple[str, str], set[str]] = {}
"""Executions in front of a stage."""


def start(name: str, *, trigger: str, detail: str, revisions: list[dict[str, Any]], variables: dict[str, str]) -> str:
    """Record an execution, let it run, and return its id."""
    pipeline = store.pipelines[name]["pipeline"]
    key: str = new_uuid()
    now = time.time()
    store.executions[key] = {
        "pipelineExecutionId": key,
        "pipelineName": name,
        "pipelineVersion": pipeline["version"],
        "definition": pipeline,
        "status": "InProgress",
        "startTime": now,
        "lastUpdateTime": now,
        "executionMode": pipeline.get("executionMode", "SUPERSEDED"),
        "executionType": "STANDARD",
        "trigger": {"triggerType": trigger, "triggerDetail": detail},
        "artifactRevisions": [],
        "sourceRevisions": revisions,
        "taken": [],
        "namespaces": {"codepipeline": {"PipelineExecutionId": key}, "variables": variables},
        "artifacts": {},
        "stages": {},
        "actions": [],
    }
    _spawn(key, 0)
    return key


def retry(execution: dict[str, Any], stage: str, mode: str) -> None:
    """Run a failed stage again, and what comes after it: all of its actions, or with FAILED_ACTIONS those that failed.

    https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_RetryStageExecution.html
    """
    last = {each["actionName"]: each["status"] for each in execution["actions"] if each["stageName"] == stage}
    execution["done"] = [name for name, status in last.items() if status == "Succeeded" and mode == "FAILED_ACTIONS"]
    names = [each["name"] for each in execution["definition"]["stages"]]
    execution.update(status="InProgress", lastUpdateTime=time.time())
    execution.pop("statusSummary", None)
    execution.pop("stop", None)
    _spawn(execution["pipelineExecutionId"], names.index(stage))


def stop(execution: dict[str, Any], *, abandon: bool, reason: str) -> None:
    """Ask an execution to stop: after its actions, or without waiting for them."""
    with store.changed:
        execution.update(status="Stopping", stop="abandon" if abandon else "wait", statusSummary=reason)
        store.changed.notify_all()


def _spawn(key: str, first: int) -> None:
    # The thread works for the account and region of the request.
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(_run, key, first), name=f"codepipeline-{key}", daemon=True).start()


def _run(key: str, first: int) -> None:
    execution = store.executions[key]
    _tell_execution(execution, "STARTED" if first == 0 else "RESUMED")
    try:
        status = _walk(execution, first)
    except Exception:  # noqa: BLE001   a thread's outermost frame: the execution fails, and the log tells why
        _log.exception("execution %s", key)
        status = "Failed"
    with store.changed:
        execution.update(status=status, lastUpdateTime=time.time())
        for stage, found in execution["stages"].items():
            if found == "InProgress":
                execution["stages"][stage] = "Stopped" if status == "Stopped" else "Failed"
        store.changed.notify_all()
    aws_persistence.note_change()
    _tell_execution(execution, status.upper())


def _walk(execution: dict[str, Any], first: int) -> str:
    done, retried = execution.pop("done", []), execution["definition"]["stages"][first]
    for stage in execution["definition"]["stages"][first:]:
        if not _enter(execution, stage["name"]):
            return "Superseded"
        for action in sorted(stage["actions"], key=lambda each: int(each.get("runOrder", 1))):
            if execution.get("stop"):
                return "Stopped"
            if stage is retried and action["name"] in done:
                continue
            ended = _act(execution, stage["name"], action)
            if ended != "Succeeded":
                return "Stopped" if ended == "Abandoned" else "Failed"
        with store.changed:
            execution["stages"][stage["name"]] = "Succeeded"
            store.changed.notify_all()
    return "Succeeded"


def _enter(execution: dict[str, Any], stage: str) -> bool:
    """Wait until the stage is free; whether no newer execution came by meanwhile."""
    key, name = execution["pipelineExecutionId"], execution["pipelineName"]
    with store.changed:
        in_front = _waiting.setdefault((name, stage), set())
        in_front.add(key)
        store.changed.notify_all()
        try:
            while True:
                others = [each for each in store.of_pipeline(name) if each is not execution]
                newer = [each for each in others if each["startTime"] > execution["startTime"]]
                if any(each["pipelineExecutionId"] in in_front or stage in each["stages"] for each in newer):
                    return False
                if execution.get("stop") or not any(each["stages"].get(stage) == "InProgress" for each in others):
                    execution["stages"][stage] = "InProgress"
                    return True
                store.changed.wait()
        finally:
            in_front.discard(key)


def _act(execution: dict[str, Any], stage: str, action: dict[str, Any]) -> str:
    """Run one action and record it; its status."""
    configuration = _resolved(action.get("configuration", {}), execution)
    now = time.time()
    record: dict[str, Any] = {
        "pipelineExecutionId": execution["pipelineExecutionId"],
        "actionExecutionId": new_uuid(),
        "pipelineVersion": execution["pipelineVersion"],
        "stageName": stage,
        "actionName": action["name"],
        "startTime": now,
        "lastUpdateTime": now,
        "status": "InProgress",
        "input": {
            "actionTypeId": action["actionTypeId"],
            "configuration": action.get("configuration", {}),
            "resolvedConfiguration": configuration,
            "region": get_region(),
            "inputArtifacts": [
                {"name": each["name"], "s3location": execution["artifacts"][each["name"]]}
                for each in action.get("inputArtifacts", [])
                if each["name"] in execution["artifacts"]
            ],
        },
        "output": {"outputArtifacts": [], "executionResult": {}, "outputVariables": {}},
    }
    execution["actions"].append(record)
    aws_persistence.note_change()
    _tell_action(execution, record)
    run = actions.Run(execution, stage, action, configuration, record)
    error: dict[str, str] = {}
    try:
        actions.kind(action)(run)
        status = "Succeeded"
    except Interrupted:
        status = "Abandoned"
    except ActionFailed as failure:
        status = "Failed"
        error = {"code": failure.code, "message": str(failure)}
    except (ClientError, BotoCoreError) as refused:
        status = "Failed"
        code = "PermissionError" if "AccessDenied" in str(refused) else "JobFailed"
        error = {"code": code, "message": str(refused)}
    except (ValueError, KeyError, TypeError) as wrong:
        _log.exception("action %s", action["name"])
        status = "Failed"
        error = {"code": "ConfigurationError", "message": f"The action's configuration cannot be read: {wrong!r}"}
    if error:
        record["output"]["executionResult"]["errorDetails"] = error
    if action.get("namespace"):
        execution["namespaces"][action["namespace"]] = record["output"]["outputVariables"]
    with store.changed:
        record.update(status=status, lastUpdateTime=time.time())
        execution["lastUpdateTime"] = time.time()
        record.pop("token", None)
    aws_persistence.note_change()
    _tell_action(execution, record)
    return status


def _resolved(configuration: dict[str, str], execution: dict[str, Any]) -> dict[str, str]:
    """The configuration with its #{Namespace.Variable} replaced; what is unknown stays, and the action fails on it."""

    def value(found: re.Match[str]) -> str:
        return str(execution["namespaces"].get(found[1], {}).get(found[2], found[0]))

    return {name: _VARIABLE.sub(value, str(each)) for name, each in configuration.items()}


def _tell_execution(execution: dict[str, Any], state: str) -> None:
    detail = {"start-time": execution["startTime"], "state": state}
    _tell("CodePipeline Pipeline Execution State Change", execution, detail)


def _tell_action(execution: dict[str, Any], record: dict[str, Any]) -> None:
    state = "STARTED" if record["status"] == "InProgress" else record["status"].upper()
    kind = record["input"]["actionTypeId"]
    detail = {"stage": record["stageName"], "action": record["actionName"], "state": state, "type": kind}
    _tell("CodePipeline Action Execution State Change", execution, detail)


def _tell(kind: str, execution: dict[str, Any], detail: dict[str, Any]) -> None:
    """The event that rules listen for.

    https://docs.aws.amazon.com/codepipeline/latest/userguide/detect-state-changes-cloudwatch-events.html
    """
    name = execution["pipelineName"]
    common = {
        "pipeline": name,
        "execution-id": execution["pipelineExecutionId"],
        "version": execution["pipelineVersion"],
    }
    entry = {
        "Source": "aws.codepipeline",
        "DetailType": kind,
        "Detail": json.dumps({**common, **detail}),
        "Resources": [f"arn:aws:codepipeline:{get_region()}:{get_account_id()}:{name}"],
    }
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)  # noqa: SLF001   MiniStack offers no hooks
