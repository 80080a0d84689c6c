"""Nested stacks fail with what they hold.

MiniStack deletes a nested stack though some of its resources are left, and leaves all of a nested stack whose creation
failed.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-nested-stacks.html
"""

# MiniStack offers no hooks: what it gets wrong is replaced where it stands.
# ruff: noqa: SLF001

from collections.abc import Callable
from contextlib import suppress
from typing import Any

_KIND = "AWS::CloudFormation::Stack"


def install() -> None:
    """Change MiniStack in this process; call before it serves."""
    from ministack.services.cloudformation import provisioners

    from sandbox.hooks import replace

    handler = provisioners._RESOURCE_HANDLERS[_KIND]
    replace(handler, "create", _taking_back)
    replace(handler, "delete", lambda _delete: _delete_nested)


def _taking_back(create: Callable[..., Any]) -> Callable[..., Any]:
    """What a nested stack made before it failed goes with the rollback of its parent."""

    def create_or_take_back(logical_id: str, properties: dict[str, Any], parent: str) -> Any:
        from ministack.services.cloudformation import _stacks

        before = set(_stacks)
        try:
            return create(logical_id, properties, parent)
        except Exception:
            kept = (_stacks.get(parent) or {}).get("DisableRollback") and "ParentId" not in _stacks[parent]
            for name in [] if kept else sorted(set(_stacks) - before):
                if _stacks[name].get("_parent_stack_name") == parent:
                    # If something cannot go, its own events say so; why the creation failed is what counts.
                    with suppress(ValueError):
                        _delete_nested(_stacks[name]["StackId"], {})
            raise

    return create_or_take_back


def _delete_nested(physical_id: str, _properties: dict[str, Any]) -> None:
    """Delete what the stack holds, the last first, and fail after all if something of it is left."""
    from ministack.services.cloudformation import _exports, _stacks, engine, provisioners

    name = provisioners._nested_stack_lookup_name(physical_id)
    stack = _stacks.get(name)
    if not stack or stack["StackStatus"] == "DELETE_COMPLETE":
        return
    definitions = (stack.get("_template") or {}).get("Resources", {})
    conditions = stack.get("_conditions", {})
    held = stack["_resources"]
    order = engine._topological_sort(definitions, conditions) if definitions else []
    order += [logical_id for logical_id in held if logical_id not in order]
    _tell_of_stack(stack, "DELETE_IN_PROGRESS")
    stack["StackStatus"] = "DELETE_IN_PROGRESS"
    failed = [each for each in reversed(order) if each in held and not _delete_one(stack, each, definitions)]
    if failed:
        reason = f"The following resource(s) failed to delete: [{', '.join(sorted(failed))}]. "
        stack.update(StackStatus="DELETE_FAILED", StackStatusReason=reason)
        _tell_of_stack(stack, "DELETE_FAILED", reason)
        raise ValueError(f"Embedded stack {stack['StackId']} was not successfully deleted: {reason}")
    for output in stack.get("Outputs", []):
        _exports.pop(output.get("ExportName"), None)
    stack["StackStatus"] = "DELETE_COMPLETE"
    _tell_of_stack(stack, "DELETE_COMPLETE")


def _delete_one(stack: dict[str, Any], logical_id: str, definitions: dict[str, Any]) -> bool:
    """Whether it is gone, or left on purpose."""
    from ministack.services.cloudformation import provisioners, stacks

    resource = stack["_resources"][logical_id]
    kind, physical_id = resource["ResourceType"], resource["PhysicalResourceId"]

    def tell(status: str, reason: str = "") -> None:
        stacks._add_event(stack["StackId"], stack["StackName"], logical_id, kind, status, reason, physical_id)

    policy = stacks._resource_policy(
        definitions.get(logical_id),
        "DeletionPolicy",
        stack["_resources"],
        stack.get("_resolved_params", {}),
        stack.get("_conditions", {}),
        (stack.get("_template") or {}).get("Mappings", {}),
        stack["StackName"],
        stack["StackId"],
    )
    if policy in provisioners._RETAINING_POLICIES:
        tell("DELETE_SKIPPED")
        del stack["_resources"][logical_id]
        return True
    tell("DELETE_IN_PROGRESS")
    try:
        provisioners._delete_resource(kind, physical_id, resource.get("Properties", {}), stack["StackName"], logical_id)
    except Exception as error:  # noqa: BLE001 -- a handler raises anything, and all of it fails the resource
        resource.update(ResourceStatus="DELETE_FAILED", ResourceStatusReason=str(error))
        tell("DELETE_FAILED", str(error))
        return False
    tell("DELETE_COMPLETE")
    del stack["_resources"][logical_id]
    return True


def _tell_of_stack(stack: dict[str, Any], status: str, reason: str = "") -> None:
    from ministack.services.cloudformation import stacks

    stack_id, name = stack["StackId"], stack["StackName"]
    stacks._add_event(stack_id, name, name, _KIND, status, reason, stack_id)
