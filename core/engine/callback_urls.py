"""`callback_url` of a request: checked, sealed, and kept apart from everything else."""

from contextlib import suppress
from typing import Final
from uuid import UUID

from core.body import Body, Secret
from core.engine.records import Callback
from core.errors import GatewayError, Reason
from core.fetch.addresses import Network, NotAllowedError
from core.fetch.posting import receiver
from core.keyring import Keyring
from core.sealing import Sealer

PURPOSE: Final = "callback-url"
_TARGET: Final = "callback-host"


class CallbackUrls:
    """Seals and opens them. *networks* may be told besides the open internet, by http too."""

    def __init__(self, keyring: Keyring, networks: tuple[Network, ...] = ()) -> None:
        self._keyring = keyring
        self._sealer = Sealer(keyring, PURPOSE)
        self._networks = networks

    def seal(self, account_id: UUID, url: Body[str]) -> Callback:
        """What is kept of *url*; raises INVALID_PARAMETER, which never repeats it.

        Messages to one host wait for each other, so the host is known by a keyed digest.
        """
        host = None
        with suppress(NotAllowedError):
            host = receiver(url.reveal(), self._networks)
        if host is None:
            raise GatewayError(
                Reason.INVALID_PARAMETER,
                "`callback_url` must be a public https URL.",
                parameter="callback_url",
            )
        digest = self._keyring.mac(_TARGET, account_id.bytes, host.encode())
        target = UUID(bytes=digest[:16])
        return Callback(target, self._sealer.seal(url.reveal(), account_id.bytes))

    def open(self, account_id: UUID, sealed: bytes) -> Secret[str]:
        """The URL itself; raises UnsealError."""
        return self._sealer.open(sealed, account_id.bytes)
