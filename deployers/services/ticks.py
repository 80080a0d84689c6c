"""What the clock does: advance operations that are due, each as far as it goes without waiting."""

import logging
import time
from uuid import UUID

from deployers.models import Operation
from deployers.services import deliveries, operations
from deployers.services.reconcile import advance
from integrations.models import Integration

logger = logging.getLogger(__name__)

LIMIT = 50
SECONDS = 20.0


def tick(*, limit: int = LIMIT, seconds: float = SECONDS) -> int:
    """Advance the operations that are due, within a bounded time; return how many.

    One that fails in an unexpected way is logged and holds up no other: it has noted its attempt.
    """
    operations.sweep()
    stop_at, count = time.monotonic() + seconds, 0
    for operation_id in operations.due(limit):
        if time.monotonic() > stop_at:
            break
        try:
            run(operation_id, seconds=stop_at - time.monotonic())
        except Exception:
            logger.exception("operation %s", operation_id)
        count += 1
    return count


def run(operation_id: UUID | str, *, seconds: float = SECONDS) -> None:
    """Take the steps of an operation until it has to wait, is over, or the time is up."""
    operation = Operation.objects.filter(pk=operation_id).first()
    stop_at = time.monotonic() + seconds
    while operation is not None and advance(operation) and time.monotonic() < stop_at:
        pass


def sync_one(integration_id: UUID | str) -> int:
    """Read the deliveries of one integration, if they were not read a moment ago."""
    integration = Integration.objects.select_related("aws_account").filter(pk=integration_id).first()
    return deliveries.sync(integration=integration) if integration else 0
