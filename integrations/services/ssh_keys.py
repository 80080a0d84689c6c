"""Deploy keys: the public halves of the keys that stacks make, and where they stand at the provider."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from integrations.errors import InvalidValue, ProviderError
from integrations.models import Integration, Method, RemoteState, SSHKey, SSHKeyState, Transport
from integrations.providers.public_keys import fingerprint as fingerprint_of
from integrations.services import clients
from integrations.services.webhooks import ManualSteps

CHECK_EVERY = timedelta(days=1)
MOST_CHECKS = 20
SETTLED = timedelta(hours=1)


def record_current(*, integration: Integration, public_key: str, fingerprint: str) -> SSHKey:
    """Note the key that the stack's outputs tell of; a different one before it becomes retired.

    Outputs may be older than the last rotation: a key that is known already stays what it is. Raises InvalidValue if
    the fingerprint is not the key's.
    """
    public_key = _checked(public_key, fingerprint)
    with transaction.atomic():
        _lock(integration)
        known = integration.ssh_keys.filter(fingerprint=fingerprint).first()
        if known is not None:
            return known
        return _make_current(SSHKey(integration=integration, public_key=public_key, fingerprint=fingerprint))


def record_pending(*, integration: Integration, public_key: str, fingerprint: str, rotation: UUID) -> SSHKey:
    """Note the key that a rotation made. Raises InvalidValue if the fingerprint is not the key's."""
    public_key = _checked(public_key, fingerprint)
    with transaction.atomic():
        _lock(integration)
        key, _ = SSHKey.objects.get_or_create(
            integration=integration,
            fingerprint=fingerprint,
            defaults={"public_key": public_key, "state": SSHKeyState.PENDING, "rotation": rotation},
        )
    return key


def promote(*, key: SSHKey) -> None:
    """Note that the stack fetches with this key from now on; the one before it is retired. May run twice."""
    with transaction.atomic():
        _lock(key.integration)
        key.refresh_from_db()
        if key.state == SSHKeyState.PENDING:
            _make_current(key)


def discard(*, key: SSHKey) -> None:
    """Note that a pending key will not be used; one that may still be at the provider stays on the list, retired."""
    if key.remote_state in {RemoteState.MISSING, RemoteState.MANUAL}:
        key.delete()
        return
    key.state, key.in_stack, key.retired_at = SSHKeyState.RETIRED, False, timezone.now()
    key.save(update_fields=["state", "in_stack", "retired_at"])


def rotation_of(*, integration: Integration) -> str:
    """The rotation that the current key is from, as the template's parameter has it; empty before the first."""
    rotation = integration.ssh_keys.filter(state=SSHKeyState.CURRENT).values_list("rotation", flat=True).first()
    return str(rotation) if rotation else ""


def install(*, key: SSHKey) -> RemoteState:
    """Let the key read the repository. Where the provider does not let us, MANUAL, and `problem` says why.

    Raises ProviderError only for what may pass by itself (`retryable`).
    """
    repository = key.integration.repository
    remote = clients.client(repository.provider)
    try:
        added = remote.add_deploy_key(repository.full_name, title=_title(key), public_key=key.public_key)
    except ProviderError as error:
        if error.retryable:
            raise
        return _store(key, RemoteState.MANUAL, problem=str(error))
    return _store(key, RemoteState.PRESENT, remote_id=added.id)


def remove(*, key: SSHKey) -> None:
    """Remove the key from the provider, also one that a person added; gone already is fine. Raises ProviderError."""
    repository = key.integration.repository
    remote = clients.client(repository.provider)
    remote_id = key.remote_id
    if not remote_id and key.remote_state != RemoteState.MISSING:
        same = (each.id for each in remote.deploy_keys(repository.full_name) if each.fingerprint == key.fingerprint)
        remote_id = next(same, "")
    if remote_id:
        remote.remove_deploy_key(repository.full_name, remote_id)
    _store(key, RemoteState.MISSING)


def check(*, key: SSHKey) -> RemoteState:
    """Ask the provider whether it has the key. One that it lost is told as a problem, to be repaired.

    What the provider does not tell leaves the state UNKNOWN. Raises ProviderError only for what may pass by itself.
    """
    repository = key.integration.repository
    try:
        found = clients.client(repository.provider).deploy_keys(repository.full_name)
    except ProviderError as error:
        if error.retryable:
            raise
        state = RemoteState.MANUAL if key.remote_state == RemoteState.MANUAL else RemoteState.UNKNOWN
        return _store(key, state, remote_id=key.remote_id, problem=f"The provider does not tell. {error}")
    same = next((each for each in found if each.fingerprint == key.fingerprint), None)
    if same is not None:
        return _store(key, RemoteState.PRESENT, remote_id=same.id)
    if key.state not in {SSHKeyState.CURRENT, SSHKeyState.PENDING}:
        return _store(key, RemoteState.MISSING)
    if key.remote_state == RemoteState.MANUAL:
        return _store(key, RemoteState.MANUAL, problem=key.problem)
    return _store(key, RemoteState.MISSING, problem="The provider does not have this key: fetches fail.")


def note_added(*, key: SSHKey) -> None:
    """Note that a person added the key, as it opens the repository, whether the provider tells of it or not."""
    try:
        found = check(key=key)
    except ProviderError:
        found = RemoteState.UNKNOWN
    if found != RemoteState.PRESENT:
        _store(key, RemoteState.PRESENT)


def check_due() -> int:
    """Check the keys that should be at a provider and that nobody asked about for a day. Returns how many.

    A retired key that is still there, as it could not be removed before, is removed now.
    """
    now = timezone.now()
    # What happened just now is still under way.
    wanted = Q(
        state=SSHKeyState.CURRENT,
        integration__method=Method.GIT_PULL,
        integration__transport=Transport.SSH,
        created_at__lt=now - SETTLED,
    ) | Q(state=SSHKeyState.RETIRED, retired_at__lt=now - SETTLED) & ~Q(remote_state=RemoteState.MISSING)
    due = SSHKey.objects.filter(wanted, Q(checked_at=None) | Q(checked_at__lt=now - CHECK_EVERY)).select_related(
        "integration__repository__provider"
    )
    checked = 0
    for key in due.order_by("checked_at", "created_at")[:MOST_CHECKS]:
        try:
            if check(key=key) == RemoteState.PRESENT and key.state == SSHKeyState.RETIRED:
                remove(key=key)
        except (ProviderError, InvalidValue) as error:
            # It says nothing of the key; the next turn asks again.
            later = timezone.now() - CHECK_EVERY + timedelta(hours=1)
            SSHKey.objects.filter(pk=key.pk).update(checked_at=later, problem="" if error.retryable else str(error))
        checked += 1
    return checked


def used(*, integration: Integration, at: datetime) -> None:
    """Note that a push was fetched with the key that was the current one then."""
    integration.ssh_keys.filter(
        Q(last_used_at=None) | Q(last_used_at__lt=at),
        Q(current_since=None) | Q(current_since__lte=at),
        state=SSHKeyState.CURRENT,
    ).update(last_used_at=at)


def instructions(*, key: SSHKey) -> ManualSteps:
    """How to add the key by hand."""
    repository = key.integration.repository
    remote = clients.client(repository.provider)
    fields = remote.deploy_key_fields(title=_title(key), public_key=key.public_key)
    return ManualSteps(remote.deploy_key_page(repository.full_name), fields)


def _checked(public_key: str, fingerprint: str) -> str:
    public_key = public_key.strip()
    try:
        right = fingerprint_of(public_key)
    except ValueError as error:
        raise InvalidValue(str(error), field="public_key") from None
    if fingerprint != right:
        raise InvalidValue(f"The key's fingerprint is {right}, not {fingerprint}.", field="fingerprint")
    return public_key


def _lock(integration: Integration) -> None:
    """The integration's row is the lock: two workers may read the same outputs."""
    Integration.objects.select_for_update().get(pk=integration.pk)


def _make_current(key: SSHKey) -> SSHKey:
    now = timezone.now()
    current = key.integration.ssh_keys.filter(state=SSHKeyState.CURRENT)
    # One that was never added anywhere, as zip download needs none, is not to be looked for.
    current.filter(remote_state=RemoteState.UNKNOWN, remote_id="", checked_at=None).update(
        remote_state=RemoteState.MISSING
    )
    current.update(state=SSHKeyState.RETIRED, in_stack=False, retired_at=now)
    key.state, key.current_since = SSHKeyState.CURRENT, now
    key.save()
    return key


def _title(key: SSHKey) -> str:
    # Two keys of one integration are at the provider while they are rotated: people should be able to tell them apart.
    which = f" ({key.fingerprint.removeprefix('SHA256:')[:8]})" if key.rotation else ""
    return f"Sluice: {key.integration.name}{which}"


def _store(key: SSHKey, state: RemoteState, *, remote_id: str = "", problem: str = "") -> RemoteState:
    key.remote_state, key.remote_id, key.problem = state, remote_id, problem
    key.checked_at = timezone.now()
    key.save(update_fields=["remote_state", "remote_id", "problem", "checked_at"])
    return state
