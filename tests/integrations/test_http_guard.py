"""The client against a real TLS server: where it connects to, whom it trusts, where it follows."""

import socket
from collections.abc import Iterator
from ipaddress import ip_network

import pytest

from integrations.errors import (
    CertificateNotTrusted,
    HostNotAllowed,
    InvalidValue,
    ProviderRefused,
    ProviderUnreachable,
    UnexpectedAnswer,
)
from integrations.http import HttpClient
from tests.integrations.tls_server import TlsServer, serve

LOOPBACK = [ip_network("127.0.0.0/8")]
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def server() -> Iterator[TlsServer]:
    with serve("localhost", "git.test", "127.0.0.1") as server:
        server.replies["/user"] = (200, JSON, b'{"login": "ada"}')
        yield server


def client(server: TlsServer, host: str = "localhost", **options) -> HttpClient:
    options = {"allowed_networks": LOOPBACK, "ca_bundle": server.ca_bundle, "headers": {}, **options}
    return HttpClient(f"https://{host}:{server.port}", **options)


def resolve_to(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Have the resolver give these answers in turn; returns the names it was asked for."""
    asked: list[str] = []

    def getaddrinfo(host, port, *args, **kwargs):
        asked.append(host)
        addresses = answers[min(len(asked), len(answers)) - 1] if host == "git.test" else [host]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


def test_a_private_authority_is_trusted_when_its_certificate_is_given(server: TlsServer):
    assert client(server).get("/user").json() == {"login": "ada"}


def test_without_it_the_connection_is_refused_and_nothing_is_sent(server: TlsServer):
    with pytest.raises(CertificateNotTrusted, match=r"self-signed|unable to get local issuer") as caught:
        client(server, ca_bundle="", headers={"Authorization": "Bearer secret"}).get("/user")
    assert caught.value.field == "ca_bundle"
    assert not server.seen
    assert server.connections == 1, "a certificate does not get better by trying again"


def test_a_certificate_for_another_name_is_refused(monkeypatch: pytest.MonkeyPatch):
    resolve_to(monkeypatch, ["127.0.0.1"])
    with serve("other.test") as server, pytest.raises(CertificateNotTrusted, match=r"git\.test"):
        client(server, "git.test").get("/user")


def test_remarks_between_the_certificates_may_be_in_any_language(server: TlsServer):
    assert client(server, ca_bundle=f"# Főtanúsítvány\n{server.ca_bundle}").get("/user").json() == {"login": "ada"}


@pytest.mark.parametrize("text", ["-----BEGIN NONSENSE-----", "Főtanúsítvány"])
def test_a_bundle_that_holds_no_certificate_is_refused_at_once(text: str):
    with pytest.raises(InvalidValue) as caught:
        HttpClient("https://git.test", headers={}, ca_bundle=text)
    assert caught.value.field == "ca_bundle"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_private_address_that_is_not_allowed_gets_no_connection(server: TlsServer, host: str):
    with pytest.raises(HostNotAllowed, match=r"127\.0\.0\.1"):
        client(server, host, allowed_networks=[]).get("/user")
    assert server.connections == 0


def test_the_address_that_was_checked_is_the_one_connected_to(server: TlsServer, monkeypatch: pytest.MonkeyPatch):
    asked = resolve_to(monkeypatch, ["127.0.0.1"], ["169.254.169.254"])
    assert client(server, "git.test").get("/user").status == 200
    assert asked.count("git.test") == 1
    assert server.seen[0][2]["Host"] == f"git.test:{server.port}"


def test_a_name_that_later_points_inside_is_checked_again(server: TlsServer, monkeypatch: pytest.MonkeyPatch):
    resolve_to(monkeypatch, ["127.0.0.1"], ["10.0.0.1"])
    server.replies["/user"] = (200, {**JSON, "Connection": "close"}, b"{}")
    http = client(server, "git.test")
    http.get("/user")
    with pytest.raises(HostNotAllowed, match=r"10\.0\.0\.1"):
        http.get("/user")


def test_only_the_allowed_ones_of_several_addresses_are_tried(server: TlsServer, monkeypatch: pytest.MonkeyPatch):
    resolve_to(monkeypatch, ["10.0.0.1", "127.0.0.1"])
    assert client(server, "git.test").get("/user").status == 200


def test_the_next_address_is_tried_when_one_does_not_answer(server: TlsServer, monkeypatch: pytest.MonkeyPatch):
    # Nothing listens on 127.0.0.2 at this port, as the server is bound to 127.0.0.1.
    resolve_to(monkeypatch, ["127.0.0.2", "127.0.0.1"])
    assert client(server, "git.test").get("/user").status == 200


def test_a_name_that_does_not_resolve_says_so():
    with pytest.raises(ProviderUnreachable, match="does not resolve"):
        HttpClient("https://nowhere.invalid", headers={}).get("/user")


def test_a_port_without_a_server_says_so(server: TlsServer):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(ProviderUnreachable, match="connection refused") as caught:
            HttpClient(f"https://127.0.0.1:{port}", headers={}, allowed_networks=LOOPBACK).get("/user")
    assert caught.value.retryable


def test_a_redirect_on_the_host_is_followed_with_the_credentials(server: TlsServer):
    server.replies["/old"] = (301, {"Location": "/user"}, b"")
    answer = client(server, headers={"Authorization": "Bearer secret"}).get("/old")
    assert answer.json() == {"login": "ada"}
    assert server.seen[1][2]["Authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    "location", ["https://127.0.0.1:{port}/user", "http://localhost:{port}/user", "//127.0.0.1:{port}/user"]
)
def test_a_redirect_to_another_host_or_scheme_is_not_followed(server: TlsServer, location: str):
    server.replies["/old"] = (302, {"Location": location.format(port=server.port)}, b"")
    with pytest.raises(ProviderRefused, match="redirects to"):
        client(server).get("/old")
    assert [path for _, path, _ in server.seen] == ["/old"]


def test_a_circle_of_redirects_ends(server: TlsServer):
    server.replies["/old"] = (302, {"Location": "/old"}, b"")
    with pytest.raises(UnexpectedAnswer, match="circle"):
        client(server).get("/old")


def test_a_write_is_redirected_only_where_its_method_stays(server: TlsServer):
    server.replies["/307"] = (307, {"Location": "/user"}, b"")
    server.replies["/301"] = (301, {"Location": "/user"}, b"")
    assert client(server).post("/307", json={}).status == 200
    assert server.seen[-1][:2] == ("POST", "/user")
    with pytest.raises(UnexpectedAnswer):
        client(server).post("/301", json={})


def test_a_flood_is_cut_off(server: TlsServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("integrations.http.MAX_BODY", 1000)
    server.replies["/user"] = (200, JSON, b"x" * 1001)
    with pytest.raises(UnexpectedAnswer, match="more than 1000 bytes"):
        client(server).get("/user")


def test_a_proxy_in_the_environment_is_not_used(server: TlsServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert client(server).get("/user").status == 200
