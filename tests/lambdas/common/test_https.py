"""Where a function connects to: a name is resolved once, and the address that was checked is the one that is taken."""

import socket
import ssl
from collections.abc import Callable
from typing import Any

import pytest

from lambdas.common.errors import PermanentFailure, TemporaryFailure
from lambdas.common.https import public_but, send

OWN, OTHER = "git.example.com", "files.example.net"
PUBLIC = "93.184.215.14"


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What was connected to; nothing answers."""
    found: list[tuple[str, int]] = []

    def connect(address: tuple[str, int], timeout: float | None = None) -> socket.socket:
        found.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    return found


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Names lead to these addresses, in turn; returns what was asked for."""

    def to(*answers: list[str]) -> list[str]:
        asked: list[str] = []

        def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
            asked.append(host)
            addresses = answers[min(len(asked), len(answers)) - 1]
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        return asked

    return to


def ask(host: str) -> None:
    send(
        "GET",
        f"https://{host}/x",
        {},
        ssl.create_default_context(),
        check_address=public_but(OWN, what="The server"),
    )


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "::ffff:10.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "0.0.0.0",
    ],
)
def test_another_server_that_is_not_public_is_not_connected_to(
    address: str, reached: list[tuple[str, int]], resolve: Callable[..., list[str]]
) -> None:
    resolve([address])

    with pytest.raises(PermanentFailure, match=rf"{OTHER} has no public address, and it is not {OWN}"):
        ask(OTHER)
    assert reached == []


@pytest.mark.parametrize("host", [OWN, OWN.upper(), f"codeload.{OWN}"])
def test_the_providers_own_server_may_be_private_but_no_metadata_service(
    host: str, reached: list[tuple[str, int]], resolve: Callable[..., list[str]]
) -> None:
    resolve(["10.1.2.3"])
    with pytest.raises(TemporaryFailure):
        ask(host)
    assert reached == [("10.1.2.3", 443)]

    resolve(["169.254.169.254"])
    with pytest.raises(PermanentFailure, match="nothing may be fetched from"):
        ask(host)
    assert len(reached) == 1


def test_a_host_that_only_ends_like_the_providers_is_another_one(resolve: Callable[..., list[str]]) -> None:
    resolve(["10.1.2.3"])

    with pytest.raises(PermanentFailure, match="no public address"):
        ask(f"evil{OWN}")


def test_a_name_that_changes_its_mind_is_asked_once(
    reached: list[tuple[str, int]], resolve: Callable[..., list[str]]
) -> None:
    asked = resolve([PUBLIC], ["127.0.0.1"])

    with pytest.raises(TemporaryFailure):
        ask(OTHER)

    assert (asked, reached) == ([OTHER], [(PUBLIC, 443)])


def test_of_several_addresses_those_are_tried_that_may_be(
    reached: list[tuple[str, int]], resolve: Callable[..., list[str]]
) -> None:
    resolve(["127.0.0.1", PUBLIC, "10.0.0.1"])

    with pytest.raises(PermanentFailure):
        ask(OTHER)
    assert reached == [(PUBLIC, 443)]
