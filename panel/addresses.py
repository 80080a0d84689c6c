"""Where a request comes from."""

from ipaddress import IPv6Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """The peer's address, or what the trusted proxy in front of the panel says it is."""
    forwarded = request.headers.get("X-Forwarded-For", "")
    if getattr(settings, "SECURE_PROXY_SSL_HEADER", None) and forwarded:
        return forwarded.rsplit(",", 1)[-1].strip()
    return str(request.META.get("REMOTE_ADDR", ""))


def client_ip(request: HttpRequest) -> str | None:
    """The client's address in its canonical form; None where it is not an IP address (a proxy sent something else)."""
    try:
        return str(ip_address(client_address(request)))
    except ValueError:
        return None


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
