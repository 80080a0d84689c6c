"""What stands in the way of an integration at its provider, told before anything is provisioned.

It refuses nothing: a webhook and a deploy key can also be added by hand, and the provider may allow more by then. What
was already installed, or tried, speaks for itself and is no longer told of here.
"""

import time
from dataclasses import asdict, dataclass
from datetime import timedelta

from django.db.models import F, Q
from django.utils import timezone

from integrations.errors import InvalidValue, ProviderError
from integrations.models import Integration, Provider, RemoteState, SSHKeyState, WebhookState
from integrations.providers.base import Obstacle, Purpose
from integrations.services import clients, pauses
from teams import policy
from teams.models import User
from teams.policy import Act

PATIENCE = 8.0
"""Seconds that a person waits for the provider at most."""
EVERY = timedelta(minutes=10)
"""How long after a question that was not answered it is asked again by itself."""
TITLES = {
    Purpose.WEBHOOK: "The webhook cannot be installed",
    Purpose.DEPLOY_KEY: "The deploy key cannot be added",
    Purpose.COMMIT_STATUSES: "Commit statuses cannot be shown",
}
BY_HAND = {
    Purpose.WEBHOOK: "Provisioning works all the same: this page then shows what to paste at the provider.",
    Purpose.DEPLOY_KEY: "Provisioning works all the same: this page then shows the key to add at the provider.",
    Purpose.COMMIT_STATUSES: "Pushes are mirrored all the same.",
}


@dataclass(frozen=True, slots=True)
class Warned:
    """An obstacle as people are told of it."""

    purpose: str
    title: str
    message: str
    remedy: str
    by_hand: str
    """What goes on, and how, if nothing is done about it."""
    page_url: str
    """The provider's page for doing it by hand; empty where there is none."""


def look(*, integration: Integration) -> None:
    """Ask the provider what stands in the way, for a few seconds at most, and store what it says.

    A provider that cannot be asked is noted as such; what it said before is then forgotten, as it may no longer hold.
    """
    repository = integration.repository
    found: list[Obstacle] = []
    problem = ""
    if pauses.paused(repository.provider):
        problem = f"{repository.provider} did not answer a moment ago, or asked for fewer calls."
    else:
        try:
            found = clients.client(repository.provider, patience=PATIENCE).obstacles(
                repository.full_name,
                deploy_key=integration.uses_ssh,
                commit_statuses=integration.commit_statuses,
            )
        except (ProviderError, InvalidValue) as error:
            problem = str(error)
            if isinstance(error, ProviderError):
                pauses.note(repository.provider, error)
    integration.obstacles = [asdict(each) for each in found]
    integration.obstacles_problem, integration.obstacles_checked_at = problem, timezone.now()
    integration.save(update_fields=["obstacles", "obstacles_problem", "obstacles_checked_at"])


def forget(*, provider: Provider) -> None:
    """What the provider said was about other credentials: it is asked anew when the clock comes by."""
    Integration.objects.filter(repository__provider=provider).update(
        obstacles=[], obstacles_problem="", obstacles_checked_at=None
    )


def look_due(*, seconds: float = 20.0) -> int:
    """Ask for the integrations without a webhook of which nothing is known, or that could not be asked for a while.

    Starts no further question after `seconds`; returns how many were asked.
    """
    stop_at, asked = time.monotonic() + seconds, 0
    unknown = Q(obstacles_checked_at=None)
    unknown |= ~Q(obstacles_problem="") & Q(obstacles_checked_at__lt=timezone.now() - EVERY)
    rows = Integration.objects.filter(unknown, webhook_state=WebhookState.ABSENT).select_related("repository__provider")
    for integration in rows.order_by(F("obstacles_checked_at").asc(nulls_first=True))[:50]:
        if time.monotonic() > stop_at:
            break
        if not pauses.paused(integration.repository.provider):
            asked += 1
            look(integration=integration)
    return asked


def look_again(*, integration: Integration, actor: User) -> None:
    """Ask now, as a person has changed something at the provider. Raises Forbidden."""
    policy.require(Act.EDIT_INTEGRATION, user=actor, team=integration.team, integration=integration.pk)
    look(integration=integration)


def standing(integration: Integration) -> list[Warned]:
    """What stands in the way, but for what was installed or tried meanwhile."""
    return [
        Warned(title=TITLES[purpose], by_hand=BY_HAND[purpose], **stored)
        for stored in integration.obstacles
        if _untried(integration, purpose := Purpose(stored["purpose"]))
    ]


def _untried(integration: Integration, purpose: Purpose) -> bool:
    match purpose:
        case Purpose.WEBHOOK:
            return integration.webhook_state == WebhookState.ABSENT
        case Purpose.DEPLOY_KEY:
            states = {key.remote_state for key in integration.ssh_keys.all() if key.state == SSHKeyState.CURRENT}
            return integration.uses_ssh and states <= {RemoteState.UNKNOWN}
        case Purpose.COMMIT_STATUSES:
            return integration.commit_statuses and not integration.commit_status_problem
