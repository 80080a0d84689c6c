"""Brings the deliveries that a stack's Lambdas wrote into the panel, and sends one again when a person asks."""

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import BooleanField, Case, Exists, F, OuterRef, Q, Value, When
from django.utils import timezone

from deployers.aws import dynamodb, sqs
from deployers.errors import AwsError
from deployers.models import Artifact, Operation, OperationKind, Stack, StackKind
from deployers.services import accounts, outputs, stuck
from deployers.states import ACTIVE
from integrations.errors import InvalidValue
from integrations.models import Delivery, DeliveryStatus, Integration, Method
from integrations.services import deliveries as rows
from integrations.services import ssh_keys
from lambdas.common import statuses
from lambdas.common.deliveries import timestamp
from lambdas.common.errors import InvalidName
from lambdas.common.keys import artifact_key
from lambdas.common.refs import BRANCH_PREFIX, Ref, RefPatterns
from teams import policy
from teams.errors import Refused
from teams.models import User
from teams.policy import Act
from teams.services import audit

logger = logging.getLogger(__name__)

# Two Lambdas' clocks differ, and the index follows the table: look again at the last moments.
OVERLAP = timedelta(seconds=10)
FRESH = timedelta(seconds=2)
SYNC_SECONDS = 10.0
# How long after a delivery more are expected at once, and how often those integrations are asked that rest.
RECENT = timedelta(minutes=30)
RESTING = timedelta(seconds=15)
_OUTPUTS = {Method.GIT_PULL: "GitPullWebHookApi", Method.ZIP_DOWNLOAD: "ZipDownloadWebHookApi"}


def webhook_urls(integration: Integration) -> dict[str, str]:
    """Webhook address by method; empty before the stack is there."""
    found = outputs.of(integration)
    return {method.value: found[name] for method, name in _OUTPUTS.items() if name in found}


def sync(*, integration: Integration, force: bool = False) -> int:
    """Read what changed in the stack's deliveries table into rows; return how many deliveries that were.

    Without `force` nothing is asked when the last answer is a moment old. Raises the errors of AWS.
    """
    table = outputs.of(integration).get("DeliveriesTableName")
    last = integration.deliveries_synced_at
    if not table or (not force and last is not None and timezone.now() - last < FRESH):
        return 0
    access = accounts.access(integration.aws_account, integration.region)
    cursor, changed = integration.deliveries_cursor, 0
    stop_at = time.monotonic() + SYNC_SECONDS
    for page in dynamodb.updated_since(access, table=table, since=_before(cursor)):
        changed += _store(integration, page)
        cursor = max([cursor, *(str(item["updated_at"]) for item in page)])
        Integration.objects.filter(pk=integration.pk).update(deliveries_cursor=cursor)
        if time.monotonic() > stop_at:
            break
    Integration.objects.filter(pk=integration.pk).update(deliveries_synced_at=timezone.now())
    integration.refresh_from_db(fields=["deliveries_cursor", "deliveries_synced_at"])
    return changed


def _before(cursor: str) -> str:
    return timestamp(datetime.fromisoformat(cursor) - OVERLAP) if cursor else ""


def _store(integration: Integration, items: list[dict[str, Any]]) -> int:
    ids = [str(item["id"]) for item in items]
    known = dict(integration.deliveries.filter(delivery_id__in=ids).values_list("delivery_id", "updated_at"))
    changed = 0
    for item in items:
        try:
            if known.get(str(item["id"])) == datetime.fromisoformat(item["updated_at"]):
                continue
            delivery = rows.upsert_from_item(integration=integration, item=item)
        except (InvalidValue, ValueError) as error:
            logger.warning("integration %s: skipped a delivery that cannot be read: %s", integration.pk, error)
            continue
        changed += 1
        if delivery.status == DeliveryStatus.STORED and delivery.artifact_version_id:
            _note_artifact(integration, delivery, item)
            if delivery.method == Method.GIT_PULL and integration.uses_ssh:
                ssh_keys.used(integration=integration, at=delivery.settled_at)
    return changed


def _note_artifact(integration: Integration, delivery: Delivery, item: Mapping[str, Any]) -> None:
    """One row a version: a push that changed nothing points to the version that was there."""
    Artifact.objects.get_or_create(
        integration=integration,
        key=delivery.artifact_key,
        version_id=delivery.artifact_version_id,
        defaults={
            "delivery": delivery,
            "bucket": delivery.artifact_bucket,
            "ref": delivery.ref,
            "commit": delivery.commit,
            "author": delivery.author,
            "message": delivery.message,
            "size": delivery.artifact_size or 0,
            "content_digest": str(item.get("content_digest") or "")[:64],
            "created_at": delivery.settled_at,
        },
    )


def due(limit: int) -> list[UUID]:
    """Integrations whose deliveries to read next: those where something happens first, then the longest unread."""
    now = timezone.now()
    unfinished = Delivery.objects.filter(
        integration=OuterRef("pk"), status__in=[status for status in DeliveryStatus if not status.finished]
    )
    recent = Delivery.objects.filter(integration=OuterRef("pk"), received_at__gt=now - RECENT)
    going = Operation.objects.filter(integration=OuterRef("pk"), kind=OperationKind.DELETE, status__in=sorted(ACTIVE))
    tables = Stack.objects.filter(
        integration=OuterRef("pk"), kind=StackKind.GIT, outputs__has_key="DeliveriesTableName"
    )
    busy = Case(
        When(Exists(unfinished), then=Value(True)),
        When(Exists(recent), then=Value(True)),
        default=Value(False),
        output_field=BooleanField(),
    )
    found = (
        Integration.objects.annotate(busy=busy)
        .filter(Exists(tables), ~Exists(going))
        .filter(
            Q(deliveries_synced_at=None)
            | Q(busy=True, deliveries_synced_at__lt=now - FRESH)
            | Q(deliveries_synced_at__lt=now - RESTING)
        )
        .order_by("-busy", F("deliveries_synced_at").asc(nulls_first=True))
    )
    return list(found.values_list("pk", flat=True)[:limit])


def sync_due(*, limit: int = 200, seconds: float = 20.0) -> int:
    """Read the deliveries of the integrations that are due, within a bounded time. Returns how many changed."""
    changed, stop_at = 0, time.monotonic() + seconds
    for key in due(limit):
        if time.monotonic() > stop_at:
            break
        integration = Integration.objects.select_related("aws_account").filter(pk=key).first()
        if integration is None or not _take(integration):
            continue
        try:
            changed += sync(integration=integration, force=True)
            stuck.send_again(integration=integration)
        except AwsError as error:
            logger.warning("integration %s: deliveries cannot be read: %s", key, error)
    return changed


def _take(integration: Integration) -> bool:
    """Whether no other worker took it since it was looked up."""
    seen, now = integration.deliveries_synced_at, timezone.now()
    return bool(
        Integration.objects.filter(pk=integration.pk, deliveries_synced_at=seen).update(deliveries_synced_at=now)
    )


def redeliver(*, delivery: Delivery, actor: User) -> None:
    """Put a delivery that failed, got stuck or was ignored on its queue again.

    One that was ignored is evaluated again, by the branches, tags and paths of the integration as they are now; a
    mark such as [skip ci] is passed over, as a person asks. Raises Forbidden, Refused and errors of AWS.
    """
    integration = delivery.integration
    policy.require(Act.REDELIVER, user=actor, team=integration.team, integration=integration.pk)
    now = timezone.now()
    ignored = delivery.status == DeliveryStatus.IGNORED and bool(delivery.commit)
    if delivery.status != DeliveryStatus.FAILED and not ignored and not stuck.is_stuck(delivery, now=now):
        raise Refused(
            f"This delivery is {delivery.get_status_display().lower()}; only one that failed, or a push that was "
            "ignored, can be sent again.",
            remedy="Push again, or redeliver the webhook at the provider.",
        )
    if ignored:
        _require_mirrored(delivery)
    found, method = outputs.of(integration), delivery.method or integration.method
    table = outputs.required(found, "DeliveriesTableName")
    queue_url = outputs.required(found, outputs.queue(method))
    access = accounts.access(integration.aws_account, integration.region)
    request = stuck.request_for(delivery)
    if ignored:
        request = replace(request, repository=integration.repository.full_name)
    again = timestamp(now.astimezone(UTC))
    move: dict[str, Any] = {
        "table": table,
        "delivery_id": delivery.delivery_id,
        "to": statuses.DeliveryStatus.QUEUED,
        "when": {statuses.DeliveryStatus(delivery.status)},
        "reason": f"sent again by {actor.get_username()}",
    }
    if ignored:
        # The status first: a worker leaves alone what is ignored. A message that is then not sent makes it stuck.
        if not dynamodb.move(access, **move, check_paths=delivery.ref.startswith(BRANCH_PREFIX)):
            raise Refused("This delivery has changed meanwhile.", remedy="Look at it again.")
        sqs.send_again(access, queue_url=queue_url, request=request, requeued_at=again)
    else:
        # The message first: a worker takes up a failed delivery, but none waits for a message that was never sent.
        sqs.send_again(access, queue_url=queue_url, request=request, requeued_at=again)
        dynamodb.move(access, **move)
    audit.record(actor=actor, team=integration.team, action="delivery.redeliver", target=delivery)


def _require_mirrored(delivery: Delivery) -> None:
    """Raises Refused for a push that would only be ignored again, whatever files it changes."""
    integration = delivery.integration
    if delivery.repository.lower() != integration.repository.full_name.lower():
        raise Refused(f"{integration} mirrors {integration.repository}, not {delivery.repository}.")
    patterns = RefPatterns.parse(",".join(integration.refs))
    try:
        ref = Ref.parse(delivery.ref)
        artifact_key(integration.repository.full_name, ref)
    except InvalidName as error:
        raise Refused(str(error)) from None
    if not patterns.matches(ref):
        raise Refused(
            f"The {ref.kind} {ref.name} still matches none of {patterns}.",
            remedy="Add it to what the integration mirrors, then send it again.",
        )
