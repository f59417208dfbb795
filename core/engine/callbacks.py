"""Callback URLs of jobs: unguessable, and worth no more than a look.

Providers sign nothing that we could rely on (providers.md 10.3), so what they post is not read:
it only says that the job it belongs to should be looked at now.
"""

import hmac
from ipaddress import ip_address
from urllib.parse import urlsplit
from uuid import UUID

from core.engine.jobs import Pursuit
from core.keyring import Keyring

PURPOSE = "provider-callback"
_MAC_BYTES = 16
_ID_DIGITS = 32


class Callbacks:
    """Makes and recognises them. *public_url* is the base under which we can be reached."""

    def __init__(self, keyring: Keyring, public_url: str) -> None:
        self._keyring = keyring
        self._public_url = public_url

    def url(self, pursuit: Pursuit) -> str:
        """Where the provider shall post; empty where it could not reach us."""
        channel = pursuit.channel
        if is_local(self._public_url) and not is_local(channel.base_url):
            return ""
        return f"{self._public_url}/callbacks/{channel.name}/{self._token(channel.name, pursuit)}"

    def generation_of(self, channel: str, token: str) -> UUID | None:
        """Which generation a callback is for; None for one that we did not ask for."""
        digits, mac = token[:_ID_DIGITS], token[_ID_DIGITS:]
        try:
            id_ = UUID(hex=digits)
        except ValueError:
            return None
        known = [
            digest[:_MAC_BYTES].hex()
            for digest in self._keyring.candidates(PURPOSE, id_.bytes, channel.encode())
        ]
        # Every key is tried, so that time tells nothing.
        matches = [hmac.compare_digest(each.encode(), mac.encode()) for each in known]
        return id_ if any(matches) else None

    def _token(self, channel: str, pursuit: Pursuit) -> str:
        id_ = pursuit.entry.id
        digest = self._keyring.mac(PURPOSE, id_.bytes, channel.encode())
        return f"{id_.hex}{digest[:_MAC_BYTES].hex()}"


def is_local(url: str) -> bool:
    """Whether *url* leads to this machine only."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or not host
