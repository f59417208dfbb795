"""Server keys: what fingerprints, API keys and signatures are computed under."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.key_service import KeyService

KEY_BYTES = 32
_ADMIN = "admin-token"
_NAME = "key-name"
_AT_ONCE = 64 * 1024
"""Up to so many bytes are joined first, which costs less than one call for each part."""


class KeyringError(Exception):
    """The secret file cannot be used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """Keys, newest first. The first one signs; all of them verify, so keys can be rotated."""

    keys: Sequence[bytes] = field(repr=False)
    coming: bytes | None = field(default=None, repr=False)
    """One that will be the first: it verifies, so that others may sign with it already."""
    retired: Sequence[bytes] = ()
    """Public keys of dropped ones, with which signatures are still checked."""

    def mac(self, purpose: str, *parts: bytes) -> bytes:
        """HMAC-SHA-256 (32 bytes) over length-prefixed *parts*, under the newest key.

        *purpose* separates uses, so that a digest made for one is worthless in another.
        """
        return _mac(self.keys[0], purpose, parts)

    def candidates(self, purpose: str, *parts: bytes) -> list[bytes]:
        """The same digest under every key, newest first: for verifying."""
        return [_mac(key, purpose, parts) for key in self._known]

    def oldest(self, purpose: str, *parts: bytes) -> bytes:
        """The same under the oldest key: it stays what it is when a key is added."""
        return _mac(self.keys[-1], purpose, parts)

    @property
    def newest(self) -> "Keyring":
        """The key that signs, alone."""
        return Keyring(self.keys[:1])

    @property
    def names(self) -> list[str]:
        """A name of each key, newest first, that tells nothing of it."""
        return [_mac(key, _NAME, ())[:8].hex() for key in self._known]

    @property
    def _known(self) -> Sequence[bytes]:
        return self.keys if self.coming is None else (*self.keys, self.coming)


def _mac(key: bytes, purpose: str, parts: Sequence[bytes]) -> bytes:
    if sum(map(len, parts)) <= _AT_ONCE:
        pieces = [purpose.encode()]
        for part in parts:
            pieces += (len(part).to_bytes(8, "big"), part)
        return hmac.digest(key, b"".join(pieces), "sha256")
    digest = hmac.new(key, purpose.encode(), hashlib.sha256)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()


def admin_token(keyring: Keyring) -> str:
    """The operator's token: it follows from the server key, so it is stored nowhere."""
    return f"ra_{keyring.mac(_ADMIN).hex()}"


def open_keyring(path: Path, service: KeyService | None = None) -> Keyring:
    """Read the secret file, or make it on first start (mode 0600); raises KeyringError.

    A file that is wrapped needs the *service* that wrapped it.
    """
    from core.secret_file import SecretFile  # noqa: PLC0415 (it knows Keyring)

    return SecretFile(path, service).open()
