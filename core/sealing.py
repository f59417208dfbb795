"""Texts that must be read again but must not lie in the clear: sealed under a server key.

For columns that hold what a customer typed or what signs his messages: the database, its log
of changes and its backups have only what this makes. Each text gets a key of its own, derived
from the server key and a salt, so no number of texts wears a key out; AES-256-GCM does the rest
(NIST SP 800-38D). What it belongs to is authenticated with it: a value that is copied to another
row does not open there.
"""

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.body import Secret
from core.keyring import Keyring

_VERSION: Final = b"\x01"
_SALT: Final = 16
_NONCE: Final = 12
_HEAD: Final = len(_VERSION) + _SALT + _NONCE


class UnsealError(Exception):
    """The bytes were not sealed for this use, or under a server key that is gone."""


class Sealer:
    """Seals texts for one *purpose*: what is sealed for one opens for no other."""

    def __init__(self, keyring: Keyring, purpose: str) -> None:
        self._keyring = keyring
        self._purpose = f"seal:{purpose}"

    def seal(self, text: str, *belongs_to: bytes) -> bytes:
        """*text*, 45 bytes longer and unreadable. The newest key seals."""
        head = _VERSION + os.urandom(_SALT + _NONCE)
        key = self._keyring.mac(self._purpose, head[1 : 1 + _SALT])
        return head + AESGCM(key).encrypt(head[1 + _SALT :], text.encode(), _bound(belongs_to))

    def open(self, sealed: bytes, *belongs_to: bytes) -> Secret[str]:
        """What was sealed, under any key of the ring; raises UnsealError."""
        if sealed[:1] == _VERSION and len(sealed) > _HEAD:
            salt, nonce = sealed[1 : 1 + _SALT], sealed[1 + _SALT : _HEAD]
            for key in self._keyring.candidates(self._purpose, salt):
                try:
                    data = AESGCM(key).decrypt(nonce, sealed[_HEAD:], _bound(belongs_to))
                except InvalidTag:
                    continue
                return Secret(data.decode())
        raise UnsealError


def _bound(parts: tuple[bytes, ...]) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
