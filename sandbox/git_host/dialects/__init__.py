"""The providers that the git host passes for, one module each. All of them look at the same repositories."""

from sandbox.git_host.dialects.base import Dialect
from sandbox.git_host.dialects.bitbucket_cloud import BitbucketCloud
from sandbox.git_host.dialects.bitbucket_server import BitbucketServer
from sandbox.git_host.dialects.gitea import Gitea
from sandbox.git_host.dialects.github import GitHub
from sandbox.git_host.dialects.gitlab import GitLab

DIALECTS: tuple[type[Dialect], ...] = (GitHub, GitLab, BitbucketCloud, BitbucketServer, Gitea)

__all__ = ["DIALECTS", "Dialect"]
