"""Where a request comes from, in whatever form a proxy writes it."""

from ipaddress import IPv6Address, ip_address

import pytest
from django.test import RequestFactory
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from panel.addresses import client_address, client_ip, source_of

PEER = "10.0.0.1"
every = profile(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def behind_a_proxy(settings: Settings) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")


def address_of(forwarded: str, peer: str = PEER) -> str:
    return client_address(RequestFactory().get("/", headers={"X-Forwarded-For": forwarded}, REMOTE_ADDR=peer))


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("198.51.100.7:52311", "198.51.100.7"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:DB8:0::1]", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%25eth0]:80", "fe80::1"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("[::ffff:198.51.100.7]:9", "198.51.100.7"),
        ("192.0.2.1, 198.51.100.7:1", "198.51.100.7"),
        (" 198.51.100.7 ", "198.51.100.7"),
        ("unknown", PEER),
        ("_hidden", PEER),
        ("198.51.100.7,", PEER),
        ("198.51.100.7:", PEER),
        ("198.51.100.7:x", PEER),
        ("[2001:db8::1]x", PEER),
        ("[2001:db8::1", PEER),
        ("198.51.100.7:1:2", PEER),
        ("::1:2:3:4:5:6:7:8", PEER),
    ],
)
def test_how_proxies_write_an_address(written: str, address: str) -> None:
    assert address_of(written) == address


def test_without_a_trusted_proxy_the_header_is_anybodys_word(settings: Settings) -> None:
    settings.SECURE_PROXY_SSL_HEADER = None
    assert address_of("198.51.100.7") == PEER


def test_a_peer_without_an_address_is_none() -> None:
    request = RequestFactory().get("/", REMOTE_ADDR="")
    assert (client_address(request), client_ip(request)) == ("", None)


@every
@given(st.ip_addresses(), st.integers(0, 65535), st.text("abcdefgh0123", min_size=1, max_size=8))
def test_neither_port_nor_zone_makes_another_source(ip: object, port: int, zone: str) -> None:
    plain = address_of(str(ip))
    six = isinstance(ip, IPv6Address)
    forms = [f"[{ip}]:{port}", f"[{ip}]", f"{ip}%{zone}", f"[{ip}%{zone}]:{port}"] if six else [f"{ip}:{port}"]
    assert {source_of(address_of(form)) for form in forms} == {source_of(plain)}
    assert plain != PEER or str(ip) == PEER


@every
@given(st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=60))
def test_whatever_is_written_an_address_comes_of_it(written: str) -> None:
    """The audit log keeps it as PostgreSQL's inet, and the limits count by it."""
    ip_address(address_of(written))
    assert "%" not in address_of(written)
