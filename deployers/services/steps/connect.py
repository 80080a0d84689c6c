"""After the stack is there: read its outputs, connect the provider to it, and see that its webhook arrives."""

from collections.abc import Callable
from datetime import timedelta

from deployers.errors import AwsError, StackBroken
from deployers.models import OperationKind, StackKind
from deployers.services import deliveries
from deployers.services.steps.work import Again, Done, Next, Outcome, Work, set_stack
from deployers.states import Step
from integrations.errors import ProviderError
from integrations.models import Integration, SSHKeyState, WebhookState
from integrations.services import ssh_keys, webhooks

# What the provider refuses for good, or after a few tries, is told on the page; the stack itself is fine.
PROVIDER_TRIES = 5
PING_BY_ITSELF = timedelta(seconds=4)
PING_DEADLINE = timedelta(seconds=45)


def outputs(work: Work) -> Outcome:
    """Read the stack's outputs and note the SSH key."""
    snapshot = work.look()
    if snapshot is None:
        raise StackBroken(
            f"The stack {work.stack.name} was deleted while it was worked on.",
            remedy="Press Retry to create it anew.",
            code="stack_gone",
        )
    if digest := work.options.get("digest"):
        set_stack(work.stack, parameters_digest=digest)
    if image := work.options.get("image"):
        set_stack(work.stack, **image)
    if "networks" in work.options:
        Integration.objects.filter(pk=work.integration.pk).update(
            applied_networks=work.options["networks"], credentials_applied_at=work.options.get("credentials_at")
        )
    public_key = snapshot.outputs.get("PublicSSHKey", "")
    if public_key:
        ssh_keys.record_current(
            integration=work.integration,
            public_key=public_key,
            fingerprint=snapshot.outputs.get("SSHKeyFingerprint", ""),
        )
    if work.stack.kind != StackKind.GIT:
        return Done()
    if work.operation.kind == OperationKind.ROTATE_SECRET:
        work.options["applied"] = True
        return Next(Step.SPREAD_SECRET) if work.part == 1 else Done()
    return Next(Step.WEBHOOK)


def webhook(work: Work) -> Outcome:
    """Install the webhook at the provider, or find that a person has to."""
    url = deliveries.webhook_urls(work.integration).get(work.integration.method, "")
    if not url:
        raise StackBroken(
            f"The stack {work.stack.name} has no webhook address among its outputs.",
            remedy="Press Retry; if it stays so, the stack was made from another template.",
            code="outputs_missing",
        )
    _try(work, lambda: webhooks.install(integration=work.integration, url=url))
    if work.operation.kind == OperationKind.ROTATE_SECRET:
        return Next(Step.PROVE_SECRET)
    return Next(Step.DEPLOY_KEY)


def deploy_key(work: Work) -> Outcome:
    """Give the provider the public key, where it is needed."""
    if work.integration.uses_ssh:
        key = work.integration.ssh_keys.filter(state=SSHKeyState.CURRENT).first()
        if key is not None:
            _try(work, lambda: ssh_keys.install(key=key))
    return Next(Step.VERIFY)


def _try(work: Work, call: Callable[[], object]) -> None:
    """Call the provider; note what it refuses for good. Raises ProviderError where another try may help."""
    try:
        call()
    except ProviderError as error:
        if error.retryable and work.operation.attempts < PROVIDER_TRIES:
            raise
        _tell(work, str(error))


def _tell(work: Work, problem: str) -> None:
    Integration.objects.filter(pk=work.integration.pk).update(webhook_problem=problem)


def verify(work: Work) -> Outcome:
    """See a ping of the provider arrive in the deliveries table; many send one by themselves, others when asked.

    A webhook that cannot be verified is told on the integration's page; the stack is fine all the same.
    """
    integration = work.integration
    if integration.webhook_state != WebhookState.INSTALLED:
        return Done()
    try:
        # A delivery with a good signature verifies the webhook.
        deliveries.sync(integration=integration, force=True)
    except AwsError as error:
        if error.retryable:
            raise
        _tell(work, f"The deliveries cannot be read. {error}")
        return Done()
    integration.refresh_from_db(fields=["webhook_state"])
    if integration.webhook_state == WebhookState.VERIFIED:
        return Done()
    if work.step_age > PING_DEADLINE:
        _tell(
            work,
            "The provider's ping has not arrived. Look at the webhook's deliveries at the provider: can it reach AWS?",
        )
        return Done()
    if work.step_age > PING_BY_ITSELF and not work.options.get("pinged"):
        work.options["pinged"] = True
        if not _ping(work):
            return Done()
    return Again(timedelta(seconds=1))


def _ping(work: Work) -> bool:
    try:
        return webhooks.ping(integration=work.integration)
    except ProviderError as error:
        if error.retryable and work.operation.attempts < PROVIDER_TRIES:
            raise
        _tell(work, str(error))
        return False
