"""A repository at the git host as one kind of provider shows it, and the product's own client of that kind."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network

from integrations.providers.base import ProviderClient, ProviderConfig
from integrations.providers.registry import client_class
from sandbox.git_host import GitHost

# How each kind writes full names; the host keeps them all in one place.
OWNERS = {
    "github_enterprise": "acme",
    "gitlab": "acme/tools/backend",
    "bitbucket_cloud": "acme",
    "bitbucket_server": "PROJ",
    "gitea": "acme",
}
KINDS = tuple(OWNERS)


@dataclass(frozen=True)
class Place:
    """A repository that Ada administers, seen through one kind of provider."""

    host: GitHost
    kind: str
    full_name: str

    def client(self, credentials: Mapping[str, str] | None = None, *, ssh_port: int | None = None) -> ProviderClient:
        """The client with Ada's credentials, or others; `ssh_port` is the one that people gave."""
        config = ProviderConfig(
            base_url=self.host.url,
            credentials=credentials or credentials_of(self.host, self.kind, "ada"),
            ca_bundle=self.host.ca_pem,
            ssh_port=self.host.ssh_port if ssh_port is None else ssh_port,
            allowed_networks=[ip_network("127.0.0.0/8")],
        )
        return client_class(self.kind)(config)


def credentials_of(host: GitHost, kind: str, login: str, **token: Mapping[str, str]) -> dict[str, str]:
    """New credentials of a person as one kind of provider has them; `token` as for `create_token`."""
    found = {"token": host.create_token(login, **token)}
    return found | ({"email": f"{login}@example.com"} if kind == "bitbucket_cloud" else {})


def make_place(host: GitHost, kind: str, owner: str = "") -> Place:
    """A new empty repository."""
    full_name = f"{owner or OWNERS[kind]}/shop-{secrets.token_hex(4)}"
    host.create_repository(full_name, admins=["ada"])
    return Place(host, kind, full_name)
