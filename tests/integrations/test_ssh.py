"""Host keys as real servers present them, and as known_hosts files write them."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network

import pytest

from integrations import ssh
from integrations.errors import HostNotAllowed, ProviderUnreachable
from integrations.ssh import HostKey
from lambdas.common.known_hosts import VERIFIABLE
from tests.integrations.ssh_server import new_key, ssh_server, text

HERE = (ip_network("127.0.0.0/8"),)
ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"


def test_a_server_shows_its_key_of_each_type_that_git_pull_verifies() -> None:
    keys = [new_key(each) for each in VERIFIABLE]
    with ssh_server(*keys) as port:
        found = ssh.scan("127.0.0.1", port, allowed_networks=HERE)
    assert {key.text for key in found} == {text(key) for key in keys}
    assert {key.type for key in found} == set(VERIFIABLE)
    assert {key.fingerprint for key in found} == {key.get_fingerprint() for key in keys}


def test_a_server_need_not_have_every_type() -> None:
    key = new_key()
    with ssh_server(key) as port:
        assert ssh.scan("127.0.0.1", port, allowed_networks=HERE) == [HostKey(text(key))]


def test_a_server_with_none_of_the_safe_types_is_refused() -> None:
    with ssh_server(new_key("ssh-ed448")) as port, pytest.raises(ProviderUnreachable, match="safe"):
        ssh.scan("127.0.0.1", port, allowed_networks=HERE)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254", "::ffff:127.0.0.1"])
def test_a_private_address_is_not_connected_to_unless_allowed(host: str) -> None:
    with pytest.raises(HostNotAllowed) as caught:
        ssh.scan(host, 22)
    assert caught.value.field == "base_url"


def test_a_name_that_does_not_resolve_is_told() -> None:
    with pytest.raises(ProviderUnreachable, match="does not resolve"):
        ssh.scan("git.invalid", 22)


def test_a_closed_port_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(ProviderUnreachable, match="connection refused") as caught:
        ssh.scan("127.0.0.1", port, allowed_networks=HERE)
    assert caught.value.field == "ssh_port"


def test_a_server_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "EXCHANGE_TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(ProviderUnreachable, match="as SSH does"):
        ssh.scan("127.0.0.1", silent.getsockname()[1], allowed_networks=HERE)


@pytest.mark.parametrize(
    ("port", "line"), [(22, f"git.test {ED25519}"), (2222, f"[git.test]:2222 {ED25519}")], ids=["usual", "odd"]
)
def test_known_hosts_lines_are_written_as_openssh_does(port: int, line: str) -> None:
    assert ssh.known_hosts_lines("git.test", port, [ED25519]) == line
    assert ssh.keys_in(line) == [HostKey(ED25519)]


@pytest.mark.parametrize(
    "line",
    [
        "",
        f"# git.test {ED25519}",
        f"@cert-authority *.test {ED25519}",
        f"@revoked git.test {ED25519}",
        "git.test ssh-ed25519",
        "git.test ssh-ed25519 AAAA",
        ED25519.replace("ssh-ed25519", "git.test ssh-rsa"),
    ],
)
def test_only_plain_keys_of_known_hosts_count(line: str) -> None:
    assert ssh.keys_in(f"{line}\n|1|hashed= {ED25519} comment") == [HostKey(ED25519)]


def test_a_scan_works_where_an_event_loop_runs_already() -> None:
    key = new_key()

    async def scan() -> list[HostKey]:
        return ssh.scan("127.0.0.1", port, allowed_networks=HERE)

    # A loop in a thread of its own: this one may have a browser's.
    with ssh_server(key) as port, ThreadPoolExecutor(1) as pool:
        assert pool.submit(asyncio.run, scan()).result() == [HostKey(text(key))]
