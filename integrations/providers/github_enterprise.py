"""GitHub Enterprise Server, and GitHub Enterprise Cloud with data residency (`<name>.ghe.com`)."""

from dataclasses import replace
from urllib.parse import urlsplit

from integrations.providers.github import GitHub
from integrations.providers.ssh_address import SshAddress


class GitHubEnterprise(GitHub):
    """GitHub Enterprise Server at an address of its own, or Enterprise Cloud at `<name>.ghe.com`."""

    kind = "github_enterprise"
    label = "GitHub Enterprise"
    default_base_url = ""
    self_hosted = True

    @property
    def _tenant(self) -> str:
        """The name before .ghe.com, empty for a server of one's own."""
        name, dot, rest = (urlsplit(self.web_url).hostname or "").partition(".")
        return name if dot and rest == "ghe.com" else ""

    @property
    def api_url(self) -> str:
        # https://docs.github.com/en/enterprise-cloud@latest/admin/data-residency and, for servers,
        # https://docs.github.com/en/enterprise-server@latest/rest/using-the-rest-api/getting-started-with-the-rest-api
        return f"https://api.{self._tenant}.ghe.com" if self._tenant else f"{self.web_url}/api/v3"

    @property
    def usual_ssh_address(self) -> SshAddress:
        # https://docs.github.com/en/authentication/troubleshooting-ssh/error-permission-denied-publickey
        return replace(super().usual_ssh_address, user=self._tenant or "git")
