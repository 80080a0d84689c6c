"""What happened to a delivery, line by line: what came, what was decided, every attempt, the end, the deployment."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deployers.services.catch_up import EVENT as MISSED
from integrations.models import Delivery, DeliveryStatus, DeployStatus
from panel.web.statuses import DELIVERY, DEPLOY, Status

CAME = Status("Came", "mute")
ACCEPTED = Status("Accepted", "mute")
WORKED = Status("Worked", "ok")
FAILED = Status("Failed", "bad")
NOT_FETCHED = frozenset({DeliveryStatus.IGNORED, DeliveryStatus.REJECTED})


@dataclass(frozen=True, slots=True)
class Line:
    """`took` is in milliseconds; `moment` a datetime, or the text of one as the Lambdas write it."""

    status: Status
    text: str
    moment: datetime | str | None
    took: int | None = None


def story(delivery: Delivery) -> list[Line]:
    """Oldest first."""
    status = DeliveryStatus(delivery.status)
    lines = [Line(CAME, _what_came(delivery), delivery.received_at)]
    if status not in NOT_FETCHED and delivery.method:
        lines.append(Line(ACCEPTED, f"To be fetched by {delivery.get_method_display().lower()}.", None))
    lines += [
        _attempt(number, each, looked=status is DeliveryStatus.IGNORED)
        for number, each in enumerate(delivery.attempts, start=1)
    ]
    reason = "" if delivery.reason.lower() == status.value else delivery.reason
    lines.append(Line(DELIVERY[status], _sentence(reason), delivery.settled_at, delivery.duration_ms))
    if delivery.deploy_status:
        lines.append(Line(DEPLOY[DeployStatus(delivery.deploy_status)], delivery.deploy_reason, delivery.updated_at))
    return lines


def _what_came(delivery: Delivery) -> str:
    if delivery.event == MISSED:
        return "No webhook brought this push; the check for missed pushes found it."
    what = f"A webhook about {delivery.event}" if delivery.event else "A request that could not be read"
    by = f" by {delivery.sender}" if delivery.sender else ""
    return f"{what}{by}{f', from {delivery.source_ip}' if delivery.source_ip else ''}."


def _attempt(number: int, attempt: dict[str, Any], *, looked: bool) -> Line:
    """With `looked`, an attempt without an error only found out which files differ."""
    error = str(attempt.get("error") or "")
    done = "it was looked at which files differ." if looked else "the zip was made and stored."
    return Line(
        FAILED if error else WORKED,
        f"Attempt {number}: {error or done}",
        attempt.get("at"),
        attempt.get("duration_ms"),
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
