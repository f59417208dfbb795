"""What wraps the server keys: a master key, or a key management service behind a command."""

import base64
import binascii
import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.body import Secret

MASTER_KEY_BYTES: Final = 32
COMMAND_SECONDS: Final = 20.0
"""What a command may take: a start-up waits for it, and a service that answers does so in one."""
_ANSWER_BYTES: Final = 64 * 1024
"""More than any service makes of 32 bytes."""
_NONCE: Final = 12
_PURPOSE: Final = b"reapi data key"


class KeyServiceError(Exception):
    """The key was not wrapped or unwrapped; the message says why and shows nothing of it."""


class KeyService(Protocol):
    """Wraps keys of 32 bytes, so that what it makes of them may lie on a disk."""

    def wrap(self, key: bytes) -> bytes:
        """*key*, unreadable; raises KeyServiceError."""
        ...

    def unwrap(self, wrapped: bytes) -> bytes:
        """What was wrapped; raises KeyServiceError."""
        ...


class MasterKey:
    """A key of the operator's: AES-256-GCM (NIST SP 800-38D)."""

    def __init__(self, key: Secret[bytes]) -> None:
        assert len(key) == MASTER_KEY_BYTES
        self._key = key

    def wrap(self, key: bytes) -> bytes:
        """28 bytes longer."""
        nonce = os.urandom(_NONCE)
        return nonce + AESGCM(self._key.reveal()).encrypt(nonce, key, _PURPOSE)

    def unwrap(self, wrapped: bytes) -> bytes:
        """Raises KeyServiceError for another master key."""
        nonce, rest = wrapped[:_NONCE], wrapped[_NONCE:]
        try:
            return AESGCM(self._key.reveal()).decrypt(nonce, rest, _PURPOSE)
        except (InvalidTag, ValueError):
            raise KeyServiceError("it was wrapped under another master key") from None


class KeyCommand:
    """A command of the operator's that asks a service: `command wrap` and `command unwrap`.

    The key goes to its standard input and comes from its standard output, as bytes. What it says
    on standard error is not shown: it may hold anything.
    """

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str], seconds: float = COMMAND_SECONDS
    ) -> None:
        self._command = command
        self._env = {name: text for name, text in env.items() if not name.startswith("REAPI_")}
        self._seconds = seconds

    def wrap(self, key: bytes) -> bytes:
        """What the service makes of it."""
        return self._run("wrap", key)

    def unwrap(self, wrapped: bytes) -> bytes:
        """What it was made of."""
        return self._run("unwrap", wrapped)

    def _run(self, action: str, data: bytes) -> bytes:
        try:
            done = subprocess.run(  # noqa: S603 - the operator's own command, without a shell
                [*self._command, action],
                input=data,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=self._seconds,
                env=self._env,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise KeyServiceError(
                f"REAPI_KMS_COMMAND {action} took longer than {self._seconds:g} s"
            ) from None
        except OSError as error:
            raise KeyServiceError(f"REAPI_KMS_COMMAND cannot be run ({error.strerror})") from None
        if done.returncode != 0:
            raise KeyServiceError(f"REAPI_KMS_COMMAND {action} ended with {done.returncode}")
        if not 0 < len(done.stdout) <= _ANSWER_BYTES:
            raise KeyServiceError(f"REAPI_KMS_COMMAND {action} gave no key")
        return done.stdout


def read_master_key(text: str) -> Secret[bytes] | None:
    """The key in base64; None: it is none."""
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (ValueError, binascii.Error):
        return None
    return Secret(key) if len(key) == MASTER_KEY_BYTES else None
