"""Networks as places that somebody tries something from. Pure."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_network
from typing import Final

from accounts.key_networks import read_address

_SITE: Final = 64
"""Bits that a connection is given of IPv6 addresses (RFC 6177): whoever has one has all."""

NOWHERE: Final = "nowhere"
"""Who is counted where nothing tells callers apart, as behind a Unix socket: all of them as one."""


@lru_cache(maxsize=4_096)  # every call asks it, and most callers call again
def network_of(address: str) -> str:
    """The network that the IP *address* stands for: itself, or an IPv6 site; empty: unknown."""
    found = read_address(address)
    if found is None:
        return ""
    if isinstance(found, IPv6Address):
        return str(ip_network((found, _SITE), strict=False))
    return str(ip_network(found))
