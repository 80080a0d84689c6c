"""What AWS told of a stack, as rows: its state, and its events in the order they happened."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from django.db import transaction
from django.db.models import Q

from deployers import causes
from deployers.aws import cloudformation
from deployers.aws.cloudformation import Event, StackSnapshot
from deployers.aws.session import Access
from deployers.errors import AwsError, NotFoundAtAws
from deployers.models import Stack, StackEvent

GONE = "DELETE_COMPLETE"
# Enough to meet a known event of each nested stack again, as AWS's newest come first; what comes twice is dropped.
_KNOWN = 500
_LONGEST = 255
_STACK = "AWS::CloudFormation::Stack"
_NESTED_FIELDS = ("logical_id", "physical_id", "status")
_DONE = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE", "IMPORT_COMPLETE"}


def note(stack: Stack, snapshot: StackSnapshot | None) -> None:
    """Store a stack's state as AWS described it; None is gone. An older answer than the stored one changes nothing."""
    rows = Stack.objects.filter(pk=stack.pk)
    if snapshot is None:
        stack.aws_status = GONE if stack.stack_id else ""
        rows.update(aws_status=stack.aws_status, status_reason="", outputs={})
        return
    if snapshot.stack_id == stack.stack_id:
        rows = rows.filter(Q(seen_at=None) | Q(seen_at__lte=snapshot.asked_at))
    rows.update(
        stack_id=snapshot.stack_id,
        aws_status=snapshot.status,
        status_reason=snapshot.reason,
        outputs=snapshot.outputs,
        template_version=snapshot.outputs.get("TemplateVersion", stack.template_version),
        seen_at=snapshot.asked_at,
    )
    stack.refresh_from_db()


def start_anew(stack: Stack) -> None:
    """Forget the AWS stack that a row stood for, so that its name may be used again."""
    Stack.objects.filter(pk=stack.pk).update(
        stack_id="", aws_status="", status_reason="", outputs={}, image_id="", image_parameter="", seen_at=None
    )
    stack.refresh_from_db()


def follow(access: Access, stack: Stack) -> None:
    """Append the events that are not known yet, those of nested stacks as `<logical id>/<its event>` among them."""
    if not stack.stack_id:
        return
    known = set(stack.events.order_by("-pk").values_list("event_id", flat=True)[:_KNOWN])
    fresh = cloudformation.events(access, stack.stack_id, known=known)
    looked_at: set[str] = set()
    while nested := _moving(stack, fresh, looked_at):
        for stack_id, path in nested.items():
            looked_at.add(stack_id)
            fresh += _nested(access, stack_id, path, known)
    if not fresh:
        return
    rows = [
        StackEvent(
            stack=stack,
            event_id=event.id,
            timestamp=event.timestamp,
            logical_id=event.logical_id,
            physical_id=event.physical_id,
            resource_type=event.resource_type,
            status=event.status,
            reason=event.reason,
        )
        for event in sorted(fresh, key=lambda event: event.timestamp)
    ]
    # All or none: the newest known event is where the next call stops.
    with transaction.atomic():
        StackEvent.objects.bulk_create(rows, ignore_conflicts=True)


def _moving(stack: Stack, fresh: Sequence[Event], looked_at: Collection[str]) -> dict[str, str]:
    """The nested stacks that may have more to tell, by id: where their events belong."""
    rows = stack.events.filter(resource_type=_STACK).exclude(physical_id__in=["", stack.stack_id]).order_by("pk")
    newest = {stack_id: (path, status) for path, stack_id, status in rows.values_list(*_NESTED_FIELDS)}
    moving = {stack_id: path for stack_id, (path, status) in newest.items() if status.endswith("_IN_PROGRESS")}
    for event in fresh:
        if event.resource_type == _STACK and event.physical_id not in {"", stack.stack_id}:
            moving[event.physical_id] = event.logical_id
    return {stack_id: path for stack_id, path in moving.items() if stack_id not in looked_at}


def _nested(access: Access, stack_id: str, path: str, known: Collection[str]) -> list[Event]:
    start = f"{path}/"
    mine = {each.removeprefix(start) for each in known if each.startswith(start)}
    try:
        events = cloudformation.events(access, stack_id, known=mine)
    except NotFoundAtAws:
        return []
    return [
        replace(event, id=f"{start}{event.id}"[:_LONGEST], logical_id=f"{start}{event.logical_id}"[:_LONGEST])
        for event in events
        # Of the nested stack as such its parent tells too.
        if event.physical_id != stack_id
    ]


def last_event(stack: Stack) -> int:
    """A mark in the stack's log: events after it have a greater key."""
    return stack.events.order_by("-pk").values_list("pk", flat=True).first() or 0


def count_done(stack: Stack, *, after: int) -> None:
    """Note how many resources are done since the mark `after`."""
    events = stack.events.filter(pk__gt=after).exclude(resource_type=_STACK).order_by("pk")
    newest = dict(events.values_list("logical_id", "status"))
    done = sum(status in _DONE for status in newest.values())
    total = max(stack.resources_total, done)
    Stack.objects.filter(pk=stack.pk).update(resources_done=done, resources_total=total)


def cause(access: Access, stack: Stack, *, after: int) -> causes.Cause | None:
    """The first real failure since the mark `after`."""
    rows: Iterable[StackEvent] = stack.events.filter(pk__gt=after, status__endswith="_FAILED").order_by("pk")
    found = causes.first_cause(rows)
    if found is not None and found.resource_type != _STACK:
        return found
    # The stack as such failed: what was wrong may have been found before anything was deployed.
    return refusal(access, stack_id=stack.stack_id) or found


def refusal(access: Access, *, stack_id: str, change_set_id: str = "") -> causes.Cause | None:
    """What CloudFormation found wrong before it deployed anything, if it tells."""
    try:
        return causes.first_cause(cloudformation.refusals(access, stack_id=stack_id, change_set_id=change_set_id))
    except AwsError:
        # Only details: an account that may not read them, or a region that has none, still gets AWS's summary.
        return None
