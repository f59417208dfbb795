"""Bearer tokens of API keys: checked against the directory, in constant time."""

import hmac
from collections.abc import Callable
from datetime import datetime

from accounts.directory import KeyDirectory, KeyRow
from accounts.keys import KeyText, parse_key
from core.caller import Caller
from core.errors import GatewayError, Reason
from core.keyring import Keyring

PURPOSE = "api-key"


class KeyAuthenticator:
    """An `Authenticator` over the key directory. *now* gives the wall clock in UTC."""

    def __init__(
        self, directory: KeyDirectory, keyring: Keyring, now: Callable[[], datetime]
    ) -> None:
        self._directory = directory
        self._keyring = keyring
        self._now = now

    async def authenticate(self, token: str) -> Caller:
        """Find who sent *token*; raises GatewayError, or StorageUnavailable."""
        key = parse_key(token)
        row = await self._directory.find(key.public_id) if key is not None else None
        if key is None or row is None or not self._is_good(key, row):
            raise GatewayError(
                Reason.API_KEY_INVALID,
                "Incorrect API key provided. Create one, or check that it was copied whole.",
            )
        if row.suspended:
            raise GatewayError(
                Reason.ACCOUNT_SUSPENDED, "The account is suspended; contact the operator."
            )
        return Caller(row.account_id, row.id, sandbox=row.sandbox)

    def _is_good(self, key: KeyText, row: KeyRow) -> bool:
        digests = self._keyring.candidates(PURPOSE, key.public_id.encode(), key.secret.encode())
        known = [hmac.compare_digest(digest, row.digest) for digest in digests]
        expired = row.expires_at is not None and row.expires_at <= self._now()
        return any(known) and not row.revoked and not expired and row.sandbox == key.sandbox


def digest_of(keyring: Keyring, key: KeyText) -> bytes:
    """What is stored of a new key."""
    return keyring.mac(PURPOSE, key.public_id.encode(), key.secret.encode())
