"""Deliveries, as the stack's Lambdas wrote them into its table."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from django.db.models import CharField

from integrations.errors import InvalidValue
from integrations.models import Delivery, DeliveryStatus, DeployStatus, Integration, Method, Repository
from integrations.providers.base import ProviderClient
from integrations.providers.registry import PROVIDERS
from integrations.services import clients, webhooks
from teams import policy
from teams.errors import Refused
from teams.models import User
from teams.policy import Act
from teams.services import audit

TEXTS = (
    "provider_delivery_id",
    "event",
    "repository",
    "ref",
    "commit",
    "sender",
    "author",
    "message",
    "reason",
    "request_body",
    "artifact_bucket",
    "artifact_key",
    "artifact_version_id",
    "deploy_reason",
    "secret_id",
)
ANSWERED_ANEW = frozenset({DeliveryStatus.FAILED, DeliveryStatus.IGNORED, DeliveryStatus.REJECTED})
"""What a receiver decides about once more when the provider sends it again."""


def upsert_from_item(*, integration: Integration, item: Mapping[str, Any]) -> Delivery:
    """Store one item of the deliveries table, in plain Python types, as a row; never over a newer one.

    Whatever a webhook's body holds can be stored. A delivery that was not rejected proves that the webhook works.
    Raises InvalidValue for an item that no Lambda of ours wrote.
    """
    try:
        fields = _fields(item)
        delivery_id = _text(item["id"])[:128]
    except (KeyError, ValueError, TypeError) as error:
        raise InvalidValue(f"An item of the deliveries table cannot be read: {type(error).__name__}.") from error
    delivery = _store(integration, delivery_id, fields)
    proves = not delivery.secret_id or delivery.secret_id == webhooks.secret_id_of(integration)
    if delivery.status != DeliveryStatus.REJECTED and proves:
        webhooks.mark_verified(integration=integration)
    if delivery.repository and delivery.repository.lower() != integration.repository.full_name.lower():
        # Whether it was renamed is asked at once, not by the webhook's word.
        Repository.objects.filter(pk=integration.repository_id, new_name="", moved_problem="").update(looked_at=None)
    return delivery


def can_ask_provider(delivery: Delivery) -> bool:
    """Whether `ask_provider` may succeed, as far as can be told without asking."""
    return not _why_not_asked(delivery)


def ask_provider(*, delivery: Delivery, actor: User) -> None:
    """Have the provider send a delivery again; it comes through the webhook, and is evaluated again.

    Raises Forbidden, Refused where the provider cannot, or does not have it any more, and ProviderError.
    """
    integration = delivery.integration
    policy.require(Act.REDELIVER, user=actor, team=integration.team, integration=integration.pk)
    if reason := _why_not_asked(delivery):
        raise Refused(reason, remedy="Push again, or send it again from the provider's own page.")
    name, webhook = integration.repository.full_name, integration.webhook_remote_id
    remote = clients.client(integration.repository.provider)
    theirs = [
        each for each in remote.recent_deliveries(name, webhook) if each.delivery_id == delivery.provider_delivery_id
    ]
    if not theirs or not remote.redeliver(name, webhook, theirs[0].id):
        raise Refused(
            f"{remote.label} does not have this delivery any more.", remedy="Push again, or check for pushes."
        )
    audit.record(actor=actor, team=integration.team, action="delivery.ask_provider", target=delivery)


def _why_not_asked(delivery: Delivery) -> str:
    integration = delivery.integration
    kind = PROVIDERS.get(integration.repository.provider.kind)
    if kind is None or kind.redeliver is ProviderClient.redeliver:
        return "This provider sends nothing again when asked over its API."
    if not integration.webhook_remote_id:
        return "Sluice did not install this webhook, so it cannot ask for its deliveries."
    if not delivery.provider_delivery_id:
        return "The provider gave this delivery no id."
    if delivery.status not in ANSWERED_ANEW:
        return f"This delivery is {delivery.get_status_display().lower()}: sending it again would change nothing."
    return ""


def _store(integration: Integration, delivery_id: str, fields: dict[str, Any]) -> Delivery:
    delivery, created = Delivery.objects.get_or_create(
        integration=integration, delivery_id=delivery_id, defaults=fields
    )
    if created:
        return delivery
    # Compared in the database, as another worker may store a newer state at this moment.
    newer = Delivery.objects.filter(pk=delivery.pk, updated_at__lt=fields["updated_at"])
    if newer.update(**fields):
        for name, value in fields.items():
            setattr(delivery, name, value)
    else:
        delivery.refresh_from_db()
    return delivery


def _fields(item: Mapping[str, Any]) -> dict[str, Any]:
    method, deployed = _text(item.get("method")), _text(item.get("deploy_status"))
    fields: dict[str, Any] = {
        "status": DeliveryStatus(item["status"]),
        "method": method if method in Method.values else "",
        "received_at": _time(item["received_at"]),
        "updated_at": _time(item["updated_at"]),
        "stored_at": _time(item["stored_at"]) if item.get("stored_at") else None,
        "deploy_status": deployed if deployed in DeployStatus.values else "",
        "deployment_external_id": _text(item.get("deployment_id"))[:128],
        "source_ip": _ip(_text(item.get("source_ip"))),
        "attempts": [_attempt(each) for each in item.get("attempts") or []],
        "request_headers": _headers(_text(item.get("request_headers"))),
        "request_body_truncated": bool(item.get("request_body_truncated")),
        "artifact_size": None if item.get("artifact_size") is None else int(item["artifact_size"]),
    }
    for name in TEXTS:
        field = Delivery._meta.get_field(name)
        text = _text(item.get(name))
        fields[name] = text[: field.max_length] if isinstance(field, CharField) else text
    return fields


def _text(value: object) -> str:
    """As PostgreSQL can hold it: without NUL and lone surrogates, which JSON may carry."""
    if value is None:
        return ""
    return str(value).replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _time(value: str) -> datetime:
    moment = datetime.fromisoformat(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _ip(value: str) -> str | None:
    try:
        return str(ip_address(value))
    except ValueError:
        return None


def _attempt(attempt: Mapping[str, Any]) -> dict[str, Any]:
    """DynamoDB's numbers are Decimals, which JSON has no word for."""
    return {
        "at": _text(attempt.get("at")),
        "duration_ms": int(attempt.get("duration_ms") or 0),
        "error": _text(attempt.get("error")),
    }


def _headers(text: str) -> dict[str, str]:
    try:
        headers = json.loads(text) if text else {}
    except ValueError:
        return {}
    return {_text(name): _text(value) for name, value in headers.items()} if isinstance(headers, dict) else {}
