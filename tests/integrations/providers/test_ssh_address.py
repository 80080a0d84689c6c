"""Where git over SSH is, as the clone addresses of each provider tell it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations.providers.base import ProviderConfig
from integrations.providers.github import GitHub
from integrations.providers.ssh_address import SshAddress, parse
from sandbox.git_host import GitHost
from tests.sandbox.dialects import KINDS, make_place

HOST, USER = "127.0.0.2", "forgejo"


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHost]:
    """A git host whose SSH is at another host, port and user than its web page."""
    path: Path = tmp_path_factory.mktemp("elsewhere")
    with GitHost(path, ssh_host=HOST, ssh_user=USER) as host:
        yield host


@pytest.mark.parametrize("kind", KINDS)
def test_ssh_is_where_the_clone_address_of_the_repository_says(elsewhere: GitHost, kind: str):
    place = make_place(elsewhere, kind)
    remote = place.client(ssh_port=22)
    told = SshAddress(USER, HOST, elsewhere.ssh_port)
    assert remote.usual_ssh_address.host == "127.0.0.1"
    assert remote.ssh_address(place.full_name) == told
    assert remote.ssh_address() == told


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("git@gitlab.com:group/sub/project.git", SshAddress("git", "gitlab.com")),
        ("ssh://git@ssh.example.com:2222/group/project.git", SshAddress("git", "ssh.example.com", 2222)),
        ("org-1234@github.com:acme/shop.git", SshAddress("org-1234", "github.com")),
        ("ssh://org-1234@github.com/acme/shop.git", SshAddress("org-1234", "github.com")),
        ("acme@acme.ghe.com:octo/shop.git", SshAddress("acme", "acme.ghe.com")),
        ("git@[2001:DB8::1]:acme/shop.git", SshAddress("git", "2001:db8::1")),
        ("ssh://forgejo@[2001:db8::1]:222/acme/shop.git", SshAddress("forgejo", "2001:db8::1", 222)),
        ("ssh.example.com:acme/shop.git", SshAddress("git", "ssh.example.com")),
        ("git+ssh://Git.Example.com/acme/shop.git", SshAddress("git", "git.example.com")),
        ("", None),
        ("https://git@github.com/acme/shop.git", None),
        ("/srv/git/shop.git", None),
        ("ssh://", None),
        ("ssh://git@host:0/x", None),
        ("ssh://git@host:99999/x", None),
        ("ssh://git@[::1/x", None),
        ("-oProxyCommand=x@host:x", None),
        ("git@-oProxyCommand=x:x", None),
        ("gi t@host:x", None),
        ("ssh://git%0a@host/x", None),
    ],
)
def test_clone_addresses_are_read_as_git_reads_them(url: str, address: SshAddress | None):
    assert parse(url) == address


def test_nobody_is_asked_where_the_public_service_is():
    assert str(GitHub(ProviderConfig(credentials={"token": "t"})).ssh_address()) == "git@github.com"
    given = ProviderConfig(credentials={"token": "t"}, ssh_user="org-1234")
    assert str(GitHub(given).ssh_address()) == "org-1234@github.com"
