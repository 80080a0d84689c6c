"""Where the git host is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Address:
    """Makes addresses of this host.

    Args:
        url: the host's address, `https://127.0.0.1:8443`.
        ssh_port: where it serves git over SSH.
    """

    url: str
    ssh_port: int

    @property
    def host(self) -> str:
        """Host and port."""
        return self.url.partition("//")[2]

    def ssh_url(self, full_name: str) -> str:
        """The SSH clone URL of a repository."""
        return f"ssh://git@127.0.0.1:{self.ssh_port}/{full_name}.git"

    def clone_url(self, full_name: str) -> str:
        """The HTTPS clone URL of a repository."""
        return f"{self.url}/{full_name}.git"
