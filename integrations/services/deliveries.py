"""Deliveries, as the stack's Lambdas wrote them into its table."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from django.db.models import CharField

from integrations.errors import InvalidValue
from integrations.models import Delivery, DeliveryStatus, Integration, Method
from integrations.services import webhooks

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
)


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
    if delivery.status != DeliveryStatus.REJECTED:
        webhooks.mark_verified(integration=integration)
    return delivery


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
    method = _text(item.get("method"))
    fields: dict[str, Any] = {
        "status": DeliveryStatus(item["status"]),
        "method": method if method in Method.values else "",
        "received_at": _time(item["received_at"]),
        "updated_at": _time(item["updated_at"]),
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
