"""Auto-top-up in PostgreSQL: the settings of accounts, and the charges that they brought about."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from psycopg.rows import TupleRow

from billing.auto_top_up import FIRST_PAUSE_SECONDS, RETURNED, AutoTopUp, due
from billing.known import AnyPool, Connection, Guard, Known
from billing.ledger import Balance

BATCH: Final = 500
"""Accounts of one statement: their rows are locked while it is decided over them."""
HOLD_SECONDS: Final = 60
"""How long a charge is nobody else's to try: twice what Stripe is given to answer."""

Change = Callable[[Connection, AutoTopUp, datetime], Awaitable[AutoTopUp | None]]
"""What settings become, decided in the transaction that has them locked, at a time by the
database's clock; None: they stay."""

_SETTINGS = """
a.enabled_at, a.threshold_micros, a.amount_micros, a.monthly_limit_micros, a.payment_method,
a.failure_code, a.version
"""
_MONTH = "date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC')::date"
_BOUGHT = f"""
coalesce((SELECT sum(t.amount_micros) FROM top_up t
           WHERE t.account_id = a.account_id AND t.month = {_MONTH} AND t.state <> 'failed'),
         0)::bigint
"""  # noqa: S608 (constants of ours)
_GET = f"SELECT {_SETTINGS}, {_BOUGHT} FROM auto_top_up a WHERE a.account_id = %s"  # noqa: S608
_MAKE = """
INSERT INTO auto_top_up (account_id, threshold_micros, amount_micros, monthly_limit_micros)
VALUES (%s, 0, 0, 0) ON CONFLICT DO NOTHING
"""
_LOCK = f"""
SELECT {_SETTINGS}, clock_timestamp() FROM auto_top_up a WHERE a.account_id = %s FOR UPDATE
"""  # noqa: S608 (likewise)
_SET = """
UPDATE auto_top_up
   SET enabled_at = %s, threshold_micros = %s, amount_micros = %s, monthly_limit_micros = %s,
       payment_method = %s, failure_code = %s, version = version + 1
 WHERE account_id = %s
"""
# One process at a time looks for what is due; the others have nothing to add.
_ALONE = "SELECT pg_try_advisory_xact_lock(hashtext('auto top-up'))"
# Only what is on and low, of accounts that may spend, and nobody changes now. What went back since
# it was turned on counts against it: a row of `payment_adjustment` that takes.
_LOW = f"""
SELECT a.account_id, b.posted, b.pending, b.debt, {_SETTINGS}, {_BOUGHT},
       EXISTS (SELECT FROM payment_adjustment r
                WHERE r.account_id = a.account_id AND r.step %% 2 = 1
                  AND r.created_at >= a.enabled_at)
  FROM auto_top_up a
  JOIN balance b ON b.account_id = a.account_id
  JOIN account o ON o.account_id = a.account_id AND o.suspended_at IS NULL
 WHERE a.enabled_at IS NOT NULL AND a.account_id > %(after)s
   AND b.posted - b.pending < a.threshold_micros
   AND NOT EXISTS (SELECT FROM top_up t WHERE t.account_id = a.account_id AND t.state = 'pending')
 ORDER BY a.account_id
 LIMIT %(limit)s
   FOR NO KEY UPDATE OF a SKIP LOCKED
"""  # noqa: S608 (likewise)
# A conflict is one of the constraints that say: not two at a time, not two within a minute.
_BEGIN = f"""
INSERT INTO top_up (account_id, id, stripe_key, minute, created_at, next_try_at, amount_micros,
                    month_micros, monthly_limit_micros, month)
SELECT %(account)s, %(id)s, %(key)s, floor(extract(epoch FROM now.at) / 60)::bigint, now.at, now.at,
       %(amount)s, %(month)s, %(limit)s, {_MONTH}
  FROM clock_timestamp() AS now (at)
    ON CONFLICT DO NOTHING
"""  # noqa: S608 (likewise)
_TURN_OFF = """
UPDATE auto_top_up SET enabled_at = NULL, failure_code = %(code)s, version = version + 1
 WHERE account_id = %(account)s AND enabled_at IS NOT NULL
   AND (%(begun)s::timestamptz IS NULL OR enabled_at <= %(begun)s::timestamptz)
"""
_COLUMNS = """
t.account_id, t.id, t.stripe_key, t.created_at,
extract(epoch FROM clock_timestamp() - t.asked_at)::integer, t.amount_micros, t.try_count,
t.payment_method, t.payment_intent
"""
_CLAIM = f"""
UPDATE top_up t
   SET next_try_at = clock_timestamp() + %(hold)s * interval '1 second',
       try_count = t.try_count + 1, asked_at = coalesce(t.asked_at, clock_timestamp())
  FROM (SELECT account_id, id FROM top_up
         WHERE state = 'pending' AND next_try_at <= clock_timestamp()
         ORDER BY next_try_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED) AS x
 WHERE t.account_id = x.account_id AND t.id = x.id
RETURNING {_COLUMNS}
"""  # noqa: S608 (likewise)
_NAMED = "account_id = %(account)s AND id = %(id)s AND state = 'pending'"
# Stripe refuses the same key with another card: the first that was chosen stays.
_CHOOSE = f"""
UPDATE top_up
   SET payment_method = CASE WHEN payment_method = '' THEN %(card)s ELSE payment_method END
 WHERE {_NAMED}
RETURNING payment_method
"""  # noqa: S608 (likewise)
_WANTED = """
SELECT true FROM auto_top_up a
  JOIN balance b ON b.account_id = a.account_id AND b.debt = 0
  JOIN account o ON o.account_id = a.account_id AND o.suspended_at IS NULL
 WHERE a.account_id = %s AND a.enabled_at IS NOT NULL
"""
_LATER = f"""
UPDATE top_up
   SET next_try_at = clock_timestamp() + %(seconds)s * interval '1 second',
       payment_intent = CASE WHEN %(intent)s = '' THEN payment_intent ELSE %(intent)s END
 WHERE {_NAMED}
"""  # noqa: S608 (likewise)
_RENEW = f"""
UPDATE top_up
   SET stripe_key = %(key)s, asked_at = NULL,
       next_try_at = clock_timestamp() + %(seconds)s * interval '1 second'
 WHERE {_NAMED} AND payment_intent = ''
"""  # noqa: S608 (likewise)
_END = f"""
UPDATE top_up SET state = %(state)s, next_try_at = NULL, payment_intent = %(intent)s,
                  failure_code = %(code)s
 WHERE {_NAMED}
"""  # noqa: S608 (likewise)


@dataclass(frozen=True, slots=True)
class TopUp:
    """One charge whose fate is not known yet, and whose turn it is."""

    account_id: UUID
    id: UUID
    stripe_key: UUID
    created_at: datetime
    asked_seconds: int
    """Since when Stripe is asked under that key."""
    amount_micros: int
    try_count: int
    payment_method: str
    """Empty until a card is chosen."""
    payment_intent: str
    """Empty until Stripe tells."""


class AutoTopUps:
    """Settings and charges. Raises what the pool raises."""

    def __init__(self, pool: AnyPool) -> None:
        self._pool = pool

    async def settings(self, account_id: UUID) -> tuple[AutoTopUp, int]:
        """The settings, and what was bought in this month; those that were never set are off."""
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_GET, (account_id,))).fetchone()
        return (AutoTopUp(), 0) if row is None else (AutoTopUp(*row[:-1]), row[-1])

    async def change(self, account_id: UUID, decide: Change) -> None:
        """Let *decide* say, under the lock of the row, what the settings become."""
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute(_MAKE, (account_id,))
            row = await (await connection.execute(_LOCK, (account_id,))).fetchone()
            assert row is not None
            new = await decide(connection, AutoTopUp(*row[:-1]), row[-1])
            if new is not None:
                values = (
                    new.enabled_at,
                    new.threshold_micros,
                    new.amount_micros,
                    new.monthly_limit_micros,
                    new.payment_method,
                    new.failure_code,
                    account_id,
                )
                await connection.execute(_SET, values)

    async def peek(self, account_id: UUID, guard: Guard, known: Known) -> bool:
        """Whether this very call was done before; nothing is remembered of asking."""
        async with (
            self._pool.connection() as connection,
            connection.transaction(force_rollback=True),
        ):
            await guard(connection)
            return await known(connection, account_id) is not None

    async def begin_due(self) -> int:
        """Write a charge for every account that is due one; how many. Only one process looks."""
        begun, after = 0, UUID(int=0)
        while True:
            async with self._pool.connection() as connection, connection.transaction():
                alone = await (await connection.execute(_ALONE)).fetchone()
                if alone != (True,):
                    return begun
                values = {"after": after, "limit": BATCH}
                rows = await (await connection.execute(_LOW, values)).fetchall()
                for row in rows:
                    begun += await _begin(connection, row)
            if len(rows) < BATCH:
                return begun
            after = rows[-1][0]

    async def claim(self, limit: int) -> Sequence[TopUp]:
        """Charges whose turn it is; they are this caller's for HOLD_SECONDS."""
        values = {"hold": HOLD_SECONDS, "limit": limit}
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_CLAIM, values)
            return [TopUp(*row) for row in await cursor.fetchall()]

    async def choose(self, item: TopUp, card: str) -> str:
        """Say which card is charged, before Stripe is asked: this one, or the one said before.

        Empty: it has ended meanwhile.
        """
        values = {"account": item.account_id, "id": item.id, "card": card}
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_CHOOSE, values)).fetchone()
        return "" if row is None else str(row[0])

    async def is_wanted(self, item: TopUp) -> bool:
        """Whether its account still is one that buys by itself."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_WANTED, (item.account_id,))
            return await cursor.fetchone() is not None

    async def later(self, item: TopUp, seconds: int, intent: str = "") -> None:
        """Its fate is not known: try again."""
        await self._note(_LATER, item, seconds=seconds, intent=intent)

    async def renew(self, item: TopUp) -> None:
        """Stripe has no payment of it: ask under another key."""
        await self._note(_RENEW, item, key=uuid4(), seconds=FIRST_PAUSE_SECONDS)

    async def credited(self, item: TopUp, intent: str) -> None:
        """It was paid, and its credits are on the balance."""
        await self._note(_END, item, state="credited", intent=intent, code="")

    async def failed(self, item: TopUp, code: str, intent: str) -> None:
        """It was not paid: that turns it off, unless its owner turned it on again since."""
        values = {"account": item.account_id, "id": item.id, "begun": item.created_at}
        values |= {"state": "failed", "intent": intent, "code": code}
        async with self._pool.connection() as connection, connection.transaction():
            cursor = await connection.execute(_END, values)
            if cursor.rowcount:
                await connection.execute(_TURN_OFF, values)

    async def _note(self, statement: str, item: TopUp, **values: Any) -> None:
        named = {"account": item.account_id, "id": item.id, **values}
        async with self._pool.connection() as connection:
            await connection.execute(statement, named)


async def _begin(connection: Connection, row: TupleRow) -> int:
    """Begin what is due on an account whose settings are locked: 1, or 0 where nothing is."""
    account_id, posted, held, debt, *settings, bought, has_returned = row
    if has_returned:
        await connection.execute(
            _TURN_OFF, {"account": account_id, "code": RETURNED, "begun": None}
        )
        return 0
    held_to = AutoTopUp(*settings)
    amount = due(Balance(posted, held, debt), held_to, bought, is_pending=False)
    if amount is None:
        return 0
    values = {
        "account": account_id,
        "id": uuid4(),
        "key": uuid4(),
        "amount": amount,
        "month": bought + amount,
        "limit": held_to.monthly_limit_micros,
    }
    return (await connection.execute(_BEGIN, values)).rowcount
