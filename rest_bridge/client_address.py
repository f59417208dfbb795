"""Who sent an HTTP request: the connection's other end, or whom trusted proxies name. Pure.

`X-Forwarded-For` grows to the right: each proxy adds whom it got the request from. So it is read
from the right, as far as the proxies are the operator's; what stands before is a caller's word.
"""

from collections.abc import Iterable, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)
from typing import Any, Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

FORWARDED: Final = b"x-forwarded-for"
_MOST: Final = 20
"""Hops that are looked at: more proxies than anybody has in a row."""
_KEPT: Final = 1_000
"""Peers of which is remembered whether they are trusted: proxies are few."""


class Proxies:
    """The operator's proxies, in front of this bridge."""

    def __init__(self, trusted: Sequence[Network] = ()) -> None:
        self._trusted = tuple(trusted)
        self._known: dict[str, bool] = {}

    def client(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """The caller's address as text; empty where a proxy names none that can be read."""
        if not self._trusted or not self._is_proxy(peer):
            return peer
        # Several lines are one list (RFC 9110 5.3).
        lines = [value for name, value in headers if name == FORWARDED]
        hops = b",".join(lines).decode("latin-1").split(",") if lines else []
        nearest = peer
        for hop in reversed(hops[-_MOST:]):
            address = _read(hop)
            if address is None:
                return ""
            nearest = str(address)
            if not self._trusts(address):
                return nearest
        return nearest

    def _is_proxy(self, peer: str) -> bool:
        known = self._known.get(peer)
        if known is None:
            address = _read(peer)
            known = address is not None and self._trusts(address)
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[peer] = known
        return known

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def peer_of(scope: Any) -> str:
    """The other end of an ASGI connection; empty: it is none of IP."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def _read(text: str) -> Address | None:
    """An address, with a port after it or without; IPv4 that is written as IPv6 is IPv4."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
