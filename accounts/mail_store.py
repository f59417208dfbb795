"""The queue of mail as those who send it see it: rows that are claimed, and what becomes of them.

A claim is a lease: who dies with one leaves its mails to others. So a mail may be handed to the
mail service twice, under the same idempotency key (its id) and with the same text.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from accounts.addresses import address_digests
from accounts.mail_queue import PURPOSE, Kind, Letter
from accounts.mail_rules import Cause, Wishes
from accounts.vault import Vault

HOLD_SECONDS: Final = 60
"""How long a claimed mail is nobody else's: several times what sending one may take."""

_CLAIM = """
UPDATE mail m
   SET due_at = clock_timestamp() + %(hold)s * interval '1 second', tries = m.tries + 1,
       asked_at = coalesce(m.asked_at, clock_timestamp())
  FROM (SELECT mail_id FROM mail
         WHERE sealed IS NOT NULL AND due_at <= clock_timestamp()
         ORDER BY is_bulk, due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED) AS x
 WHERE m.mail_id = x.mail_id
RETURNING m.mail_id, m.kind, m.sealed, m.tries,
          extract(epoch FROM clock_timestamp() - m.asked_at)::float8, m.user_id, m.account_id,
          (SELECT ARRAY[u.newsletter, u.product_notices, u.billing_notices]
             FROM app_user u WHERE u.user_id = m.user_id)
"""
_SENT = """
UPDATE mail SET sealed = NULL, sent_at = clock_timestamp(), provider_id = %(provider)s, fault = ''
 WHERE mail_id = %(id)s AND sealed IS NOT NULL
"""
# Only its own claim: somebody else may have tried it since.
_LATER = """
UPDATE mail SET due_at = clock_timestamp() + %(seconds)s * interval '1 second', fault = %(fault)s
 WHERE mail_id = %(id)s AND tries = %(tries)s AND sealed IS NOT NULL
"""
_GIVE_UP = """
UPDATE mail SET sealed = NULL, failed_at = clock_timestamp(), fault = %(fault)s
 WHERE mail_id = %(id)s AND sealed IS NOT NULL
"""
# What tells of a deletion is the last that is known of somebody: no row of it stays.
_FORGET = "DELETE FROM mail WHERE mail_id = %(id)s AND kind = 'account_erased'"
_IS_SUPPRESSED = "SELECT FROM mail_suppression WHERE email_hmac = ANY (%s)"
_SUPPRESS_SENT = """
INSERT INTO mail_suppression (email_hmac, cause)
SELECT email_hmac, %(cause)s FROM mail WHERE provider_id = %(provider)s
    ON CONFLICT (email_hmac) DO UPDATE SET cause = EXCLUDED.cause
     WHERE EXCLUDED.cause = 'complaint'
"""
_IS_OURS = "SELECT FROM mail WHERE provider_id = %s"
_RESTORE = "DELETE FROM mail_suppression WHERE email_hmac = %s AND cause = 'bounce'"


@dataclass(frozen=True, slots=True)
class Queued:
    """A mail whose turn it is."""

    id: UUID
    kind: Kind
    sealed: bytes = field(repr=False)
    tries: int
    """This one included."""
    asked_seconds: float
    """Since the first try."""
    user_id: UUID | None
    account_id: UUID | None
    wishes: Wishes | None
    """Of the person; None: there is no such person, or no more."""


class Mails:
    """The rows of mail. Raises what the pool raises."""

    def __init__(self, pool: AsyncConnectionPool[Any], vault: Vault) -> None:
        self._pool = pool
        self._vault = vault

    async def claim(self, limit: int) -> Sequence[Queued]:
        """Mails whose turn it is; they are this caller's for HOLD_SECONDS."""
        values = {"hold": HOLD_SECONDS, "limit": limit}
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(_CLAIM, values)).fetchall()
        return [_queued(row) for row in rows]

    def opened(self, item: Queued) -> Letter:
        """What it says; raises what the vault raises where its key is gone."""
        content = json.loads(self._vault.open(PURPOSE, item.sealed, item.id.bytes))
        return Letter(
            item.id,
            item.kind,
            content["to"],
            content["facts"],
            content["name"],
            content["locale"],
            item.user_id,
            item.account_id,
        )

    async def sent(self, item: Queued, provider_id: str | None) -> None:
        """It is with the mail service: what it says is forgotten at once."""
        await self._note(_SENT, item, provider=provider_id)

    async def later(self, item: Queued, fault: str, seconds: float) -> None:
        """It could not be sent: try again."""
        await self._note(_LATER, item, fault=fault, seconds=seconds, tries=item.tries)

    async def give_up(self, item: Queued, fault: str) -> None:
        """It will not be sent: what it says is forgotten."""
        await self._note(_GIVE_UP, item, fault=fault)

    async def is_suppressed(self, address: str) -> bool:
        """Whether mail to *address* bounced or was complained of."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(
                _IS_SUPPRESSED, (address_digests(self._vault, address),)
            )
            return await cursor.fetchone() is not None

    async def suppress(self, provider_id: str, cause: Cause) -> bool:
        """Send no more mail to where that one went; whether it is one of ours."""
        async with self._pool.connection() as connection, connection.transaction():
            values = {"provider": provider_id, "cause": cause}
            await connection.execute(_SUPPRESS_SENT, values)
            cursor = await connection.execute(_IS_OURS, (provider_id,))
            return await cursor.fetchone() is not None

    async def _note(self, statement: str, item: Queued, **values: Any) -> None:
        if item.kind is Kind.ACCOUNT_ERASED and statement != _LATER:
            statement = _FORGET
        async with self._pool.connection() as connection:
            await connection.execute(statement, {"id": item.id, **values})


async def restore(connection: AsyncConnection[Any], email_digest: bytes) -> None:
    """Mail to that address arrives again: somebody opened the link of one. A complaint stays."""
    await connection.execute(_RESTORE, (email_digest,))


def _queued(row: TupleRow) -> Queued:
    id_, kind, sealed, tries, asked_seconds, user_id, account_id, wishes = row
    known = Wishes(*wishes) if wishes else None
    return Queued(id_, Kind(kind), sealed, tries, asked_seconds, user_id, account_id, known)
