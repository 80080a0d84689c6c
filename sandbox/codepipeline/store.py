"""What the local CodePipeline knows: pipelines, their executions, and jobs, as plain JSON."""

# MiniStack offers no hooks: its own stores and handlers are used where they stand.
# ruff: noqa: SLF001

import copy
import threading
import time
from typing import Any

from ministack.core.responses import AccountRegionScopedDict

pipelines = AccountRegionScopedDict()
"""By name: `pipeline` and `metadata`, as GetPipeline answers them."""
executions = AccountRegionScopedDict()
jobs = AccountRegionScopedDict()
"""Invocations of functions that have not answered yet, or have."""

changed = threading.Condition()
"""Told whenever somebody may be waiting for what changed."""

ACTIVE = ("InProgress", "Stopping")
_ALL = {"pipelines": pipelines, "executions": executions, "jobs": jobs}


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
    for execution in executions._data.values():
        if execution["status"] not in ACTIVE:
            continue
        execution.update(status="Failed", statusSummary="The local AWS ended in the middle of the execution.")
        for stage, status in execution["stages"].items():
            execution["stages"][stage] = "Failed" if status == "InProgress" else status
        for action in execution["actions"]:
            if action["status"] == "InProgress":
                action.update(status="Failed", lastUpdateTime=time.time())


def of_pipeline(name: str) -> list[dict[str, Any]]:
    """Executions of a pipeline, the newest first."""
    found = [each for each in list(executions.values()) if each["pipelineName"] == name]
    return sorted(found, key=lambda each: float(each["startTime"]), reverse=True)
