"""Where each kind of provider serves a commit as a zip, and how one shows the token."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from lambdas.common.provider_secret import ProviderSecret


@dataclass(frozen=True, slots=True)
class ArchiveRequest:
    """What to ask for. `credentials` go to this URL's host alone."""

    url: str
    headers: dict[str, str]
    credentials: dict[str, str]


Source = Callable[[str, str, str, ProviderSecret], ArchiveRequest]
"""(API root, full name, commit, secrets) -> what to ask for."""


def github(api_url: str, repository: str, commit: str, secret: ProviderSecret) -> ArchiveRequest:
    """https://docs.github.com/en/rest/repos/contents#download-a-repository-archive-zip"""
    return ArchiveRequest(
        url=f"{api_url}/repos/{quote(repository)}/zipball/{quote(commit, safe='')}",
        headers={"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"},
        credentials={"Authorization": f"Bearer {secret.git_token}"} if secret.git_token else {},
    )


SOURCES: dict[str, Source] = {"github": github, "github_enterprise": github}
