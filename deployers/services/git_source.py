"""What a git stack has to know of an integration, and whether its functions have room for that."""

from collections.abc import Mapping

from deployers import catalog, environments, requests
from integrations.models import Integration
from integrations.providers.ssh_address import SshAddress
from integrations.services import clients

_WITHOUT = {"git_token": "", "oauth_key": "", "oauth_secret": ""}
_PACKAGES = catalog.Packages(bucket="x", prefix="x", runtime="python3.13", architecture="arm64")
"""No function's environment names its package."""


def of(
    integration: Integration,
    *,
    api_url: str,
    git_url: str,
    address: SshAddress,
    credentials: Mapping[str, str],
    rotation: str,
) -> catalog.GitSource:
    """The source of the stack's parameters.

    Args:
        integration: a row, saved or not.
        api_url: the provider's.
        git_url: below which the provider's repositories are fetched over HTTPS.
        address: where git connects to.
        credentials: those of the provider's client, by their names.
        rotation: which rotation the present SSH key is from.
    """
    provider = integration.repository.provider
    return catalog.GitSource(
        provider_kind=provider.kind,
        api_url=api_url,
        ca_bundle=provider.ca_bundle,
        repository=integration.repository.full_name,
        refs=tuple(integration.refs),
        ssh_host=address.host,
        ssh_port=address.port,
        ssh_user=address.user,
        ssh_known_hosts=provider.ssh_known_hosts,
        webhook_secret=integration.webhook_secret,
        webhook_secret_previous=integration.webhook_secret_previous,
        git_token=credentials["git_token"],
        oauth_key=credentials["oauth_key"],
        oauth_secret=credentials["oauth_secret"],
        app_id=credentials.get("app_id", ""),
        app_installation_id=credentials.get("installation_id", ""),
        app_private_key=credentials.get("private_key", ""),
        paths=tuple(integration.paths),
        ignored_paths=tuple(integration.ignored_paths),
        skip_ci=integration.skip_ci,
        submodules=integration.submodules,
        lfs=integration.lfs,
        transport=integration.transport,
        git_url=git_url,
        networks=tuple(provider.webhook_networks if integration.restrict_source_ips else ()),
        ssh_key_rotation=rotation,
    )


def require_room(integration: Integration) -> None:
    """Raises ParameterRefused, at the field to shorten, for what a function's environment does not hold.

    Nobody is asked: credentials lie in a secret and not in an environment, and the usual SSH address counts.
    """
    client = clients.client(integration.repository.provider)
    source = of(
        integration,
        api_url=client.api_url,
        git_url=client.git_url,
        address=client.usual_ssh_address,
        credentials=_WITHOUT,
        rotation="",
    )
    chosen = integration.parameters.get(catalog.GIT.kind, {})
    parameters = catalog.git_parameters(source=source, packages=_PACKAGES, chosen=chosen)
    name = requests.stack_name(integration.name, catalog.GIT.suffix)
    environments.require_room(catalog.GIT.template, parameters, stack_name=name)
