"""Signs what others shall be able to check without us: Ed25519, under keys that follow from ours.

A public key has a name that is made of it, so that a signature made before a rotation still finds
its key: every server key that is still there has one.
"""

import hashlib
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.keyring import Keyring

PURPOSE = "ledger-key"
_NAME_DIGITS = 16


@dataclass(frozen=True, slots=True)
class PublicKey:
    """What signatures are checked with: 32 bytes (RFC 8032), and its name."""

    id: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Signature:
    """64 bytes over *payload*, and which key made them."""

    payload: bytes
    value: bytes
    key_id: str


class Signer:
    """Signs under the newest server key."""

    def __init__(self, keyring: Keyring) -> None:
        self._keys = [
            Ed25519PrivateKey.from_private_bytes(seed) for seed in keyring.candidates(PURPOSE)
        ]

    @property
    def public_keys(self) -> list[PublicKey]:
        """All that may have signed, newest first."""
        return [_public(key) for key in self._keys]

    def sign(self, payload: bytes) -> Signature:
        """The signature of the newest key."""
        return Signature(payload, self._keys[0].sign(payload), _public(self._keys[0]).id)


def _public(key: Ed25519PrivateKey) -> PublicKey:
    raw = key.public_key().public_bytes_raw()
    return PublicKey(hashlib.sha256(raw).hexdigest()[:_NAME_DIGITS], raw)
