"""Server keys: what fingerprints, API keys and signatures are computed under."""

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
    _begun: Sequence[hmac.HMAC] = field(init=False, repr=False, compare=False)
    """A digest of nothing yet under every key that verifies, newest first: a copy costs less than
    a new one, and every request takes two.
    """

    def __post_init__(self) -> None:
        known = self.keys if self.coming is None else (*self.keys, self.coming)
        begun = tuple([hmac.new(key, digestmod="sha256") for key in known])
        object.__setattr__(self, "_begun", begun)

    def mac(self, purpose: str, *parts: bytes) -> bytes:
        """HMAC-SHA-256 (32 bytes) over length-prefixed *parts*, under the newest key.

        *purpose* separates uses, so that a digest made for one is worthless in another.
        """
        return _mac(self._begun[0], purpose, parts)

    def candidates(self, purpose: str, *parts: bytes) -> list[bytes]:
        """The same digest under every key, newest first: for verifying."""
        return [_mac(begun, purpose, parts) for begun in self._begun]

    def oldest(self, purpose: str, *parts: bytes) -> bytes:
        """The same under the oldest key: it stays what it is when a key is added."""
        return _mac(self._begun[len(self.keys) - 1], purpose, parts)

    @property
    def newest(self) -> "Keyring":
        """The key that signs, alone."""
        return Keyring(self.keys[:1])

    @property
    def names(self) -> list[str]:
        """A name of each key, newest first, that tells nothing of it."""
        return [_mac(begun, _NAME, ())[:8].hex() for begun in self._begun]


def _mac(begun: hmac.HMAC, purpose: str, parts: Sequence[bytes]) -> bytes:
    digest = begun.copy()
    if sum(map(len, parts)) <= _AT_ONCE:
        framed = [len(part).to_bytes(8, "big") + part for part in parts]
        digest.update(purpose.encode() + b"".join(framed))
        return digest.digest()
    digest.update(purpose.encode())
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
