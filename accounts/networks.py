"""Networks as places that somebody tries something from. Pure."""

from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

_SITE: Final = 64
"""Bits that a connection is given of IPv6 addresses (RFC 6177): whoever has one has all."""


def network_of(address: str) -> str:
    """The network that the IP *address* stands for: itself, or an IPv6 site; empty: unknown."""
    try:
        found = ip_address(address)
    except ValueError:
        return ""
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is None:
            return str(ip_network((found, _SITE), strict=False))
        found = found.ipv4_mapped
    return str(ip_network(found))
