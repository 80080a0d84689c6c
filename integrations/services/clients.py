"""From a provider's row to the client that talks to it."""

from django.conf import settings

from integrations.errors import CredentialsUnreadable
from integrations.models import Provider
from integrations.providers.base import ProviderClient, ProviderConfig
from integrations.providers.registry import client_class
from teams.encryption import DecryptionFailed


def client(provider: Provider, *, patience: float | None = None) -> ProviderClient:
    """The client that talks to this provider with its credentials; the provider may be unsaved.

    `patience` is how many seconds all its calls may take together, for when a person waits for them. Raises
    CredentialsUnreadable, and InvalidValue for what cannot be right.
    """
    try:
        credentials = provider.credentials
    except DecryptionFailed as error:
        raise CredentialsUnreadable(
            f"The credentials of {provider} cannot be read: {error.message}",
            remedy="Enter them again, or bring the key back into SLUICE_ENCRYPTION_KEYS.",
        ) from error
    return client_class(provider.kind)(
        ProviderConfig(
            base_url=provider.base_url,
            credentials=credentials,
            ca_bundle=provider.ca_bundle,
            ssh_host=provider.ssh_host,
            ssh_user=provider.ssh_user,
            ssh_port=provider.ssh_port,
            allowed_networks=settings.PRIVATE_NETWORKS,
            patience=patience,
        )
    )
