"""Rotating the webhook secret: the stack takes both for as long as it is not proven that the provider has the new one.

A new secret is made; the stack is updated to take either; the provider gets the new one, or a person pastes it there; a
webhook that is signed with it proves that; the stack is updated once more, and takes the old one no more.
"""

from datetime import timedelta

from deployers.errors import KeyRotationFailed
from deployers.services import deliveries
from deployers.services.steps.connect import PROVIDER_TRIES
from deployers.services.steps.work import Again, Next, Outcome, Work
from deployers.states import Step
from integrations.errors import ProviderError
from integrations.models import DeliveryStatus
from integrations.services import webhooks
from lambdas.common.provider_secret import MIN_INTERVAL

DEADLINE = timedelta(days=7)
QUICK = timedelta(minutes=10)
SPREAD = timedelta(seconds=MIN_INTERVAL + 3)


def new_secret(work: Work) -> Outcome:
    """Make the new secret, beside the present one."""
    if webhooks.make_secret(integration=work.integration):
        work.options["made"] = True
    return Next(Step.PREPARE)


def spread_secret(work: Work) -> Outcome:
    """Wait until each function that is running would read the secret again before it rejects a webhook."""
    if work.step_age < SPREAD:
        return Again(SPREAD - work.step_age)
    return Next(Step.WEBHOOK)


def prove_secret(work: Work) -> Outcome:
    """Wait for a webhook that is signed with the new secret: a ping, where the provider sends one, or the next push."""
    integration = work.integration
    if not work.options.get("pinged"):
        _ping(work)
        work.options["pinged"] = True
    deliveries.sync(integration=integration, force=True)
    signed = integration.deliveries.filter(
        secret_id=webhooks.secret_id_of(integration), received_at__gte=work.operation.created_at
    )
    if signed.exclude(status=DeliveryStatus.REJECTED).exists():
        return Next(Step.DROP_SECRET)
    if work.step_age > DEADLINE:
        raise KeyRotationFailed(
            f"No webhook signed with the new secret came within {DEADLINE.days} days. Both are still taken.",
            remedy="Put the new secret into the webhook at the provider, then rotate again: it goes on with that one.",
            code="secret_not_proven",
        )
    return Again(timedelta(seconds=2) if work.step_age < QUICK else timedelta(minutes=1))


def _ping(work: Work) -> None:
    try:
        webhooks.ping(integration=work.integration)
    except ProviderError as error:
        if error.retryable and work.operation.attempts < PROVIDER_TRIES:
            raise


def drop_secret(work: Work) -> Outcome:
    """Have the stack take the new secret only, by another update."""
    webhooks.drop_secret(integration=work.integration)
    for name in ("published", "digest", "after_event", "turns", "networks"):
        work.options.pop(name, None)
    work.options["part"] = 2
    work.operation.change_set_id = ""
    return Next(Step.PREPARE)


def take_back(work: Work) -> None:
    """Forget a new secret that the stack was never told of, as the operation ends before that."""
    # An operation that was interrupted right after it made one does not know: then both stay, which does no harm.
    if work.options.get("made") and not work.options.get("applied"):
        webhooks.drop_secret(integration=work.integration, keep="previous")
