"""The kinds of provider that Sluice can talk to. Forms offer what is registered here."""

from integrations.errors import InvalidValue
from integrations.providers.base import ProviderClient
from integrations.providers.bitbucket_cloud import BitbucketCloud
from integrations.providers.bitbucket_server import BitbucketServer
from integrations.providers.gitea import Gitea
from integrations.providers.github import GitHub, GitHubEnterprise
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


def client_class(kind: str) -> type[ProviderClient]:
    """The client of a kind. Raises InvalidValue for one that is not registered."""
    try:
        return PROVIDERS[kind]
    except KeyError:
        raise InvalidValue("Sluice does not know this kind of provider.", field="kind") from None
