from ipaddress import ip_network

import pytest

from lambdas.common.addresses import may_connect

PRIVATE = [ip_network("10.20.0.0/16"), ip_network("fd12:3456::/32")]
EVERYTHING = [ip_network("0.0.0.0/0"), ip_network("::/0")]


@pytest.mark.parametrize("address", ["140.82.121.4", "2606:50c0:8000::153"])
def test_public_addresses_are_allowed(address: str):
    assert may_connect(address, [])


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.20.0.1",
        "192.168.1.1",
        "100.64.0.1",  # shared address space
        "198.18.0.1",  # benchmarking
        "::1",
        "fd12:3456::1",
        "fec0::1",  # site-local, deprecated
        "::ffff:127.0.0.1",
        "::ffff:0:10.20.0.1",
        "::10.20.0.1",
        "64:ff9b::a14:1",  # 10.20.0.1 behind NAT64
        "64:ff9b:1::7f00:1",
        "2002:a14:1::1",  # 6to4 of 10.20.0.1
        "2001:0:a14:1:0:0:f5eb:fffe",  # Teredo by way of 10.20.0.1
    ],
)
def test_private_addresses_are_not_in_any_notation(address: str):
    assert not may_connect(address, [])


@pytest.mark.parametrize(
    "address", ["10.20.255.254", "fd12:3456::1", "::ffff:10.20.0.1", "64:ff9b::a14:1", "2002:a14:1::1"]
)
def test_private_addresses_are_inside_the_networks_that_are_allowed(address: str):
    assert may_connect(address, PRIVATE)


@pytest.mark.parametrize("address", ["10.21.0.1", "::ffff:10.21.0.1", "64:ff9b::a15:1"])
def test_and_only_inside_these(address: str):
    assert not may_connect(address, PRIVATE)


@pytest.mark.parametrize("address", ["64:ff9b::8c52:7904", "2002:8c52:7904::1"])
def test_an_address_that_leads_to_a_public_one_is_allowed(address: str):
    assert may_connect(address, [])


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "fe80::1",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "255.255.255.255",
        "ff02::1",
    ],
)
def test_link_local_and_multicast_are_never_allowed_whatever_the_settings_say(address: str):
    assert not may_connect(address, EVERYTHING)
