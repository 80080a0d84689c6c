"""One resource that an operation works on."""

# MiniStack offers no hooks: its own stores are used where they stand.

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ministack.core.responses import get_account_id, get_region


@dataclass(frozen=True, slots=True)
class Subject:
    """A resource of a stack, about to be created, updated or deleted.

    Attributes:
        kind: its type.
        operation: "create", "update" or "delete".
        logical_id: its name in the template.
        properties: as the operation has them: the new ones in an update.
        stack_name: of the stack that it is in; a nested one's own.
        physical_id: empty before it is created.
        stack_tags: tags of the stack, which its resources get too.
    """

    kind: str
    operation: str
    logical_id: str
    properties: dict[str, Any]
    stack_name: str
    physical_id: str = ""
    stack_tags: dict[str, str] = field(default_factory=dict)
    region: str = field(default_factory=get_region)
    account: str = field(default_factory=get_account_id)

    def own_properties(self) -> dict[str, Any]:
        """The properties, without tags that CloudFormation adds by itself."""
        tags = {name: value for name, value in self.tags().items() if not name.startswith("aws:")}
        return {**{name: value for name, value in self.properties.items() if name != "Tags"}, "Tags": tags}

    def tags(self) -> dict[str, str]:
        """All tags that the resource has or will have."""
        return self.stack_tags | _as_map(self.properties.get("Tags"))

    def at(self, path: str) -> list[Any]:
        """Every value at `A.B` of the properties, in each element of the lists on the way."""
        return list(_at(self.properties, path.split(".")))


def _as_map(tags: Any) -> dict[str, str]:
    if isinstance(tags, dict):
        return {str(name): str(value) for name, value in tags.items()}
    return {str(each["Key"]): str(each.get("Value", "")) for each in tags or [] if isinstance(each, dict)}


def _at(value: Any, names: list[str]) -> Iterator[Any]:
    if isinstance(value, list):
        for each in value:
            yield from _at(each, names)
    elif not names:
        yield value
    elif isinstance(value, dict) and names[0] in value:
        yield from _at(value[names[0]], names[1:])


def tags_of_stack(stack_name: str) -> dict[str, str]:
    """The stack's tags and those that CloudFormation adds; empty for a stack that is not there."""
    from ministack.services.cloudformation import _stacks

    stack = _stacks.get(stack_name)
    if not stack:
        return {}
    own = {"aws:cloudformation:stack-name": stack_name, "aws:cloudformation:stack-id": stack["StackId"]}
    return _as_map(stack.get("Tags")) | own
