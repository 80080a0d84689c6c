"""Where the git host is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Address:
    """Makes addresses of this host.

    Args:
        url: the host's address, `https://127.0.0.1:8443`.
        ssh_port: where it serves git over SSH.
        ssh_host: the host of that, which need not be the one of the page.
        ssh_user: the user that git signs in as.
    """

    url: str
    ssh_port: int
    ssh_host: str = "127.0.0.1"
    ssh_user: str = "git"

    @property
    def host(self) -> str:
        """Host and port."""
        return self.url.partition("//")[2]

    def ssh_url(self, full_name: str) -> str:
        """The SSH clone URL of a repository."""
        return f"ssh://{self.ssh_user}@{self.ssh_host}:{self.ssh_port}/{full_name}.git"

    def clone_url(self, full_name: str, *, under: str = "") -> str:
        """The HTTPS clone URL of a repository; `under` is a folder of the site, as Bitbucket Data Center has one."""
        return f"{self.url}{under}/{full_name}.git"
