"""A git host for the sandbox and the tests: git over SSH and HTTPS, GitHub's REST API and webhooks.

It passes for a GitHub Enterprise Server at `https://127.0.0.1:<port>`.
"""

from sandbox.git_host.host import GitHost

__all__ = ["GitHost"]
