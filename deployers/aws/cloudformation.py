"""CloudFormation. https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from django.utils import timezone

from deployers.aws import replacements
from deployers.aws.faults import aws_faults
from deployers.aws.session import Access, client
from deployers.errors import NotFoundAtAws

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

# How AWS words a change set without changes; its status says only FAILED.
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")


@dataclass(frozen=True, slots=True)
class StackSnapshot:
    """A stack as AWS described it at `asked_at`; `status` and `reason` are AWS's own words."""

    stack_id: str
    name: str
    status: str
    reason: str
    outputs: dict[str, str]
    tags: dict[str, str]
    termination_protection: bool
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """A change set; `changes` is the number of resources that it touches."""

    id: str
    stack_id: str
    status: str
    execution_status: str
    reason: str
    changes: int
    tags: dict[str, str]

    @property
    def pending(self) -> bool:
        """Whether AWS is still computing it."""
        return self.status in {"CREATE_PENDING", "CREATE_IN_PROGRESS"}

    @property
    def executable(self) -> bool:
        return self.status == "CREATE_COMPLETE" and self.execution_status == "AVAILABLE"

    @property
    def executed(self) -> bool:
        """Whether AWS started to execute it, however that went."""
        return self.execution_status.startswith("EXECUTE_")

    @property
    def empty(self) -> bool:
        """Whether the stack is already as it should be."""
        return self.status == "FAILED" and any(words in self.reason for words in _NO_CHANGES)


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a stack's log."""

    id: str
    timestamp: datetime
    logical_id: str
    physical_id: str
    resource_type: str
    status: str
    reason: str


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource of a stack, as far as CloudFormation got with it."""

    logical_id: str
    physical_id: str
    resource_type: str
    status: str


@dataclass(frozen=True, slots=True)
class Change:
    """What a change set would do to one resource.

    `stack` names the nested stack that it is in, or is empty. `possible` says why the change, or the replacement, may
    not happen; it is empty for what is certain.
    """

    action: str
    logical_id: str
    resource_type: str
    replacement: str
    properties: tuple[str, ...]
    stack: str
    possible: str = ""


def _client(access: Access) -> "CloudFormationClient":
    return cast("CloudFormationClient", client(access, "cloudformation"))


def _snapshot(stack: Any, asked_at: datetime) -> StackSnapshot:
    return StackSnapshot(
        stack_id=stack["StackId"],
        name=stack["StackName"],
        status=stack["StackStatus"],
        reason=stack.get("StackStatusReason", ""),
        outputs={each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])},
        tags=_tags(stack.get("Tags", [])),
        termination_protection=stack.get("EnableTerminationProtection", False),
        asked_at=asked_at,
    )


def _tags(tags: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def describe(access: Access, name_or_id: str) -> StackSnapshot | None:
    """The stack, or None. A deleted stack is found by its id only, for 90 days."""
    asked_at = timezone.now()
    try:
        with aws_faults():
            stacks = _client(access).describe_stacks(StackName=name_or_id)["Stacks"]
    except NotFoundAtAws:
        return None
    return _snapshot(stacks[0], asked_at) if stacks else None


def describe_all(access: Access) -> Iterator[StackSnapshot]:
    """Every stack of the region that is not deleted, page by page."""
    asked_at = timezone.now()
    with aws_faults():
        for page in _client(access).get_paginator("describe_stacks").paginate():
            for stack in page["Stacks"]:
                yield _snapshot(stack, asked_at)


def create_change_set(access: Access, request: Mapping[str, Any]) -> tuple[str, str]:
    """Send a request made by `deployers.requests`; return the ids of the change set and of the stack."""
    with aws_faults():
        answer = _client(access).create_change_set(**request)
    return answer["Id"], answer["StackId"]


def describe_change_set(access: Access, *, name_or_id: str, stack: str) -> ChangeSet | None:
    """The change set, or None. `stack` is its stack's name or id."""
    names = {"ChangeSetName": name_or_id, "StackName": stack}
    try:
        with aws_faults():
            answer: Any = _client(access).describe_change_set(ChangeSetName=name_or_id, StackName=stack)
            changes = len(answer.get("Changes", []))
            token = answer.get("NextToken")
            while token:
                page: Any = _client(access).describe_change_set(**names, NextToken=token)  # type: ignore[arg-type]
                changes += len(page.get("Changes", []))
                token = page.get("NextToken")
    except NotFoundAtAws:
        return None
    return ChangeSet(
        id=answer["ChangeSetId"],
        stack_id=answer["StackId"],
        status=answer["Status"],
        execution_status=answer.get("ExecutionStatus", ""),
        reason=answer.get("StatusReason", ""),
        changes=changes,
        tags=_tags(answer.get("Tags", [])),
    )


MAX_DEPTH = 3
_NESTED = "AWS::CloudFormation::Stack"


def changes(access: Access, *, change_set_id: str, stack: str = "", depth: int = 0) -> list[Change]:
    """What a change set would do, resource by resource; instead of a nested stack, what is in it.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/change-sets-for-nested-stacks.html
    """
    found: list[Change] = []
    all_changes, unknown = _pages(access, change_set_id)
    possible = replacements.reasons(all_changes, unknown)
    for change in all_changes:
        logical_id = change["LogicalResourceId"]
        nested = change.get("ChangeSetId", "") if change["ResourceType"] == _NESTED and depth < MAX_DEPTH else ""
        inside = changes(access, change_set_id=nested, stack=logical_id, depth=depth + 1) if nested else []
        if inside:
            found += inside
            continue
        found.append(
            Change(
                action=change.get("Action", ""),
                logical_id=logical_id,
                resource_type=change["ResourceType"],
                replacement=change.get("Replacement", ""),
                properties=tuple(
                    sorted({detail["Target"].get("Name", "") for detail in change.get("Details", [])} - {""})
                ),
                stack=stack,
                possible=possible.get(logical_id, ""),
            )
        )
    return found


def _pages(access: Access, change_set_id: str) -> tuple[list[Any], set[str]]:
    """Every change of one change set, and the names of its parameters whose values are not known yet."""
    found: list[Any] = []
    unknown: set[str] = set()
    token = ""
    while True:
        more: Any = {"NextToken": token} if token else {}
        with aws_faults():
            page: Any = _client(access).describe_change_set(ChangeSetName=change_set_id, **more)
        found += [each["ResourceChange"] for each in page.get("Changes", [])]
        unknown |= replacements.unknown_parameters(page.get("Parameters", []))
        token = page.get("NextToken", "")
        if not token:
            return found, unknown


def change_set_names(access: Access, stack: str) -> list[str]:
    """Names of the change sets that a stack has."""
    with aws_faults():
        pages = _client(access).get_paginator("list_change_sets").paginate(StackName=stack)
        return [each["ChangeSetName"] for page in pages for each in page["Summaries"]]


def execute_change_set(access: Access, *, change_set_id: str, token: str) -> None:
    """Start it. The token marks the events that follow, and makes a repetition harmless."""
    with aws_faults():
        _client(access).execute_change_set(ChangeSetName=change_set_id, ClientRequestToken=token)


def delete_change_set(access: Access, *, change_set_id: str) -> None:
    """Delete it; gone already is fine."""
    try:
        with aws_faults():
            _client(access).delete_change_set(ChangeSetName=change_set_id)
    except NotFoundAtAws:
        return


def delete_stack(access: Access, *, stack_id: str, token: str, retain: Collection[str] = ()) -> None:
    """Start the deletion. `retain` names resources to leave behind, which AWS takes in DELETE_FAILED only."""
    with aws_faults():
        if retain:
            _client(access).delete_stack(StackName=stack_id, ClientRequestToken=token, RetainResources=sorted(retain))
        else:
            _client(access).delete_stack(StackName=stack_id, ClientRequestToken=token)


def continue_update_rollback(access: Access, *, stack_id: str, token: str) -> None:
    """Let a stack in UPDATE_ROLLBACK_FAILED try again to return to what it was."""
    with aws_faults():
        _client(access).continue_update_rollback(StackName=stack_id, ClientRequestToken=token)


def cancel_update(access: Access, *, stack_id: str, token: str) -> None:
    """Roll back the update that runs."""
    with aws_faults():
        _client(access).cancel_update_stack(StackName=stack_id, ClientRequestToken=token)


def events(access: Access, stack_id: str, *, known: Collection[str]) -> list[Event]:
    """The stack's events up to the first that is `known` (by id), oldest first."""
    found: list[Event] = []
    with aws_faults():
        for page in _client(access).get_paginator("describe_stack_events").paginate(StackName=stack_id):
            for event in page["StackEvents"]:
                if event["EventId"] in known:
                    return found[::-1]
                found.append(
                    Event(
                        id=event["EventId"],
                        timestamp=event["Timestamp"],
                        logical_id=event.get("LogicalResourceId", ""),
                        physical_id=event.get("PhysicalResourceId", ""),
                        resource_type=event.get("ResourceType", ""),
                        status=event.get("ResourceStatus", ""),
                        reason=event.get("ResourceStatusReason", ""),
                    )
                )
    return found[::-1]


def refusals(access: Access, *, stack_id: str, change_set_id: str = "") -> list[Event]:
    """What CloudFormation's checks before any deployment found wrong, of a change set or of the last operation.

    These are no stack events: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeEvents.html
    """
    of = {"ChangeSetName": change_set_id} if change_set_id else {"StackName": stack_id}
    with aws_faults():
        found = _client(access).describe_events(Filters={"FailedEvents": True}, **of)["OperationEvents"]
    return [
        Event(
            id=event.get("EventId", ""),
            timestamp=event["Timestamp"],
            logical_id=event.get("LogicalResourceId", ""),
            physical_id=event.get("PhysicalResourceId", ""),
            resource_type=event.get("ResourceType", ""),
            status="CREATE_FAILED",
            reason=event.get("ValidationStatusReason") or event.get("HookStatusReason", ""),
        )
        for event in found
        if event.get("EventType") in {"VALIDATION_ERROR", "HOOK_INVOCATION_ERROR"}
    ]


def resources(access: Access, stack_id: str) -> list[Resource]:
    """Every resource of the stack."""
    with aws_faults():
        pages = _client(access).get_paginator("list_stack_resources").paginate(StackName=stack_id)
        return [
            Resource(
                logical_id=each["LogicalResourceId"],
                physical_id=each.get("PhysicalResourceId", ""),
                resource_type=each["ResourceType"],
                status=each["ResourceStatus"],
            )
            for page in pages
            for each in page["StackResourceSummaries"]
        ]
