"""What happened to a delivery, line by line: what came, what was decided, every attempt, the end, the deployment."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse

from deployers.services.catch_up import EVENT as MISSED
from deployers.states import DeploymentStatus
from integrations.models import Delivery, DeliveryStatus, DeployStatus
from panel.web.outcomes_of_deliveries import NOTHING, Outcome
from panel.web.statuses import DELIVERY, DEPLOY, DEPLOYMENT, Status

RECEIVED = Status("Received", "mute")
ACCEPTED = Status("Accepted", "mute")
SUCCEEDED = Status("Succeeded", "ok")
FAILED = Status("Failed", "bad")
NOT_FETCHED = frozenset({DeliveryStatus.IGNORED, DeliveryStatus.REJECTED})


@dataclass(frozen=True, slots=True)
class Line:
    """`took` is in milliseconds; `moment` a datetime, or the text of one as the Lambdas write it."""

    status: Status
    text: str
    moment: datetime | str | None
    took: int | None = None
    url: str = ""
    """The page of what the line is about."""


def story(delivery: Delivery, outcome: Outcome = NOTHING) -> list[Line]:
    """Oldest first."""
    status = DeliveryStatus(delivery.status)
    lines = [Line(RECEIVED, _what_came(delivery), delivery.received_at)]
    if status not in NOT_FETCHED and delivery.method:
        lines.append(Line(ACCEPTED, f"To be fetched by {delivery.get_method_display().lower()}.", None))
    lines += [
        _attempt(number, each, looked=status is DeliveryStatus.IGNORED)
        for number, each in enumerate(delivery.attempts, start=1)
    ]
    reason = "" if delivery.reason.lower() == status.value else delivery.reason
    lines.append(Line(DELIVERY[status], _sentence(reason), delivery.settled_at, delivery.duration_ms))
    lines += _deployment(delivery, outcome)
    if outcome.successor is not None:
        by = outcome.successor.commit[:7] or "a newer push"
        url = reverse("delivery-detail", args=[outcome.successor.pk])
        lines.append(Line(DELIVERY[DeliveryStatus.SUPERSEDED], f"Superseded by {by}", None, url=url))
    return lines


def _deployment(delivery: Delivery, outcome: Outcome) -> list[Line]:
    """How far its deployment has come; before there is one, what the deployer wrote on the delivery."""
    if (found := outcome.deployment) is not None:
        text = f"Deployment {found.external_id}"
        url = reverse("deployment-detail", args=[found.pk])
        moment = found.finished_at or found.created_at
        return [Line(DEPLOYMENT[DeploymentStatus(found.status)], text, moment, url=url)]
    if delivery.deploy_status:
        return [Line(DEPLOY[DeployStatus(delivery.deploy_status)], delivery.deploy_reason, delivery.updated_at)]
    return []


def _what_came(delivery: Delivery) -> str:
    if delivery.event == MISSED:
        return "No webhook brought this push; the check for missed pushes found it."
    what = f"A webhook about {delivery.event}" if delivery.event else "A request that could not be read"
    by = f" by {delivery.sender}" if delivery.sender else ""
    return f"{what}{by}{f', from {delivery.source_ip}' if delivery.source_ip else ''}."


def _attempt(number: int, attempt: dict[str, Any], *, looked: bool) -> Line:
    """With `looked`, an attempt without an error only found out which files differ."""
    error = str(attempt.get("error") or "")
    done = "compared changed files." if looked else "made and stored the zip."
    return Line(
        FAILED if error else SUCCEEDED,
        f"Attempt {number}: {error or done}",
        attempt.get("at"),
        attempt.get("duration_ms"),
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
