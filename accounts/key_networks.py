"""The networks that a key works from: read, shown, and whether an address is in them. Pure."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAXIMUM: Final = 100
"""Networks of one key, by the contract."""
_LONGEST: Final = 49
"""Characters of an address with the length of a prefix: what is longer is none."""
_MAPPED: Final = IPv6Network("::ffff:0:0/96")
"""IPv4 addresses as they look on a socket of both families (RFC 4291, 2.5.5.2)."""


def read_network(text: str) -> Network | None:
    """An address, or a network in CIDR form without host bits; None: it is neither.

    IPv4 that is written as IPv6 is IPv4: that is how `read_address` sees callers.
    """
    if len(text) > _LONGEST or "%" in text:
        return None
    try:
        network = ip_network(text.strip())
    except ValueError:
        return None
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        mapped = network.network_address.ipv4_mapped
        assert mapped is not None
        return IPv4Network((mapped, network.prefixlen - _MAPPED.prefixlen))
    return network


def short(network: Network) -> str:
    """`203.0.113.7` for a single address, else `2001:db8::/32`."""
    if network.prefixlen == network.max_prefixlen:
        return str(network.network_address)
    return str(network)


def read_address(text: str) -> Address | None:
    """The address of a caller; None: it is none."""
    if len(text) > _LONGEST:
        return None
    try:
        address = ip_address(text.partition("%")[0])  # a zone is of the machine, not of the caller
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


@lru_cache(maxsize=4_096)  # every call asks it, and most callers call again
def address_text(text: str) -> str:
    """That address as PostgreSQL's `inet` takes it; empty: it is none."""
    address = read_address(text)
    return "" if address is None else str(address)


def contains(networks: Sequence[Network], address: Address) -> bool:
    """Whether *address* is in one of *networks*."""
    return any(address in network for network in networks)


def within(inner: Sequence[Network], outer: Sequence[Network]) -> bool:
    """Whether whatever is in *inner* is in *outer* as well; no networks are all of them."""
    if not outer:
        return True
    return bool(inner) and all(any(_is_part(one, other) for other in outer) for one in inner)


def _is_part(one: Network, other: Network) -> bool:
    if isinstance(one, IPv4Network):
        return isinstance(other, IPv4Network) and one.subnet_of(other)
    return isinstance(other, IPv6Network) and one.subnet_of(other)
