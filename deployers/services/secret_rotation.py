"""What people ask of webhook secrets."""

from django.db import transaction

from deployers.models import Operation, OperationKind, StackKind
from deployers.services import starting
from deployers.states import StackState
from integrations.models import Integration
from teams.errors import Refused
from teams.models import Role, User
from teams.services import audit, roles


def rotate(*, integration: Integration, actor: User) -> Operation:
    """Give the integration a new webhook secret; the old one is taken until a webhook came that the new one signs.

    Raises Forbidden, Refused when there is no stack that is ready, and StackBusy.
    """
    roles.require(Role.OPERATOR, user=actor, team=integration.team)
    stack = integration.stacks.filter(kind=StackKind.GIT).first()
    if stack is None or stack.state not in {StackState.READY, StackState.ROLLED_BACK}:
        raise Refused("There is no stack that is ready.", remedy="Provision the integration first.")
    with transaction.atomic():
        starting.lock(integration)
        operation = starting.start(integration, actor, stack=stack, kind=OperationKind.ROTATE_SECRET, options={})
        audit.record(
            actor=actor,
            team=integration.team,
            action="webhook_secret.rotate",
            target=integration,
            changes={"operation": str(operation.pk), "webhook_secret": "changed"},
        )
    return operation
