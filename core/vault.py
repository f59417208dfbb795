"""The vault of `accounts`, over the server keys."""

from core.keyring import Keyring
from core.sealing import Sealer


class KeyringVault:
    """An `accounts.vault.Vault`."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def seal(self, purpose: str, text: str, *belongs_to: bytes) -> bytes:
        """Sealed under the newest key."""
        return Sealer(self._keyring, purpose).seal(text, *belongs_to)

    def open(self, purpose: str, sealed: bytes, *belongs_to: bytes) -> str:
        """Opened with any key of the ring; raises UnsealError."""
        return Sealer(self._keyring, purpose).open(sealed, *belongs_to).reveal()

    def digest(self, purpose: str, *parts: bytes) -> bytes:
        """Under the newest key."""
        return self._keyring.mac(purpose, *parts)

    def digests(self, purpose: str, *parts: bytes) -> list[bytes]:
        """Under every key, newest first."""
        return self._keyring.candidates(purpose, *parts)
