"""Deploy keys: the public halves of the keys that stacks make, and where they stand at the provider."""

from django.db import transaction

from integrations.errors import InvalidValue, ProviderError
from integrations.models import Integration, RemoteState, SSHKey, SSHKeyState
from integrations.providers.base import fingerprint as fingerprint_of
from integrations.services import clients
from integrations.services.webhooks import ManualSteps


def record_current(*, integration: Integration, public_key: str, fingerprint: str) -> SSHKey:
    """Note the key that the stack uses now; a different one before it becomes retired.

    Raises InvalidValue if the fingerprint is not the key's.
    """
    public_key = public_key.strip()
    try:
        right = fingerprint_of(public_key)
    except ValueError as error:
        raise InvalidValue(str(error), field="public_key") from None
    if fingerprint != right:
        raise InvalidValue(f"The key's fingerprint is {right}, not {fingerprint}.", field="fingerprint")
    with transaction.atomic():
        # The integration's row is the lock: two workers may read the same outputs.
        Integration.objects.select_for_update().get(pk=integration.pk)
        current = integration.ssh_keys.filter(state=SSHKeyState.CURRENT).first()
        if current is not None and current.fingerprint == fingerprint:
            return current
        if current is not None:
            current.state = SSHKeyState.RETIRED
            current.save(update_fields=["state"])
        return SSHKey.objects.create(integration=integration, public_key=public_key, fingerprint=fingerprint)


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


def instructions(*, key: SSHKey) -> ManualSteps:
    """How to add the key by hand."""
    repository = key.integration.repository
    remote = clients.client(repository.provider)
    fields = remote.deploy_key_fields(title=_title(key), public_key=key.public_key)
    return ManualSteps(remote.deploy_key_page(repository.full_name), fields)


def _title(key: SSHKey) -> str:
    return f"Sluice: {key.integration.name}"


def _store(key: SSHKey, state: RemoteState, *, remote_id: str = "", problem: str = "") -> RemoteState:
    key.remote_state, key.remote_id, key.problem = state, remote_id, problem
    key.save(update_fields=["remote_state", "remote_id", "problem"])
    return state
