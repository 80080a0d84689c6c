"""What each kind of provider sends: how its requests are signed and what they say.

One module a provider. The kind is fixed by the stack and never guessed from a request's headers.
"""

from lambdas.common.payloads import bitbucket_cloud, bitbucket_server, gitea, github, gitlab
from lambdas.common.payloads.base import PushEvent, WebhookFormat, WebhookRequest

FORMATS: dict[str, WebhookFormat] = {
    "github": github.FORMAT,
    "github_enterprise": github.FORMAT,
    "gitlab": gitlab.FORMAT,
    "bitbucket_cloud": bitbucket_cloud.FORMAT,
    "bitbucket_server": bitbucket_server.FORMAT,
    "gitea": gitea.FORMAT,
}

__all__ = ["FORMATS", "PushEvent", "WebhookFormat", "WebhookRequest"]
