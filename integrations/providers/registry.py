"""The kinds of provider that Sluice can talk to. Forms, pages and the API offer what is registered here.

What a stack's functions know of the same kinds is registered in `lambdas.common.providers`.
"""

from integrations.errors import InvalidValue
from integrations.providers.base import ProviderClient
from integrations.providers.bitbucket_cloud import BitbucketCloud
from integrations.providers.bitbucket_server import BitbucketServer
from integrations.providers.gitea import Gitea
from integrations.providers.github import GitHub
from integrations.providers.github_enterprise import GitHubEnterprise
from integrations.providers.gitlab import GitLab

PROVIDERS: dict[str, type[ProviderClient]] = {
    client.kind: client
    for client in (
        GitHub,
        GitHubEnterprise,
        GitLab,
        BitbucketCloud,
        BitbucketServer,
        Gitea,
    )
}


KINDS = [(kind, client.label) for kind, client in PROVIDERS.items()]
"""What people choose from: (kind, label)."""


def kinds() -> list[tuple[str, str]]:
    """KINDS, for the field of the model: as a function, so that a new kind changes no column and needs no migration."""
    return KINDS


def client_class(kind: str) -> type[ProviderClient]:
    """The client of a kind. Raises InvalidValue for one that is not registered."""
    try:
        return PROVIDERS[kind]
    except KeyError:
        raise InvalidValue("Sluice does not know this kind of provider.", field="kind") from None
