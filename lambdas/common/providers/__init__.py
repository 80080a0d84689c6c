"""The kinds of provider that a stack's functions know: what they send, and where a commit and its files are.

One module a provider. The kind is fixed by the stack and never guessed from a request's headers.
"""

from lambdas.common.providers import bitbucket_cloud, bitbucket_server, gitea, github, gitlab
from lambdas.common.providers.base import Provider

PROVIDERS: dict[str, Provider] = {
    "github": github.PROVIDER,
    "github_enterprise": github.PROVIDER,
    "gitlab": gitlab.PROVIDER,
    "bitbucket_cloud": bitbucket_cloud.PROVIDER,
    "bitbucket_server": bitbucket_server.PROVIDER,
    "gitea": gitea.PROVIDER,
}
