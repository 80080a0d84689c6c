"""Rings the doorbell after a commit. A ring that is lost costs seconds: the tick finds the row."""

import logging
from uuid import UUID

from celery import current_app
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from deployers.services.deliveries import FRESH
from integrations.models import Integration

logger = logging.getLogger(__name__)


def on_commit_nudge(operation_id: UUID) -> None:
    """Have a worker advance the operation once the transaction is committed."""
    _after_commit("deployers.tasks.advance_operation", str(operation_id))


def on_commit_sync(integration_id: UUID) -> None:
    """Have a worker read the integration's deliveries once the transaction is committed."""
    _after_commit("deployers.tasks.sync_integration", str(integration_id))


def on_commit_freshen(integration: Integration) -> None:
    """Have a worker read its deliveries if they have not been read just now: somebody is looking at them."""
    synced = integration.deliveries_synced_at
    if synced is None or timezone.now() - synced > FRESH:
        on_commit_sync(integration.pk)


def _after_commit(task: str, argument: str) -> None:
    def ring() -> None:
        try:
            current_app.send_task(task, args=[argument])
        except OperationalError as error:
            logger.info("%s waits for the next tick: %s", task, error)

    # robust: whatever happens to the message must not fail the request, as the row is safe.
    transaction.on_commit(ring, robust=True)
