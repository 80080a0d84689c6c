"""The dead-letter queue of a stack: what was tried too often, and how it is tried once more.

StartMessageMoveTask would move the messages too. But it does so in the background, without a word in the deliveries
table, and also those whose delivery was stored or forgotten in the meantime.
"""

import logging
import time
from datetime import UTC

from django.core.cache import cache
from django.utils import timezone

from deployers.aws import dynamodb, sqs
from deployers.aws.session import Access
from deployers.services import accounts, outputs
from integrations.models import Integration
from lambdas.common import queue
from lambdas.common.deliveries import timestamp
from lambdas.common.statuses import FETCHABLE, DeliveryStatus
from teams import policy
from teams.models import User
from teams.policy import Act
from teams.services import audit

logger = logging.getLogger(__name__)

SECONDS = 10.0
"""How long a person is kept waiting; what is left then takes another press."""
HIDDEN_SECONDS = 60
COUNT_SECONDS = 15


def count(*, integration: Integration) -> int:
    """About how many messages are on the dead-letter queue; asked every fifteen seconds at most.

    0 before the stack is there. Raises the errors of AWS.
    """
    url = outputs.of(integration).get("DeadLetterQueueUrl")
    if not url:
        return 0
    known = cache.get(_key(integration))
    if type(known) is not int or known < 0:
        known = sqs.waiting(accounts.access(integration.aws_account, integration.region), queue_url=url)
        cache.set(_key(integration), known, COUNT_SECONDS)
    return known


def redrive(*, integration: Integration, actor: User) -> int:
    """Put what is on the dead-letter queue on the queues that it came from; returns how many that were.

    A message whose delivery was stored, or expired, is dropped, and one that cannot be read stays. May be repeated
    after it stopped anywhere: a worker takes up a delivery once. Raises Forbidden, Refused before the stack is there,
    and the errors of AWS.
    """
    policy.require(Act.REDELIVER, user=actor, team=integration.team, integration=integration.pk)
    found = outputs.of(integration)
    url = outputs.required(found, "DeadLetterQueueUrl")
    table = outputs.required(found, "DeliveriesTableName")
    access = accounts.access(integration.aws_account, integration.region)
    moved, stop_at = 0, time.monotonic() + SECONDS
    while time.monotonic() < stop_at:
        messages = sqs.receive(access, queue_url=url, hidden_seconds=HIDDEN_SECONDS)
        if not messages:
            break
        for message in messages:
            try:
                request = queue.FetchRequest.from_json(message.body)
                target = found[outputs.queue(request.method)]
            except (ValueError, KeyError):
                logger.warning("integration %s: a dead letter cannot be read, and stays", integration.pk)
                continue
            moved += _send(access, table=table, queue_url=target, request=request, actor=actor)
            sqs.delete(access, queue_url=url, message=message)
    cache.delete(_key(integration))
    audit.record(
        actor=actor, team=integration.team, action="integration.redrive", target=integration, changes={"moved": moved}
    )
    return moved


def _send(access: Access, *, table: str, queue_url: str, request: queue.FetchRequest, actor: User) -> bool:
    """Whether the delivery still is to be fetched, and so was put on its queue."""
    status = dynamodb.status(access, table=table, delivery_id=request.delivery)
    if status is None or status not in FETCHABLE:
        return False
    now = timestamp(timezone.now().astimezone(UTC))
    sqs.send_again(access, queue_url=queue_url, request=request, requeued_at=now)
    dynamodb.move(
        access,
        table=table,
        delivery_id=request.delivery,
        to=DeliveryStatus.QUEUED,
        when={status},
        reason=f"put on its queue again by {actor.get_username()}",
    )
    return True


def _key(integration: Integration) -> str:
    return f"dead-letters:{integration.pk}"
