"""Where each kind of provider serves a commit as a zip, and how one shows who asks."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode, urlsplit

from lambdas.common.provider_secret import ProviderSecret


@dataclass(frozen=True, slots=True)
class Consumer:
    """An OAuth consumer, which gets an access token for its key and secret (RFC 6749, section 4.4)."""

    token_url: str
    key: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ArchiveRequest:
    """What to ask for. `credentials` are headers for this URL's host alone; a `consumer` has yet to get them."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)
    credentials: dict[str, str] = field(default_factory=dict, repr=False)
    consumer: Consumer | None = None


Source = Callable[[str, str, str, ProviderSecret], ArchiveRequest]
"""(API root, full name, commit, secrets) -> what to ask for. The archive's entries lie in one folder."""


def github(api_url: str, repository: str, commit: str, secret: ProviderSecret) -> ArchiveRequest:
    """https://docs.github.com/en/rest/repos/contents#download-a-repository-archive-zip"""
    return ArchiveRequest(
        url=f"{api_url}/repos/{quote(repository)}/zipball/{quote(commit, safe='')}",
        headers={"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"},
        credentials=_bearer(secret.git_token),
    )


def gitlab(api_url: str, repository: str, commit: str, secret: ProviderSecret) -> ArchiveRequest:
    """https://docs.gitlab.com/api/repositories/#get-file-archive

    Personal, project and group access tokens: https://docs.gitlab.com/api/rest/authentication
    """
    return ArchiveRequest(
        url=f"{api_url}/projects/{quote(repository, safe='')}/repository/archive.zip?{urlencode({'sha': commit})}",
        credentials={"PRIVATE-TOKEN": secret.git_token} if secret.git_token else {},
    )


def bitbucket_cloud(api_url: str, repository: str, commit: str, secret: ProviderSecret) -> ArchiveRequest:
    """Archives and tokens are had of bitbucket.org itself, not of api.bitbucket.org.

    https://support.atlassian.com/bitbucket-cloud/kb/how-to-download-repositories-using-the-api
    https://developer.atlassian.com/cloud/bitbucket/oauth-2
    """
    parts = urlsplit(api_url)
    site = f"{parts.scheme}://{parts.netloc.removeprefix('api.')}"
    consumer = None
    if not secret.git_token and secret.oauth_key and secret.oauth_secret:
        consumer = Consumer(f"{site}/site/oauth2/access_token", secret.oauth_key, secret.oauth_secret)
    return ArchiveRequest(
        url=f"{site}/{quote(repository)}/get/{quote(commit, safe='')}.zip",
        credentials=_basic_or_bearer(secret.git_token),
        consumer=consumer,
    )


def bitbucket_server(api_url: str, repository: str, commit: str, secret: ProviderSecret) -> ArchiveRequest:
    """https://developer.atlassian.com/server/bitbucket/rest/v906/api-group-repository: stream archive.

    Its entries lie in no folder unless one is asked for.
    """
    key, _, slug = repository.partition("/")
    return ArchiveRequest(
        url=f"{api_url}/projects/{quote(key)}/repos/{quote(slug)}/archive?"
        + urlencode({"at": commit, "format": "zip", "prefix": "archive/"}),
        credentials=_basic_or_bearer(secret.git_token),
    )


def gitea(api_url: str, repository: str, commit: str, secret: ProviderSecret) -> ArchiveRequest:
    """https://docs.gitea.com/api: GET /repos/{owner}/{repo}/archive/{archive}"""
    return ArchiveRequest(
        url=f"{api_url}/repos/{quote(repository)}/archive/{quote(commit, safe='')}.zip",
        credentials={"Authorization": f"token {secret.git_token}"} if secret.git_token else {},
    )


def basic(user: str, password: str) -> dict[str, str]:
    """Credentials as HTTP Basic has them."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def _basic_or_bearer(token: str) -> dict[str, str]:
    """A token of a person goes with the e-mail address or name, `email:token`; one of a repository is alone."""
    user, colon, password = token.rpartition(":")
    return basic(user, password) if colon else _bearer(token)


SOURCES: dict[str, Source] = {
    "github": github,
    "github_enterprise": github,
    "gitlab": gitlab,
    "bitbucket_cloud": bitbucket_cloud,
    "bitbucket_server": bitbucket_server,
    "gitea": gitea,
}
