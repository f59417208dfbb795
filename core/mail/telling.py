"""Mail about money: notices and receipts, to those members of an account whom it concerns.

Each notice and each credited payment is looked at once, in the transaction that queues its mails.
What was told before there was anybody to tell is told to nobody.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from accounts.addressed import COLUMNS, Addressee, addressed
from accounts.mail_queue import Kind, Letter, post
from accounts.mail_rules import Wishes, is_wanted
from accounts.vault import Vault
from core.engine.ids import new_id
from core.engine.payment_room import PURPOSE
from core.keyring import Keyring
from core.mail.amounts import credits_number, money
from core.sealing import Sealer
from storage.pool import Pool, StorageUnavailable

LOOK_SECONDS: Final = 5.0
"""Between two looks: a budget alert a few seconds late is in time."""
_BATCH: Final = 50

_NOTICES = """
SELECT account_id, id, kind, facts FROM notice WHERE mailed_at IS NULL
 ORDER BY created_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
"""
_NOTICE_MAILED = """
UPDATE notice SET mailed_at = clock_timestamp() WHERE account_id = %s AND id = %s
"""
_PAYMENTS = """
SELECT account_id, id, currency, paid_micros, credited_micros, invoice_url FROM payment
 WHERE receipt_mailed_at IS NULL AND credited_micros > 0
 ORDER BY booked_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
"""
_RECEIPT_MAILED = """
UPDATE payment SET receipt_mailed_at = clock_timestamp() WHERE account_id = %s AND id = %s
"""
# Whom an account's money concerns, at addresses that are known to be theirs.
_CONCERNED = f"""
SELECT {COLUMNS}, u.newsletter, u.product_notices, u.billing_notices
  FROM membership m JOIN app_user u USING (user_id)
 WHERE m.account_id = %s AND m.role IN ('owner', 'admin', 'billing')
   AND u.email_verified_at IS NOT NULL AND u.deleting_at IS NULL
"""  # noqa: S608 (a constant of ours)

Connection = AsyncConnection[Any]


class Telling:
    """Queues mails about money."""

    def __init__(self, pool: Pool, vault: Vault, keyring: Keyring) -> None:
        self._pool = pool
        self._vault = vault
        self._links = Sealer(keyring, PURPOSE)

    async def keep(self) -> None:
        """Look for ever; without a database it is done later."""
        while True:
            with suppress(StorageUnavailable):
                await self.run()
            await asyncio.sleep(LOOK_SECONDS)

    async def run(self) -> int:
        """Queue what is to be told now; how many mails."""
        queued = 0
        for batch in (self._notices, self._receipts):
            while True:
                async with self._pool.connection() as connection, connection.transaction():
                    found, letters = await batch(connection)
                queued += letters
                if found < _BATCH:
                    break
        return queued

    async def _notices(self, connection: Connection) -> tuple[int, int]:
        rows = await (await connection.execute(_NOTICES, (_BATCH,))).fetchall()
        letters = 0
        for account_id, id_, kind, facts in rows:
            letter = Letter(
                id_, Kind(kind), "", _texts(facts), account_id=account_id, once=f"notice/{id_.hex}"
            )
            letters += await self._tell(connection, account_id, letter)
            await connection.execute(_NOTICE_MAILED, (account_id, id_))
        return len(rows), letters

    async def _receipts(self, connection: Connection) -> tuple[int, int]:
        rows = await (await connection.execute(_PAYMENTS, (_BATCH,))).fetchall()
        letters = 0
        for account_id, id_, *row in rows:
            letter = Letter(
                id_,
                Kind.RECEIPT,
                "",
                self._receipt(id_, *row),
                account_id=account_id,
                once=f"receipt/{id_.hex}",
            )
            letters += await self._tell(connection, account_id, letter)
            await connection.execute(_RECEIPT_MAILED, (account_id, id_))
        return len(rows), letters

    def _receipt(
        self, id_: UUID, currency: str, paid: int, credited: int, invoice: bytes | None
    ) -> dict[str, str]:
        facts = {
            "payment": f"payments/{id_.hex}",
            "amount": money(paid),
            "currency": currency,
            "credits": credits_number(credited),
        }
        if invoice is not None:
            url = self._links.open(invoice, b"invoice_url", id_.bytes).reveal()
            if url.startswith(("https://", "http://127.0.0.1:")):
                facts["invoice"] = url
        return facts

    async def _tell(self, connection: Connection, account_id: UUID, draft: Letter) -> int:
        """Queue *draft* for everybody whom it concerns and who wants it; how many."""
        rows = await (await connection.execute(_CONCERNED, (account_id,))).fetchall()
        letters = [self._addressed(draft, row) for row in rows]
        wanted = [letter for letter in letters if letter is not None]
        for letter in wanted:
            await post(connection, self._vault, letter)
        return len(wanted)

    def _addressed(self, draft: Letter, row: TupleRow) -> Letter | None:
        person, wishes = Addressee(*row[:4]), Wishes(*row[4:])
        if not is_wanted(draft.kind, wishes):
            return None
        user_id = person.user_id
        own = replace(draft, id=new_id(), user_id=user_id, once=f"{draft.once}/{user_id.hex}")
        return addressed(self._vault, own, person)


def _texts(facts: Mapping[str, object]) -> dict[str, str]:
    """A notice's facts as texts: numbers and ids of ours; what is deeper is left out."""
    return {name: str(fact) for name, fact in facts.items() if isinstance(fact, str | int)}
