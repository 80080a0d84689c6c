"""The webhook of an integration at its provider: installed, tried and removed by us, or by hand with our words."""

from dataclasses import dataclass
from typing import Literal

from django.db import transaction
from django.utils import timezone

from integrations.errors import ProviderError
from integrations.models import Integration, WebhookState
from integrations.services import clients
from lambdas.common.signatures import secret_id
from teams import policy
from teams.encryption import readable
from teams.models import User
from teams.policy import Act
from teams.services import audit


@dataclass(frozen=True, slots=True)
class ManualSteps:
    """What a person does at the provider: open `page_url`, fill in `fields` (label on that page, value), save.

    The values of `concealed` labels are secrets: show them only when asked, and only to who may install a webhook.
    """

    page_url: str
    fields: list[tuple[str, str]]
    concealed: frozenset[str] = frozenset()


def install(*, integration: Integration, url: str, actor: User | None = None) -> WebhookState:
    """Have the provider send pushes to `url`; a webhook of ours at another URL is removed afterwards.

    Where the provider does not let us, the state becomes MANUAL and `webhook_problem` says why. `actor` None is an
    operation. Raises Forbidden, and ProviderError only for what may pass by itself (`retryable`).
    """
    _require(integration, actor)
    repository, previous = integration.repository, integration.webhook_remote_id
    remote = clients.client(repository.provider)
    try:
        webhook = remote.install_webhook(repository.full_name, url=url, secret=integration.webhook_secret)
    except ProviderError as error:
        if error.retryable:
            raise
        return _store(integration, WebhookState.MANUAL, remote_id=previous, problem=str(error))
    problem = ""
    if previous and previous != webhook.id:
        try:
            remote.remove_webhook(repository.full_name, previous)
        except ProviderError as error:
            if error.retryable:
                raise
            problem = f"The webhook at the former address may still be there. {error}"
    known = integration.webhook_state == WebhookState.VERIFIED and previous == webhook.id
    state = WebhookState.VERIFIED if known else WebhookState.INSTALLED
    return _store(integration, state, remote_id=webhook.id, problem=problem)


def ping(*, integration: Integration, actor: User | None = None) -> bool:
    """Ask for a test delivery; False if there is no webhook of ours, or the provider has no such thing.

    `actor` None is an operation. Raises Forbidden and ProviderError.
    """
    _require(integration, actor)
    if not integration.webhook_remote_id:
        return False
    repository = integration.repository
    sent = clients.client(repository.provider).ping_webhook(repository.full_name, integration.webhook_remote_id)
    if sent:
        integration.webhook_pinged_at = timezone.now()
        integration.save(update_fields=["webhook_pinged_at", "updated_at"])
    return sent


def remove(*, integration: Integration) -> None:
    """Remove our webhook; one that is gone already is fine. One added by hand stays. Raises ProviderError."""
    if integration.webhook_remote_id:
        repository = integration.repository
        clients.client(repository.provider).remove_webhook(repository.full_name, integration.webhook_remote_id)
    _store(integration, WebhookState.ABSENT)


def make_secret(*, integration: Integration) -> bool:
    """Give the integration a new webhook secret; the one before stays valid beside it. May run twice.

    False if there are two already: an earlier rotation goes on, as its new secret may be in use. Raises ProviderError
    where the provider must be asked of what form it is. A secret that cannot be decrypted any more is replaced at once.
    """
    made = clients.client(integration.repository.provider).new_webhook_secret()
    with transaction.atomic():
        row = Integration.objects.select_for_update().get(pk=integration.pk)
        new = not readable(row, "webhook_secret_previous")
        if new:
            row.webhook_secret, row.webhook_secret_previous = made, readable(row, "webhook_secret")
            row.save(update_fields=["webhook_secret", "webhook_secret_previous", "updated_at"])
    integration.refresh_from_db(fields=["webhook_secret", "webhook_secret_previous"])
    return new


def drop_secret(*, integration: Integration, keep: Literal["new", "previous"] = "new") -> None:
    """End the time of two secrets. May run twice."""
    with transaction.atomic():
        row = Integration.objects.select_for_update().get(pk=integration.pk)
        if row.webhook_secret_previous:
            row.webhook_secret = row.webhook_secret if keep == "new" else row.webhook_secret_previous
            row.webhook_secret_previous = ""
            row.save(update_fields=["webhook_secret", "webhook_secret_previous", "updated_at"])
    integration.refresh_from_db(fields=["webhook_secret", "webhook_secret_previous"])


def secret_id_of(integration: Integration) -> str:
    """How deliveries that are signed with the present secret name it."""
    return secret_id(integration.webhook_secret)


def mark_verified(*, integration: Integration) -> None:
    """A delivery with a good signature came: the webhook works, whoever installed it.

    A webhook that was just removed stays absent: what it sent before may still be on its way.
    """
    # Only the state is touched, as whoever reads deliveries may hold an old copy of the row.
    waiting = Integration.objects.filter(
        pk=integration.pk, webhook_state__in=[WebhookState.INSTALLED, WebhookState.MANUAL]
    )
    if waiting.update(webhook_state=WebhookState.VERIFIED, webhook_problem="", updated_at=timezone.now()):
        integration.webhook_state, integration.webhook_problem = WebhookState.VERIFIED, ""


def instructions(*, integration: Integration, url: str, actor: User) -> ManualSteps:
    """How to install the webhook by hand. The fields hold the webhook's secret, so the audit log says who saw it.

    Raises Forbidden.
    """
    policy.require(Act.SHOW_SECRET, user=actor, team=integration.team, integration=integration.pk)
    audit.record(actor=actor, team=integration.team, action="webhook_secret.show", target=integration)
    repository = integration.repository
    remote = clients.client(repository.provider)
    fields = remote.webhook_fields(url=url, secret=integration.webhook_secret)
    concealed = frozenset(label for label, value in fields if value == integration.webhook_secret)
    return ManualSteps(remote.webhook_page(repository.full_name), fields, concealed)


def _require(integration: Integration, actor: User | None) -> None:
    if actor is not None:
        policy.require(Act.INSTALL_WEBHOOK, user=actor, team=integration.team, integration=integration.pk)


def _store(integration: Integration, state: WebhookState, *, remote_id: str = "", problem: str = "") -> WebhookState:
    integration.webhook_state, integration.webhook_problem = state, problem
    integration.webhook_remote_id = remote_id
    integration.save(update_fields=["webhook_state", "webhook_problem", "webhook_remote_id", "updated_at"])
    return state
