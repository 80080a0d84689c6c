"""Where a request comes from."""

from ipaddress import IPv6Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """The client's IP address in its canonical form; empty where nothing tells one.

    It is what the trusted proxy in front of the panel says, or else the peer: a proxy that sends no address, or passes
    on what a stranger wrote, makes all its clients one source, and never as many as they like.
    """
    peer = _parse(str(request.META.get("REMOTE_ADDR", "")))
    forwarded = request.headers.get("X-Forwarded-For", "")
    if getattr(settings, "SECURE_PROXY_SSL_HEADER", None) and forwarded:
        return _parse(forwarded.rsplit(",", 1)[-1]) or peer
    return peer


def client_ip(request: HttpRequest) -> str | None:
    """`client_address`; None where nothing tells one."""
    return client_address(request) or None


def _parse(written: str) -> str:
    """An IP address as proxies write it, in its canonical form; empty if it is none.

    Some add the client's port (RFC 7239, section 6 has the forms; Azure's Application Gateway and AWS's load balancers
    with `routing.http.xff_client_port.enabled` do so in X-Forwarded-For), and the zone of a link-local address. Both
    are the client's choice, and no part of where it is.
    """
    host = written.strip()
    if host.startswith("["):
        host, end, rest = host[1:].partition("]")
        if not end or (rest and not _is_port(rest)):
            return ""
    elif host.count(":") == 1:
        host, _, port = host.partition(":")
        if not _is_port(f":{port}"):
            return ""
    try:
        found = ip_address(host.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(found)


def _is_port(written: str) -> bool:
    digits = written[1:]
    return written.startswith(":") and digits.isascii() and digits.isdigit() and len(digits) <= 5


def source_of(address: str) -> str:
    """What one client cannot change at will: an IPv4 address, or the /64 network of an IPv6 address.

    A site usually gets a /64 or more, and each machine in it may use any address of it (RFC 6177, RFC 8981).
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if not isinstance(ip, IPv6Address):
        return str(ip)
    if ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    return str(ip_network((ip, 64), strict=False))
