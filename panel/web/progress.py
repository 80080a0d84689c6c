"""How far an operation and its stacks are: what the set-up card and the page of an operation show."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max, QuerySet
from django.http import HttpResponseBase

from deployers.models import Operation, OperationKind, Stack, StackEvent, StackKind
from deployers.services.stacks import wanted
from deployers.states import OperationStatus, StackState
from integrations.models import Integration
from panel.web import live
from panel.web.access import PageRequest
from panel.web.statuses import CHANGE, OPERATION, STACK, Status, Tone, status_of

EVENTS_SHOWN = 300
HISTORY = 20  # operations that "usually takes" is the mean of
LOOKED_AT = 100  # the newest of the kind, among which those are found that go through the same kinds of stacks

CONTENTS: dict[StackKind, str] = {
    StackKind.GIT: "API Gateway, Lambda, queues, bucket",
    StackKind.CODEDEPLOY: "Auto Scaling group, load balancer, trigger",
    StackKind.ECS: "Cluster, registry, CodePipeline",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One stack on the way to a working integration."""

    title: str
    text: str
    status: Status
    done: int
    total: int
    url_key: object | None
    since: datetime | None
    elapsed: timedelta | None

    @property
    def tone(self) -> Tone:
        return self.status.tone


def steps(integration: Integration, stacks: list[Stack], operation: Operation | None) -> list[Step]:
    """One step a kind of stack that the integration has or will have."""
    found = {StackKind(stack.kind): stack for stack in stacks}
    kinds = dict.fromkeys([*map(StackKind, wanted(integration)), *found])
    return [_step(kind, found.get(kind), operation) for kind in kinds]


def _step(kind: StackKind, stack: Stack | None, operation: Operation | None) -> Step:
    mine = operation if operation and stack and operation.stack_id == stack.pk else None
    status = status_of(stack) if stack else STACK[StackState.ABSENT]
    if operation and operation.active and kind in operation.options.get("then", ()):
        status = OPERATION[OperationStatus.QUEUED]
    if mine and mine.status == OperationStatus.WAITING:
        status = OPERATION[OperationStatus.WAITING]
    elif mine and mine.active and (stack is None or stack.state == StackState.ABSENT):
        status = OPERATION[OperationStatus.QUEUED] if not mine.started_at else STACK[StackState.REVIEW]
    since, elapsed = _times(kind, operation, mine)
    return Step(
        title=kind.label,
        text=CONTENTS[kind],
        status=status,
        done=stack.resources_done if stack else 0,
        total=stack.resources_total if stack else 0,
        url_key=stack.pk if stack else None,
        since=since,
        elapsed=elapsed,
    )


def _times(
    kind: StackKind, operation: Operation | None, mine: Operation | None
) -> tuple[datetime | None, timedelta | None]:
    """Since when the operation is at this stack, or how long it was."""
    if mine is None:
        took = operation.options.get("took", {}).get(kind) if operation else None
        return None, timedelta(seconds=took) if took is not None else None
    began = datetime.fromisoformat(mine.options["began"]) if "began" in mine.options else mine.started_at
    if began is None:
        return None, None
    if mine.active:
        return began, None
    return None, mine.finished_at - began if mine.finished_at else None


@dataclass(frozen=True, slots=True)
class Change:
    """A resource that a reviewed change set touches. `place` has the nested stack that it is in.

    `possible` says why it may not come to that.
    """

    place: str
    resource_type: str
    properties: list[str]
    status: Status
    possible: str


def changes(operation: Operation | None) -> list[Change]:
    """What an operation that waits for its review would do: first what replaces or removes something."""
    if operation is None or operation.status != OperationStatus.WAITING:
        return []
    order = list(CHANGE)
    found = sorted(operation.options.get("changes", []), key=lambda each: order.index(_effect(each)))
    return [
        Change(
            place=f"{each['stack']} / {each['logical_id']}" if each["stack"] else each["logical_id"],
            resource_type=each["resource_type"],
            properties=each["properties"],
            status=CHANGE[_effect(each)],
            possible=each.get("possible", ""),
        )
        for each in found
    ]


def _effect(change: dict[str, Any]) -> str:
    match change["action"], change["replacement"], bool(change.get("possible")):
        case "Add", _, _:
            return "added"
        case "Remove", _, _:
            return "removed"
        case _, "True", False:
            return "replaced"
        case _, "True" | "Conditional", _:
            return "perhaps_replaced"
        case _, _, True:
            return "perhaps_changed"
        case _:
            return "changed"


def usual_duration(operation: Operation | None) -> timedelta | None:
    """The mean of the team's last successful operations of this kind on the same kinds of stacks, if any."""
    if operation is None:
        return None
    recent = (
        Operation.objects.of(operation.team)
        .filter(kind=operation.kind, status=OperationStatus.SUCCEEDED, started_at__isnull=False)
        .exclude(finished_at=None)
        .select_related("stack")
        .only("kind", "options", "started_at", "finished_at", "stack__kind")
    )
    stacks = _kinds(operation)
    alike = [each for each in recent[:LOOKED_AT] if _kinds(each) == stacks][:HISTORY]
    took = [each.finished_at - each.started_at for each in alike if each.finished_at and each.started_at]
    return sum(took, timedelta(0)) / len(took) if took else None


def _kinds(operation: Operation) -> frozenset[str]:
    """The kinds of stacks that an operation goes through: those done, the present one, those to come."""
    present = [operation.stack.kind] if operation.stack else []
    return frozenset([*operation.options.get("took", {}), *present, *operation.options.get("then", ())])


def events_after(stack: Stack | None, cursor: str = "") -> list[StackEvent]:
    """The log since the cursor (the key of the last line that the page has), oldest first; the tail without one."""
    if stack is None:
        return []
    rows = StackEvent.objects.filter(stack=stack)
    if cursor.isdecimal() and len(cursor) < 19:
        return list(rows.filter(pk__gt=int(cursor)).order_by("pk")[:EVENTS_SHOWN])
    return list(reversed(rows.order_by("-pk")[:EVENTS_SHOWN]))


def newest_operation(operations: QuerySet[Operation]) -> Operation | None:
    return operations.select_related("stack", "requested_by", "team").order_by("-created_at").first()


def tag(operation: Operation | None, stacks: list[Stack]) -> str:
    """Changes with everything that the region shows, in one query for the events."""
    newest_event = StackEvent.objects.filter(stack__in=stacks).aggregate(newest=Max("pk"))["newest"]
    shown = operation and (
        operation.pk,
        operation.status,
        operation.step,
        operation.problem,
        operation.attempts,
        operation.started_at,
        operation.finished_at,
        operation.cancel_requested,
    )
    return live.etag(
        shown,
        newest_event,
        [(stack.pk, stack.aws_status, stack.resources_done, stack.resources_total) for stack in stacks],
    )


def context(
    integration: Integration | None, stacks: list[Stack], operation: Operation | None, *, cursor: str = ""
) -> dict[str, Any]:
    """What `components/progress.html` draws."""
    stack = operation.stack if operation and operation.stack else (stacks[0] if stacks else None)
    events = events_after(stack, cursor)
    return {
        "operation": operation,
        "changes": changes(operation),
        "steps": steps(integration, stacks, operation) if integration else [],
        "log_stack": stack,
        "events": events,
        "log_cursor": str(events[-1].pk) if events else cursor,
        "usual": usual_duration(operation) if operation and operation.active else None,
        "deleting": bool(operation and operation.kind == OperationKind.DELETE),
    }


def answer(
    request: PageRequest,
    template: str,
    *,
    integration: Integration | None,
    stacks: list[Stack],
    operation: Operation | None,
    more: Callable[[], dict[str, Any]] = dict,
) -> HttpResponseBase:
    """Answer a poll of the region."""
    finished = not (operation and operation.active)
    cursor = request.GET.get("after", "")
    return live.region(
        request,
        template,
        lambda: {
            **context(integration, stacks, operation, cursor=cursor or "0"),
            **more(),
            "finished": finished,
            "poll": True,
        },
        tag=tag(operation, stacks),
        done=finished,
    )
