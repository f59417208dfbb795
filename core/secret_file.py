"""The file that holds the server keys, in the clear or wrapped (docs/secrets.md).

In the clear: `{"keys": ["<base64 of 32 bytes>", …], "coming": …, "retired": […]}`, newest first.
Wrapped: the same under AES-256-GCM with a key of its own, and that key as a key service wrapped it:
`{"wrapped_key": "<base64>", "sealed": "<base64>"}`.
"""

import base64
import binascii
import fcntl
import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.key_service import KeyService, KeyServiceError
from core.keyring import KEY_BYTES, Keyring, KeyringError

_NONCE: Final = 12
_READABLE: Final = 0o660
"""Whom a mode may let in at most: the owner, and a group that the operator chose."""
_PURPOSE: Final = b"reapi secret file"


class SecretFile:
    """The file at *path*; *service* wraps new ones and opens wrapped ones. Raises KeyringError."""

    def __init__(self, path: Path, service: KeyService | None = None) -> None:
        self._path = path
        self._service = service

    def open(self) -> Keyring:
        """Read it, or make it."""
        if not self._path.exists():
            self._create()
        return self.read()

    def read(self) -> Keyring:
        """The keys in it."""
        try:
            content = json.loads(self._path.read_text())
            if "sealed" in content:
                content = json.loads(self._opened(content))
            keyring = _keyring(content)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise KeyringError(
                f"{self._path.name} is not a readable secret file; restore it"
            ) from None
        every = (*keyring.keys, *([] if keyring.coming is None else [keyring.coming]))
        if not keyring.keys or any(len(key) != KEY_BYTES for key in every):
            raise KeyringError(f"{self._path.name} must hold keys of {KEY_BYTES} bytes; restore it")
        return keyring

    @property
    def is_wrapped(self) -> bool:
        """Whether its keys lie wrapped."""
        try:
            return "sealed" in json.loads(self._path.read_text())
        except (OSError, ValueError, TypeError):
            return False

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else changes it meanwhile."""
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def write(self, keyring: Keyring, *, wrapped: bool) -> None:
        """Put *keyring* in its place, whole or not at all, and on the disk when this returns.

        Owner and mode of the file stay as they are.
        """
        draft = self._draft(keyring, wrapped=wrapped)
        try:
            if self._path.exists():
                keep_owner(draft, self._path)
            draft.replace(self._path)
        finally:
            draft.unlink(missing_ok=True)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _create(self) -> None:
        """Write a new one; when two processes race, the first one's file wins."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        keyring = Keyring((secrets.token_bytes(KEY_BYTES),))
        draft = self._draft(keyring, wrapped=self._service is not None)
        try:
            os.link(draft, self._path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()

    def _draft(self, keyring: Keyring, *, wrapped: bool) -> Path:
        content = _written(keyring)
        text = self._sealed(content) if wrapped else content
        draft = self._path.with_name(f"{self._path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        return draft

    def _sealed(self, content: str) -> str:
        key, nonce = secrets.token_bytes(KEY_BYTES), secrets.token_bytes(_NONCE)
        sealed = nonce + AESGCM(key).encrypt(nonce, content.encode(), _PURPOSE)
        try:
            wrapped = self._needed().wrap(key)
        except KeyServiceError as error:
            raise KeyringError(f"{self._path.name} cannot be wrapped: {error}") from None
        return json.dumps({"wrapped_key": _text(wrapped), "sealed": _text(sealed)})

    def _opened(self, content: dict[str, str]) -> bytes:
        sealed = _bytes(content["sealed"])
        try:
            key = self._needed().unwrap(_bytes(content["wrapped_key"]))
            return AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], _PURPOSE)
        except KeyServiceError as error:
            raise KeyringError(f"{self._path.name} cannot be opened: {error}") from None
        except (InvalidTag, ValueError):
            raise KeyringError(
                f"{self._path.name} cannot be opened: what unwraps its key gave another one"
            ) from None

    def _needed(self) -> KeyService:
        if self._service is None:
            raise KeyringError(
                f"{self._path.name} is wrapped: set REAPI_MASTER_KEY_FILE, REAPI_MASTER_KEY or "
                f"REAPI_KMS_COMMAND, as when it was wrapped"
            )
        return self._service


def keep_owner(draft: Path, file: Path) -> None:
    """Let *draft*, which is to replace *file*, be read by whom that one is, and by nobody else.

    Raises KeyringError where it cannot be: then the gateway could not read it any more.
    """
    was = file.stat()
    descriptor = os.open(draft, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        is_ours = os.fstat(descriptor)
        if (was.st_uid, was.st_gid) != (is_ours.st_uid, is_ours.st_gid):
            os.fchown(descriptor, was.st_uid, was.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(was.st_mode) & _READABLE)
    except PermissionError:
        raise KeyringError(f"{file.name} is somebody else's: run this as its owner") from None
    finally:
        os.close(descriptor)


def _keyring(content: dict[str, object]) -> Keyring:
    keys, coming, retired = content["keys"], content.get("coming"), content.get("retired", [])
    if not isinstance(keys, list) or not isinstance(retired, list):
        raise TypeError
    return Keyring(
        tuple(_bytes(text) for text in keys),
        None if coming is None else _bytes(coming),
        tuple(_bytes(text) for text in retired),
    )


def _written(keyring: Keyring) -> str:
    content: dict[str, object] = {"keys": [_text(key) for key in keyring.keys]}
    if keyring.coming is not None:
        content["coming"] = _text(keyring.coming)
    if keyring.retired:
        content["retired"] = [_text(raw) for raw in keyring.retired]
    return json.dumps(content)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: object) -> bytes:
    if not isinstance(text, str):
        raise TypeError
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError from None
