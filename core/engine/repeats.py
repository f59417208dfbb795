"""Requests that change something and may come twice: the second finds what the first did."""

from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection

from core.body import Body
from core.errors import GatewayError, Reason
from core.keyring import Keyring
from core.values import dataclass

_PURPOSE: Final = "request-id"

_FORGET = """
DELETE FROM call_repeat
 WHERE account_id = %s AND key_hmac = %s AND expires_at <= clock_timestamp()
"""
_REMEMBER = """
INSERT INTO call_repeat (account_id, key_hmac, request_hmac, made, expires_at)
VALUES (%s, %s, %s, %s, clock_timestamp() + interval '24 hours')
    ON CONFLICT DO NOTHING
RETURNING true
"""
_RECALL = """
SELECT request_hmac, made FROM call_repeat WHERE account_id = %s AND key_hmac = %s
"""

Connection = AsyncConnection[Any]


@dataclass(frozen=True, slots=True)
class Request:
    """One request of an account; *key* is its request_id, *contents* all the rest of it."""

    account_id: UUID
    method: str
    contents: bytes
    key: Body[str] | None = None


class Repeats:
    """What was done under which request_id, in the last 24 hours."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def of(self, request: Request) -> Callable[[Connection, UUID], Awaitable[UUID | None]]:
        """`found` of *request*, for stores that know nothing of requests."""
        return lambda connection, made: self.found(connection, request, made)

    async def found(self, connection: Connection, request: Request, made: UUID) -> UUID | None:
        """What *request* made before; None: it is new, and will have made *made*.

        Call it first in the transaction that does it. Raises IDEMPOTENCY_MISMATCH.
        """
        if request.key is None:
            return None
        mac = self._keyring.oldest  # it stays the same when a key is added
        key = mac(_PURPOSE, request.method.encode(), request.key.reveal().encode())
        contents = mac(_PURPOSE, request.method.encode(), b"contents", request.contents)
        await connection.execute(_FORGET, (request.account_id, key))
        values = (request.account_id, key, contents, made)
        cursor = await connection.execute(_REMEMBER, values)
        if await cursor.fetchone() is not None:
            return None
        cursor = await connection.execute(_RECALL, (request.account_id, key))
        row = await cursor.fetchone()
        if row is None or row[0] != contents:
            raise GatewayError(
                Reason.IDEMPOTENCY_MISMATCH,
                "This request_id was used for another request.",
                parameter="request_id",
            )
        found: UUID = row[1]
        return found
