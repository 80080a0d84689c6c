"""Where MiniStack is changed so that a resource needs whoever makes it to be allowed to."""

# MiniStack offers no hooks: what it gets wrong is replaced where it stands.
# ruff: noqa: SLF001

import contextvars
from collections.abc import Callable
from typing import Any

from deployers.needed_permissions import needed
from sandbox.cloudformation_iam import acting, deciding, nested, parameters, service_linked_roles
from sandbox.cloudformation_iam.arns import resources
from sandbox.cloudformation_iam.keys import keys
from sandbox.cloudformation_iam.subjects import Subject, tags_of_stack
from sandbox.hooks import replace

_MADE_BY_CLOUDFORMATION = (
    "AWS::CloudFormation::WaitCondition",
    "AWS::CloudFormation::WaitConditionHandle",
)
"""They exist nowhere else, and need nothing."""

_LINKED = "iam:CreateServiceLinkedRole"

# Set while an update is carried out by the type's creation, for want of anything better in MiniStack.
_in_update: contextvars.ContextVar[bool] = contextvars.ContextVar("cloudformation_update", default=False)


class Refused(ValueError):
    """Whoever acts may not do this; the message is AWS's."""


def install() -> None:
    """Change MiniStack in this process; call after all that changes its handlers, and before it serves."""
    from ministack.services.cloudformation import handlers, provisioners, stacks

    service_linked_roles.install()
    nested.install()
    parameters.install()
    for operation in acting.OPERATIONS:
        replace(handlers._ACTION_HANDLERS, operation, acting.acting_as(operation))
    replace(handlers._ACTION_HANDLERS, "DescribeStacks", acting.telling_the_role)
    # Both modules hold the functions by name.
    for module in (provisioners, stacks):
        replace(module, "_provision_resource", _creating)
        replace(module, "_update_resource", _updating)
        replace(module, "_delete_resource", _deleting)


def check(subject: Subject) -> None:
    """Raise Refused unless whoever acts may do this to the resource, and what the service itself needs is there."""
    actor = acting.actor()
    if actor is None:
        return
    try:
        principal = actor.principal()
        if principal.policies is not None and not subject.kind.startswith(_MADE_BY_CLOUDFORMATION):
            _check_permissions(subject, principal, for_a_person=not actor.role_arn)
        service_linked_roles.use(subject, principal)
    except (acting.CannotActAs, PermissionError) as error:
        raise Refused(str(error)) from error


def _check_permissions(subject: Subject, principal: Any, *, for_a_person: bool) -> None:
    try:
        permissions = needed(subject.kind, subject.operation, subject.own_properties())
    except KeyError:
        raise Refused(f"The local AWS does not know what {subject.kind} needs: only root makes it here.") from None
    for permission in sorted(permissions - {_LINKED}):
        for resource in resources(permission, subject):
            for context in keys(permission, subject, for_a_person=for_a_person):
                if refused := deciding.refusal(principal, permission, resource, context):
                    raise Refused(refused.of_handler())


def _creating(create: Callable[..., Any]) -> Callable[..., Any]:
    def create_if_allowed(kind: str, logical_id: str, properties: dict[str, Any], stack_name: str) -> Any:
        if not _in_update.get():
            check(Subject(kind, "create", logical_id, properties, stack_name, "", tags_of_stack(stack_name)))
        return create(kind, logical_id, properties, stack_name)

    return create_if_allowed


def _updating(update: Callable[..., Any]) -> Callable[..., Any]:
    def update_if_allowed(kind: str, physical_id: str, old: dict[str, Any], new: dict[str, Any], *more: Any) -> Any:
        from ministack.services.cloudformation import provisioners

        # What does not change is not touched, and a replacement is a creation, checked there.
        if old == new or provisioners._replacing_change(kind, old, new):
            return update(kind, physical_id, old, new, *more)
        stack_name, logical_id = (*more, "")[:2]
        check(Subject(kind, "update", logical_id or "", new, stack_name, physical_id, tags_of_stack(stack_name)))
        # A nested stack's own resources are created and updated in turn.
        token = _in_update.set(kind != "AWS::CloudFormation::Stack")
        try:
            return update(kind, physical_id, old, new, *more)
        finally:
            _in_update.reset(token)

    return update_if_allowed


def _deleting(delete: Callable[..., Any]) -> Callable[..., Any]:
    def delete_if_allowed(
        kind: str,
        physical_id: str,
        properties: dict[str, Any],
        stack_name: str | None = None,
        logical_id: str | None = None,
    ) -> Any:
        name = stack_name or ""
        check(Subject(kind, "delete", logical_id or "", properties, name, physical_id, tags_of_stack(name)))
        return delete(kind, physical_id, properties, stack_name, logical_id)

    return delete_if_allowed
