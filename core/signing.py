"""Signs what others shall be able to check without us: Ed25519, under keys that follow from ours.

A public key has a name that is made of it, so that a signature made before a rotation still finds
its key: every server key that is still there has one, and of those that were dropped it is kept.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

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
        # Made once: to make one costs more than a signature.
        self._public_keys = [_public(key) for key in self._keys]
        self._retired = keyring.retired

    @property
    def public_keys(self) -> list[PublicKey]:
        """All that may have signed, newest first."""
        retired = [PublicKey(key_id(raw), raw) for raw in self._retired]
        return [*self._public_keys, *retired]

    def sign(self, payload: bytes) -> Signature:
        """The signature of the newest key."""
        return Signature(payload, self._keys[0].sign(payload), self._public_keys[0].id)


def public_key(key: bytes) -> bytes:
    """The public key, raw, of one server key: kept when that is dropped."""
    seed = Keyring((key,)).mac(PURPOSE)
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def verifier(keys: Iterable[bytes]) -> Callable[[str, bytes, bytes], bool]:
    """What says whether the key of that name made a signature over a payload.

    *keys* are the public ones to trust, 32 bytes each; raises ValueError for another length.
    """
    trusted = {key_id(raw): Ed25519PublicKey.from_public_bytes(raw) for raw in keys}

    def verify(name: str, signature: bytes, payload: bytes) -> bool:
        key = trusted.get(name)
        try:
            if key is not None:
                key.verify(signature, payload)
        except InvalidSignature:
            return False
        return key is not None

    return verify


def key_id(raw: bytes) -> str:
    """The name of a public key, which is made of it."""
    return hashlib.sha256(raw).hexdigest()[:_NAME_DIGITS]


def _public(key: Ed25519PrivateKey) -> PublicKey:
    raw = key.public_key().public_bytes_raw()
    return PublicKey(key_id(raw), raw)
