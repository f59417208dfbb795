"""Where a call comes from: the address of the caller, as far as whoever tells it is trusted.

A bridge in this process is; one elsewhere is by the token that it shares with core
(REAPI_BRIDGE_TOKEN). Everybody else is where the connection comes from, whatever they send.
"""

import hmac
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

from accounts.networks import NOWHERE, network_of
from core.body import Secret
from core.caller import Whence

CLIENT_IP: Final = "x-reapi-client-ip"
USER_AGENT: Final = "x-reapi-user-agent"
BRIDGE: Final = "x-reapi-bridge"
LOCAL: Final = "local:"
"""The peer of calls over a `LocalChannel`."""


class Clients:
    """Knows who may tell where a caller is. *token* is what bridges elsewhere prove themselves by;
    None: none of them is believed.
    """

    def __init__(self, token: Secret[str] | None = None) -> None:
        self._token = None if token is None else token.reveal().encode()

    def whence(self, metadata: Mapping[str, object], peer: str) -> Whence:
        """Where the caller is, and who is counted for what it does.

        *peer* is the other end of the connection, in the words of gRPC.
        """
        told = metadata.get(CLIENT_IP)
        if peer == LOCAL or self._is_bridge(metadata):
            address = str(told or "")
            agent = str(metadata.get(USER_AGENT, ""))
            return Whence(address, agent, network_of(address) or NOWHERE, is_believed=True)
        # Whoever tells an address is a bridge without the token, or lies. In front of a bridge
        # stands somebody else: its own address would open the networks that it is in to everybody.
        # But what it does is counted against it, or a lie would free whoever tells it.
        address = _address(peer)
        return Whence(address if told is None else "", "", network_of(address) or NOWHERE)

    def _is_bridge(self, metadata: Mapping[str, object]) -> bool:
        if self._token is None:
            return False
        shown = metadata.get(BRIDGE)
        return isinstance(shown, str) and hmac.compare_digest(shown.encode(), self._token)


def _address(peer: str) -> str:
    """The address in `ipv4:192.0.2.1:5` or `ipv6:%5B2001:db8::1%5D:5`; empty: a Unix socket."""
    family, _, rest = peer.partition(":")
    if family == "ipv4":
        return rest.rpartition(":")[0]
    if family == "ipv6":
        return unquote(rest).rpartition(":")[0].strip("[]")
    return ""
