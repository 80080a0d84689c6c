"""What GitLab tells of the deliveries of a webhook: what it sent, and what came back.

https://docs.gitlab.com/api/project_webhooks/#get-a-list-of-project-webhook-events
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from integrations.providers.answers import Reader
from integrations.providers.records import RemoteDelivery

_READ = Reader("GitLab")


def deliveries(events: Iterable[Mapping[str, Any]]) -> list[RemoteDelivery]:
    """The events that the API lists, newest first. Raises UnexpectedAnswer."""
    return sorted((_delivery(item) for item in events), key=lambda each: _READ.number(each.id), reverse=True)


def _delivery(item: Mapping[str, Any]) -> RemoteDelivery:
    sent, answered = _headers(item.get("request_headers")), _headers(item.get("response_headers"))
    status = str(item.get("response_status"))
    return RemoteDelivery(
        id=_READ.text(item, "id"),
        delivery_id=sent.get("webhook-id") or sent.get("idempotency-key") or sent.get("x-gitlab-event-uuid", ""),
        event=sent.get("x-gitlab-event") or _READ.text(item, "trigger"),
        # Else it is words, such as "internal error" when nothing answered.
        status_code=int(status) if re.fullmatch(r"[1-5][0-9]{2}", status) else 0,
        delivered_at=_moment(sent.get("webhook-timestamp", ""), answered.get("date", "")),
        redelivery=False,
    )


def _headers(value: object) -> dict[str, str]:
    pairs = value.items() if isinstance(value, dict) else ()
    return {name.lower(): text for name, text in pairs if isinstance(name, str) and isinstance(text, str)}


def _moment(timestamp: str, date: str) -> datetime | None:
    """When GitLab signed it, or by the clock of whoever answered; it does not tell otherwise."""
    if re.fullmatch(r"[0-9]{1,11}", timestamp):
        return datetime.fromtimestamp(int(timestamp), UTC)
    try:
        found = parsedate_to_datetime(date)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
