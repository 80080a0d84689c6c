"""Pushes that were written down and that nobody works on: found, sent again, and offered to be.

A receiver may die between the row and the queue, or the queue not take the message: the provider is told of an error,
and most providers do not try again. A function may die before any of its code runs, and leave its message hidden. Each
message is a group of its own on its queue, so one that is sent again waits for nothing; whoever comes second finds the
delivery done with.
"""

import logging
from datetime import UTC, datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from deployers.aws import dynamodb, sqs
from deployers.services import accounts, outputs
from integrations.models import Delivery, DeliveryStatus, Integration, Method
from lambdas.common import queue, statuses
from lambdas.common.deliveries import timestamp

logger = logging.getLogger(__name__)

PATIENCE: dict[str, timedelta] = {
    DeliveryStatus.RECEIVED: timedelta(seconds=30),
    DeliveryStatus.QUEUED: timedelta(minutes=2),
    DeliveryStatus.RETRYING: timedelta(0),
    DeliveryStatus.FETCHING: timedelta(minutes=15),
}
"""How long each state may last before a person may send the push again.

A receiver has ended after nine seconds; and where a worker waits between two attempts, a person need not.
"""
BY_ITSELF = (DeliveryStatus.RECEIVED, DeliveryStatus.QUEUED)
"""What is sent again by itself: no worker has it, so none brings it on."""
GIVE_UP = timedelta(hours=1)
"""After its arrival a push is not sent again by itself any more: what does not start then needs a person."""
MOST = 20
"""Pushes of an integration that are sent again at a time."""


def is_stuck(delivery: Delivery, *, now: datetime) -> bool:
    """Whether the delivery has stood still for so long that it may be sent again."""
    patience = PATIENCE.get(delivery.status)
    return patience is not None and delivery.updated_at <= now - patience


def send_again(*, integration: Integration) -> int:
    """Put the pushes that nobody works on, on their queue again; returns how many. Raises the errors of AWS."""
    now, found = timezone.now(), outputs.of(integration)
    table = found.get("DeliveriesTableName")
    if not table:
        return 0
    still = Q(pk__in=[])
    for status in BY_ITSELF:
        still |= Q(status=status, updated_at__lte=now - PATIENCE[status])
    waiting = integration.deliveries.filter(still, received_at__gt=now - GIVE_UP).exclude(commit="")
    sent = 0
    for delivery in waiting.order_by("received_at")[:MOST]:
        url = found.get(outputs.queue(Method(delivery.method or integration.method)))
        if not url:
            continue
        access = accounts.access(integration.aws_account, integration.region)
        requeued_at = timestamp(now.astimezone(UTC))
        sqs.send_again(access, queue_url=url, request=request_for(delivery), requeued_at=requeued_at)
        was = statuses.DeliveryStatus(delivery.status)
        words = "it was never queued" if was is statuses.DeliveryStatus.RECEIVED else "nothing took it up"
        dynamodb.move(
            access,
            table=table,
            delivery_id=delivery.delivery_id,
            to=statuses.DeliveryStatus.QUEUED,
            when={was},
            reason=f"Stuck: {words}, so it was sent again",
        )
        logger.warning("integration %s: delivery %s was stuck: %s", integration.pk, delivery.delivery_id, words)
        sent += 1
    return sent


def request_for(delivery: Delivery) -> queue.FetchRequest:
    """The message of a delivery, as its receiver made it."""
    return queue.FetchRequest(
        delivery=delivery.delivery_id,
        repository=delivery.repository,
        ref=delivery.ref,
        commit=delivery.commit,
        received_at=timestamp(delivery.received_at),
        method=delivery.method or delivery.integration.method,
    )
