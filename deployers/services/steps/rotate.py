"""Rotating the SSH key: a new one is made, added at the provider, tried, and only then takes the old one's place.

At every moment the key that the stack fetches with opens the repository: the old one until the new one was tried, and
the new one from then on; the old one is removed once no fetch can be using it any more. Every step may run twice.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps

from django.conf import settings

from deployers.errors import KeyRotationFailed
from deployers.services import deliveries, stack_keys
from deployers.services.operations import MAX_ATTEMPTS
from deployers.services.stack_keys import Probe
from deployers.services.steps.connect import PROVIDER_TRIES
from deployers.services.steps.work import Again, Done, Next, Outcome, Work
from deployers.states import OperationStatus, Step
from integrations.errors import ProviderError, ProviderUnreachable
from integrations.models import DeliveryStatus, RemoteState, SSHKey, SSHKeyState
from integrations.services import ssh_keys
from teams.errors import SluiceError

# Providers need a moment until their git hosts know of a new key.
PROBE_DEADLINE = timedelta(minutes=3)
PASTE_DEADLINE = timedelta(days=7)
FIRST_INSTALL, INSTALL_EVERY = timedelta(seconds=10), timedelta(minutes=5)
"""When it is tried anew whether the provider lets us add the key by now."""
# The shortest time in which a fetch that read the old key has told that it began.
SHORTEST_GRACE = timedelta(seconds=3)

_Step = Callable[[Work], Outcome]


def _or_undo(step: _Step) -> _Step:
    """Go back, with the reason, where trying again would not help any more."""

    @wraps(step)
    def taken(work: Work) -> Outcome:
        try:
            return step(work)
        except SluiceError as error:
            if error.retryable and work.operation.attempts + 1 < MAX_ATTEMPTS:
                raise
            work.options["why"] = {"code": error.code, "problem": error.message, "remedy": error.remedy}
            return Next(Step.UNDO_KEY)

    return taken


@_or_undo
def new_key(work: Work) -> Outcome:
    """Have the stack make a key, after what an earlier rotation left was cleared away."""
    held = stack_keys.describe(work.integration)
    for left in work.integration.ssh_keys.filter(state=SSHKeyState.PENDING).exclude(rotation=work.operation.pk):
        if held.current and held.current.fingerprint == left.fingerprint:
            ssh_keys.promote(key=left)  # that rotation ended right after it
        else:
            _take_back(work, left)
    held = stack_keys.make_pending(work.integration, rotation=work.operation.pk)
    if held.pending is None:
        raise KeyRotationFailed("The stack made no new SSH key.", remedy="Press Retry.", code="no_such_key")
    ssh_keys.record_pending(
        integration=work.integration,
        public_key=held.pending.public_key,
        fingerprint=held.pending.fingerprint,
        rotation=work.operation.pk,
    )
    # Where code comes over HTTPS, the key is at no provider: nothing is to be added, and nothing to be tried.
    return Next(Step.INSTALL_KEY if work.integration.uses_ssh else Step.PROMOTE_KEY)


@_or_undo
def install_key(work: Work) -> Outcome:
    """Add the new key at the provider, or find that a person has to."""
    state = ssh_keys.install(key=_mine(work))
    return Next(Step.PASTE_KEY if state == RemoteState.MANUAL else Step.PROBE_KEY)


@_or_undo
def probe_key(work: Work) -> Outcome:
    """Have the stack open the repository with the new key."""
    found = _probe(work)
    if found.ok:
        return Next(Step.PROMOTE_KEY)
    if work.step_age < PROBE_DEADLINE:
        return Again()
    raise KeyRotationFailed(
        f"The provider has the new key, but it does not open the repository. {found.message}",
        remedy="Look at the repository's deploy keys at the provider, then rotate again. The old key still works.",
        code=found.error,
    )


@_or_undo
def paste_key(work: Work) -> Outcome:
    """Wait until a person has added the new key, which shows when it opens the repository; or the provider lets us."""
    key = _mine(work)
    if _probe(work).ok:
        ssh_keys.note_added(key=key)
        return Next(Step.PROMOTE_KEY)
    age = work.step_age
    if age > PASTE_DEADLINE:
        raise KeyRotationFailed(
            f"Nobody added the new key at the provider within {PASTE_DEADLINE.days} days.",
            remedy="Rotate again when somebody can. The old key still works.",
            code="not_pasted",
        )
    if age.total_seconds() > work.options.get("install_at", FIRST_INSTALL.total_seconds()):
        work.options["install_at"] = (age + INSTALL_EVERY).total_seconds()
        if ssh_keys.install(key=key) != RemoteState.MANUAL:
            return Next(Step.PROBE_KEY)
    quick = age < timedelta(minutes=10)
    return Again(timedelta(seconds=5) if quick else timedelta(minutes=1))


def promote_key(work: Work) -> Outcome:
    """Have the stack fetch with the new key from now on."""
    key = _mine(work)
    stack_keys.promote(work.integration, fingerprint=key.fingerprint)
    ssh_keys.promote(key=key)
    return Next(Step.LET_FINISH if work.integration.uses_ssh else Step.RETIRE_KEY)


def let_finish(work: Work) -> Outcome:
    """Wait for the fetches that began with the old key: a function reads the key once, when it begins.

    They have told the deliveries table that they began. One that tells nothing more was ended by Lambda's own time
    limit, which is shorter than the longest wait.
    """
    if work.step_age < SHORTEST_GRACE:
        return Again(SHORTEST_GRACE - work.step_age)
    if work.step_age < timedelta(seconds=settings.SSH_KEY_GRACE):
        deliveries.sync(integration=work.integration, force=True)
        if work.integration.deliveries.filter(
            status=DeliveryStatus.FETCHING, updated_at__lt=work.operation.step_started_at
        ).exists():
            return Again()
    return Next(Step.RETIRE_KEY)


def retire_key(work: Work) -> Outcome:
    """Remove the old key, and older ones that are left, at the provider."""
    key = _mine(work)
    held = stack_keys.describe(work.integration)
    if held.pending and held.pending.fingerprint == key.fingerprint:
        return Next(Step.PROMOTE_KEY)  # a revocation wrote at the same moment, and ours was lost
    left = [
        f"The old key {old.fingerprint} may still be at the provider; remove it there. {problem}".strip()
        for old in work.integration.ssh_keys.filter(state=SSHKeyState.RETIRED).exclude(remote_state=RemoteState.MISSING)
        if (problem := _let_go(work, old)) is not None
    ]
    return Done(problem=" ".join(left), code="old_key_left" if left else "")


def undo_key(work: Work) -> Outcome:
    """Take the new key back, at the provider and in the stack; the one from before was in use all the time."""
    why = work.options.get("why", {})
    key = SSHKey.objects.filter(integration=work.integration, rotation=work.operation.pk).first()
    if key is not None and key.state == SSHKeyState.PENDING:
        _take_back(work, key)
    if not why:
        return Done(OperationStatus.CANCELLED, problem="Cancelled; the SSH key from before is still in use.")
    return Done(OperationStatus.FAILED, **why)


def _take_back(work: Work, key: SSHKey) -> None:
    _let_go(work, key)
    stack_keys.forget(work.integration, fingerprint=key.fingerprint)
    ssh_keys.discard(key=key)


def _let_go(work: Work, key: SSHKey) -> str | None:
    """Remove a key at the provider; why that could not be done, or None. Raises ProviderError to be called again."""
    if key.remote_state == RemoteState.MANUAL and key.state == SSHKeyState.PENDING:
        return None  # never added
    try:
        ssh_keys.remove(key=key)
    except ProviderError as error:
        if error.retryable and work.operation.attempts < PROVIDER_TRIES:
            raise
        return str(error)
    return None


def _mine(work: Work) -> SSHKey:
    """The key of this rotation. Raises KeyRotationFailed when somebody revoked it meanwhile."""
    key = work.integration.ssh_keys.filter(rotation=work.operation.pk).first()
    if key is None or key.state not in {SSHKeyState.PENDING, SSHKeyState.CURRENT}:
        raise KeyRotationFailed(
            "The new key was revoked while it was rotated.", remedy="Rotate the SSH key again.", code="key_revoked"
        )
    key.integration = work.integration
    return key


def _probe(work: Work) -> Probe:
    """Try the new key. Raises what no waiting helps against, and ProviderUnreachable for what passes by itself."""
    found = stack_keys.probe(work.integration, fingerprint=_mine(work).fingerprint)
    if found.error == "unreachable":
        raise ProviderUnreachable(found.message)
    if found.ok or found.error == "key_refused":
        return found
    raise KeyRotationFailed(
        f"The new key could not be tried. {found.message}",
        remedy="Confirm the host keys on the provider's page and update the stack, then rotate again."
        if found.error == "wrong_host_key"
        else "Do what the message says, then rotate again."
        if found.error == "refused"
        else "Rotate again.",
        code=found.error or "probe_failed",
    )
