"""The APIs of CodePipeline and ECS on a socket, with the answers that a test puts there."""

from datetime import UTC, datetime, timedelta
from typing import Any

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def seconds(moment: datetime) -> float:
    """As AWS's JSON has times."""
    return moment.timestamp()


def action(stage: str, provider: str, status: str, minute: int, **result: Any) -> dict[str, Any]:
    """What CodePipeline tells of an action that began so many minutes after AT."""
    at = AT + timedelta(minutes=minute)
    return {
        "stageName": stage,
        "actionName": f"{stage}Action",
        "status": status,
        "startTime": seconds(at),
        "lastUpdateTime": seconds(at + timedelta(seconds=30)),
        "input": {"actionTypeId": {"provider": provider}},
        "output": {"executionResult": result},
    }


class PipelineApi:
    """`runs` by id, `actions` of each, the `state` of the stages; `calls` were asked, `denied` may not be."""

    def __init__(self) -> None:
        self.runs: dict[str, dict[str, Any]] = {}
        self.actions: dict[str, list[dict[str, Any]]] = {}
        self.stages: list[dict[str, Any]] = []
        self.services: list[dict[str, Any]] = []
        self.tasks: list[dict[str, Any]] = []
        self.build_log: list[str] = []
        self.denied: set[str] = set()
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def run(
        self,
        key: str,
        status: str,
        *actions: dict[str, Any],
        version: str = "v1",
        by_rule: bool = True,
        first: bool = False,
    ) -> None:
        """Put a run there."""
        detail = "arn:aws:events:us-east-1:123456789012:rule/shop" if by_rule else "arn:aws:iam::123456789012:user/ada"
        self.runs[key] = {
            "pipelineExecutionId": key,
            "status": status,
            "startTime": seconds(AT),
            "lastUpdateTime": seconds(AT + timedelta(minutes=9)),
            "sourceRevisions": [{"actionName": "Artifact", "revisionId": version}] if version else [],
            "trigger": {"triggerType": "CreatePipeline" if first else "CloudWatchEvent", "triggerDetail": detail},
        }
        self.actions[key] = list(actions)

    def waits(self, key: str) -> None:
        """The run waits at its approval."""
        latest = {"status": "InProgress", "token": "a-token"}
        self.stages = [
            {
                "stageName": "Approval",
                "latestExecution": {"pipelineExecutionId": key, "status": "InProgress"},
                "actionStates": [{"actionName": "ApprovalAction", "latestExecution": latest}],
            }
        ]

    def asked(self, name: str) -> list[dict[str, Any]]:
        return [body for each, body in self.calls if each == name]

    def answer(self, action: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.calls.append((action, body))
        if action in self.denied:
            return 400, {"__type": "AccessDeniedException", "message": f"not authorized to perform {action}"}
        answers: dict[str, Any] = {
            "ListPipelineExecutions": lambda: {"pipelineExecutionSummaries": list(self.runs.values())[::-1]},
            "ListActionExecutions": lambda: {
                "actionExecutionDetails": self.actions[body["filter"]["pipelineExecutionId"]][::-1]
            },
            "GetPipelineState": lambda: {"stageStates": self.stages},
            "PutApprovalResult": self._approval,
            "RetryStageExecution": lambda: self._moved(body["pipelineExecutionId"], "InProgress"),
            "StopPipelineExecution": lambda: self._moved(body["pipelineExecutionId"], "Stopped"),
            "ListServices": lambda: {"serviceArns": [each["serviceName"] for each in self.services]},
            "DescribeServices": lambda: {"services": self.services},
            "ListTasks": lambda: {"taskArns": [each["taskArn"] for each in self.tasks]},
            "DescribeTasks": lambda: {"tasks": self.tasks},
            "BatchGetBuilds": lambda: {"builds": [{"logs": {"groupName": "builds", "streamName": body["ids"][0]}}]},
            "GetLogEvents": lambda: {"events": [{"message": f"{line}\n"} for line in self.build_log]},
        }
        return 200, answers[action]()

    def _approval(self) -> dict[str, Any]:
        key = self.stages[0]["latestExecution"]["pipelineExecutionId"]
        self.stages = []
        self._moved(key, "InProgress")
        return {"approvedAt": seconds(AT)}

    def _moved(self, key: str, status: str) -> dict[str, Any]:
        self.runs[key] |= {"status": status}
        return {"pipelineExecutionId": key}
