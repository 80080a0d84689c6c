"""What a step gets and what it gives back; and how a stack is looked at."""

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from django.utils import timezone

from deployers import catalog, requests
from deployers.aws import cloudformation
from deployers.aws.cloudformation import StackSnapshot
from deployers.aws.session import Access
from deployers.errors import ForeignStack, StackBroken
from deployers.models import Operation, Stack, StackKind
from deployers.services import accounts, history
from deployers.states import OperationStatus, Step
from integrations.models import Integration


@dataclass(frozen=True, slots=True)
class Next:
    """Go on with another step."""

    step: Step


@dataclass(frozen=True, slots=True)
class Again:
    """The same step once more, `after` a while: AWS is busy, or there is more of the same."""

    after: timedelta = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Done:
    """The operation is over. A problem may be told of a success too: what a person should still know."""

    status: OperationStatus = OperationStatus.SUCCEEDED
    code: str = ""
    problem: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """A person decides how it goes on: the operation waits at this step."""

    step: Step


Outcome = Next | Again | Done | Ask


ABOUT_THE_WHOLE = frozenset({"then", "repair", "review", "bucket", "leftovers", "kept_bucket", "only", "took"})
"""Options of an operation; all others are of the stack that it is at."""


class Work:
    """An operation with all that a step needs. What a step changes of `operation.options` and
    `operation.change_set_id` is saved with its outcome, if the lease still holds then.
    """

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self.options = operation.options

    def go_on(self, kind: str) -> Stack:
        """Turn to the operation's next stack: what was noted of the last one does not belong to it."""
        stack = Stack.objects.get(integration=self.integration, kind=kind)
        for name in set(self.options) - ABOUT_THE_WHOLE:
            del self.options[name]
        self.operation.change_set_id = ""
        return stack

    @cached_property
    def integration(self) -> Integration:
        if self.operation.integration is None:
            raise StackBroken("The integration is gone.", code="integration_gone")
        return self.operation.integration

    @cached_property
    def stack(self) -> Stack:
        if self.operation.stack is None:
            raise StackBroken("The stack is gone.", code="stack_gone")
        return self.operation.stack

    @cached_property
    def access(self) -> Access:
        return accounts.access(self.integration.aws_account, self.integration.region)

    @cached_property
    def kind(self) -> catalog.StackType:
        return catalog.KINDS[self.stack.kind]

    @property
    def part(self) -> int:
        """Which update of the stack this is, for an operation that makes several of one stack."""
        return int(self.options.get("part", 1))

    @property
    def change_set_name(self) -> str:
        return requests.change_set_name(self.operation.pk, self.part)

    def token(self, step: str) -> str:
        """The client request token for a write of this operation."""
        kind = self.operation.stack.kind if self.operation.stack else StackKind.GIT
        step = step if self.part == 1 else f"{step}-{self.part}"
        return requests.token(self.operation.pk, step if kind == StackKind.GIT else f"{kind}-{step}")

    @property
    def step_age(self) -> timedelta:
        """How long the present step has been going on."""
        since = self.operation.step_started_at
        return timezone.now() - since if since else timedelta(0)

    def look(self) -> StackSnapshot | None:
        """Ask AWS about the stack and note the answer. None: there is none (any more).

        Raises ForeignStack when the stack of our name is somebody else's.
        """
        stack = self.stack
        snapshot = cloudformation.describe(self.access, stack.stack_id or stack.name)
        if snapshot is not None and snapshot.stack_id != stack.stack_id and not self._is_ours(snapshot):
            raise ForeignStack(
                f"There is a stack named {stack.name} in {stack.region} already, and it is not this integration's.",
                remedy="Delete that stack, or give the integration another name.",
            )
        if snapshot is not None and snapshot.status == history.GONE:
            snapshot = None
        history.note(stack, snapshot)
        return snapshot

    def _is_ours(self, snapshot: StackSnapshot) -> bool:
        mine = str(self.integration.pk)
        if snapshot.tags.get(requests.OWNER_TAG) == mine:
            return True
        if snapshot.status != "REVIEW_IN_PROGRESS":
            return False
        # Before its first execution a stack may have its tags on its change sets only.
        names = cloudformation.change_set_names(self.access, snapshot.stack_id)
        sets = (cloudformation.describe_change_set(self.access, name_or_id=n, stack=snapshot.stack_id) for n in names)
        return any(each is not None and each.tags.get(requests.OWNER_TAG) == mine for each in sets)


def set_stack(stack: Stack, **fields: object) -> None:
    """Write fields of the stack's row, and nothing else of it."""
    for name, value in fields.items():
        setattr(stack, name, value)
    Stack.objects.filter(pk=stack.pk).update(**fields)
