"""Which network addresses panel and functions may connect to when a person, or another server, has given the host.

Public addresses are fine, private ones only inside networks that an administrator allowed, and a few never: link-local
ones (where clouds serve instance credentials), multicast, and the unspecified address.
"""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

GLOBAL_UNICAST = IPv6Network("2000::/3")  # RFC 4291, 2.4: all that IANA assigns to hosts on the Internet
NEVER: tuple[Network, ...] = (
    IPv4Network("0.0.0.0/8"),
    IPv4Network("169.254.0.0/16"),
    IPv4Network("224.0.0.0/3"),
    IPv6Network("::/128"),
    IPv6Network("fe80::/10"),
    IPv6Network("ff00::/8"),
    # https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
    IPv6Network("fd00:ec2::254/128"),
)
ANYWHERE: tuple[Network, ...] = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))
"""As what `may_connect` is allowed: all but what is never."""
# Prefixes whose last 32 bits are an IPv4 address that the packet ends up at.
EMBEDDING = (
    IPv6Network("::/96"),  # IPv4-compatible, RFC 4291
    IPv6Network("::ffff:0:0/96"),  # IPv4-mapped, RFC 4291
    IPv6Network("::ffff:0:0:0/96"),  # IPv4-translated, RFC 2765
    IPv6Network("64:ff9b::/96"),  # NAT64, RFC 6052
    IPv6Network("64:ff9b:1::/96"),  # local-use NAT64 as commonly deployed, RFC 8215
)


def effective(address: Address) -> Iterator[Address]:
    """The address itself and every IPv4 address that it stands for."""
    yield address
    if isinstance(address, IPv4Address):
        return
    if address.sixtofour:
        yield address.sixtofour
    if address.teredo:
        yield from address.teredo
    # ::1 and :: are themselves, not 0.0.0.1 in disguise.
    if int(address) > 1 and any(address in prefix for prefix in EMBEDDING):
        yield IPv4Address(int(address) & 0xFFFF_FFFF)


def _is_public(address: Address) -> bool:
    return address.is_global and (isinstance(address, IPv4Address) or address in GLOBAL_UNICAST)


def may_connect(address: Address | str, allowed: Sequence[Network]) -> bool:
    """Whether to connect to the address, given the private networks that are allowed."""
    address = ip_address(address) if isinstance(address, str) else address
    stands_for = list(effective(address))
    if any(each in network for each in stands_for for network in NEVER):
        return False
    # An address that carries another one is judged by what it carries: its own form says nothing of where it leads.
    judged = stands_for[1:] or stands_for
    return all(_is_public(each) or any(each in network for network in allowed) for each in judged)
