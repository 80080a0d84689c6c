"""Stacks that take webhooks only from their provider's networks follow when the provider publishes others.

A narrowing beside the signature, never in its place: `AllowedIps` of the git stack, changed by an ordinary update.
"""

import logging
import time
from datetime import timedelta

from django.db.models import F, Q
from django.utils import timezone

from deployers.models import Stack, StackKind
from deployers.services import following
from integrations.errors import InvalidValue, ProviderError
from integrations.models import Provider
from integrations.services import pauses, providers

logger = logging.getLogger(__name__)

EVERY = timedelta(hours=1)
REASON = "The provider publishes other networks for its webhooks."


def refresh_due(*, seconds: float = 45.0) -> int:
    """Read the networks of providers that nobody read for an hour, and update the stacks that hold others.

    Returns how many updates were started. A provider that cannot be read leaves its stacks as they are.
    """
    stop_at = time.monotonic() + seconds
    due = Provider.objects.filter(repositories__integrations__restrict_source_ips=True).filter(
        Q(webhook_networks_at=None) | Q(webhook_networks_at__lt=timezone.now() - EVERY)
    )
    for provider in due.distinct().order_by(F("webhook_networks_at").asc(nulls_first=True)):
        if time.monotonic() > stop_at:
            break
        if not pauses.paused(provider):
            _read(provider)
    return sum(following.update(stack, reason=REASON) for stack in _outdated())


def _read(provider: Provider) -> None:
    try:
        if not providers.refresh_networks(provider=provider):
            logger.warning("provider %s publishes no networks any more; the known ones stay", provider.pk)
    except (ProviderError, InvalidValue) as error:
        logger.warning("provider %s: its networks cannot be read: %s", provider.pk, error)
        if isinstance(error, ProviderError):
            pauses.note(provider, error)


def _outdated() -> list[Stack]:
    """Stacks that are at rest and hold other networks than their provider publishes."""
    found = (
        Stack.objects.filter(kind=StackKind.GIT, integration__restrict_source_ips=True)
        .exclude(integration__applied_networks=F("integration__repository__provider__webhook_networks"))
        .select_related("integration__team")
    )
    return [stack for stack in found if following.may_update(stack)]
