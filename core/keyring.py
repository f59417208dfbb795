"""Server keys: what fingerprints, API keys and signatures are computed under."""

import base64
import binascii
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

KEY_BYTES = 32
_ADMIN = "admin-token"
_AT_ONCE = 64 * 1024
"""Up to so many bytes are joined first, which costs less than one call for each part."""


class KeyringError(Exception):
    """The secret file cannot be used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """Keys, newest first. The first one signs; all of them verify, so keys can be rotated."""

    keys: Sequence[bytes] = field(repr=False)

    def mac(self, purpose: str, *parts: bytes) -> bytes:
        """HMAC-SHA-256 (32 bytes) over length-prefixed *parts*, under the newest key.

        *purpose* separates uses, so that a digest made for one is worthless in another.
        """
        return _mac(self.keys[0], purpose, parts)

    def candidates(self, purpose: str, *parts: bytes) -> list[bytes]:
        """The same digest under every key, newest first: for verifying."""
        return [_mac(key, purpose, parts) for key in self.keys]


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


def open_keyring(path: Path) -> Keyring:
    """Read the secret file, or make it on first start (mode 0600).

    Its form is `{"keys": ["<base64 of 32 bytes>", …]}`, newest first. To rotate, put a new
    key in front and keep the old one for 24 hours, for as long as API keys made under it
    shall work, and for as long as what was sealed under it (`core.sealing`) shall be read.
    """
    if not path.exists():
        _create(path)
    try:
        keys = [
            base64.b64decode(text, validate=True) for text in json.loads(path.read_text())["keys"]
        ]
    except (OSError, ValueError, KeyError, TypeError, binascii.Error):
        raise KeyringError(f"{path.name} is not a readable secret file; restore it") from None
    if not keys or any(len(key) != KEY_BYTES for key in keys):
        raise KeyringError(f"{path.name} must hold keys of {KEY_BYTES} bytes; restore it")
    return Keyring(tuple(keys))


def _create(path: Path) -> None:
    """Write a new secret file; when two processes race, the first one's file wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = json.dumps({"keys": [base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()]})
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
