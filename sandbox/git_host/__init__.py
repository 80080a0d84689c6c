"""A git host for the sandbox and the tests: git over SSH and HTTPS, REST APIs and webhooks.

At `https://127.0.0.1:<port>` it passes for a GitHub Enterprise Server, a GitLab, Bitbucket Cloud, a Bitbucket Data
Center and a Gitea at once: their APIs lie at paths of their own (`dialects`) and look at the same repositories. A
webhook is told of pushes in the dialect through which it was made.
"""

from sandbox.git_host.host import GitHost

__all__ = ["GitHost"]
