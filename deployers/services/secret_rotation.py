"""What people ask of webhook secrets."""

from django.db import transaction

from deployers.models import Operation, OperationKind
from deployers.services import starting
from integrations.models import Integration
from teams import policy
from teams.models import User
from teams.policy import Act
from teams.services import audit


def rotate(*, integration: Integration, actor: User) -> Operation:
    """Give the integration a new webhook secret; the old one is taken until a webhook came that the new one signs.

    Raises Forbidden, Refused when there is no stack that is ready, and StackBusy.
    """
    policy.require(Act.ROTATE_SECRET, user=actor, team=integration.team, integration=integration.pk)
    stack = starting.working_stack(integration)
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
