"""Promotional codes in PostgreSQL: their part in a commit, and what the operator does with them.

What is sealed or digested comes from outside: this room has no server keys.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection

from billing.known import AnyPool
from billing.promo_codes import PromoBook, PromoCode, Redemption

RANK: Final = 17
"""In the order of locks: after keys and budgets, before balances. A code is one row that many
accounts redeem at once; who waits for it holds no balance that others wait for."""
TRIES: Final = 10
"""In TRY_SECONDS, of one account: nobody mistypes more often, and guessing gets nowhere."""
TRY_SECONDS: Final = 60


_LOCK = """
SELECT id, credited_micros, redemption_limit, redemption_count, expires_at,
       disabled_at IS NOT NULL
  FROM promo_code
 WHERE id = ANY ($1::uuid[])
 ORDER BY id
   FOR NO KEY UPDATE
"""
_READ = """
SELECT r.account_id, r.promo_id, r.transfer_id
  FROM unnest($1::uuid[], $2::uuid[]) AS x (account_id, promo_id)
  JOIN promo_redemption r ON r.account_id = x.account_id AND r.promo_id = x.promo_id
"""
_COUNT = """
UPDATE promo_code p SET redemption_count = x.redeemed
  FROM unnest($1::uuid[], $2::integer[]) AS x (id, redeemed)
 WHERE p.id = x.id
"""
_WRITE = """
INSERT INTO promo_redemption (account_id, promo_id, transfer_id, redeemed_at)
SELECT x.*, statement_timestamp() FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS x
"""

_FIND = "SELECT id, credited_micros FROM promo_code WHERE code_hmac = ANY (%s)"
_MOMENT = "SELECT created_at FROM transfer WHERE account_id = %s AND id = %s"
# A row of its own, outside the commit: a try counts whether it finds a code or not.
_TRY = """
INSERT INTO promo_tries AS t (account_id, since, count) VALUES (%(account)s, clock_timestamp(), 1)
    ON CONFLICT (account_id) DO UPDATE
   SET since = CASE WHEN t.since < clock_timestamp() - %(span)s * interval '1 second'
                    THEN clock_timestamp() ELSE t.since END,
       count = CASE WHEN t.since < clock_timestamp() - %(span)s * interval '1 second'
                    THEN 1 ELSE least(t.count + 1, %(most)s + 1) END
RETURNING count, extract(epoch FROM t.since - clock_timestamp())::float8 + %(span)s
"""
_COLUMNS = """
id, created_at, expires_at, disabled_at IS NOT NULL, credited_micros, redemption_limit,
redemption_count, display_name
"""
_INSERT = f"""
INSERT INTO promo_code (id, expires_at, credited_micros, redemption_limit, code_hmac, display_name)
VALUES (%s, %s, %s, %s, %s, %s)
RETURNING {_COLUMNS}
"""  # noqa: S608 (constants of ours)
_GET = f"SELECT {_COLUMNS} FROM promo_code WHERE id = %s"  # noqa: S608 (likewise)
_DISABLE = f"""
UPDATE promo_code SET disabled_at = coalesce(disabled_at, clock_timestamp()) WHERE id = %s
RETURNING {_COLUMNS}
"""  # noqa: S608 (likewise)
_PAGE = f"""
SELECT {_COLUMNS} FROM promo_code WHERE %(after)s::uuid IS NULL OR id < %(after)s::uuid
 ORDER BY id DESC LIMIT %(limit)s
"""  # noqa: S608 (likewise)


@dataclass(frozen=True, slots=True)
class NewPromoCode:
    """A code to be made; ids rise with time."""

    id: UUID
    expires_at: datetime | None
    credited_micros: int
    redemption_limit: int
    code_hmac: bytes = field(repr=False)
    display_name: bytes = field(repr=False)
    """Sealed."""


@dataclass(frozen=True, slots=True)
class PromoRow:
    """A code as the operator sees it."""

    id: UUID
    created_at: datetime
    expires_at: datetime | None
    is_disabled: bool
    credited_micros: int
    redemption_limit: int
    redemption_count: int
    display_name: bytes = field(repr=False)


class PromoSql:
    """The codes' part in a commit to PostgreSQL (a `storage.transaction.Participant`)."""

    parts: tuple[type, ...] = (Redemption,)

    def reads(self, parts: Sequence[Redemption]) -> Sequence[tuple[int, str, tuple[Any, ...]]]:
        accounts = [part.account_id for part in parts]
        codes = [part.promo_id for part in parts]
        return [(RANK, _LOCK, (list(set(codes)),)), (RANK, _READ, (accounts, codes))]

    def book(self, rows: Sequence[Sequence[tuple[Any, ...]]], now_us: int) -> PromoBook:
        codes, redeemed = rows
        found = [PromoCode(*row) for row in codes]
        return PromoBook(
            {code.id: code for code in found}, (Redemption(*row) for row in redeemed), now_us
        )

    def writes(self, book: PromoBook) -> Sequence[tuple[str, tuple[Any, ...]]]:
        if not book.written:
            return []
        rows = book.written
        columns = (
            [row.account_id for row in rows],
            [row.promo_id for row in rows],
            [row.transfer_id for row in rows],
        )
        return [
            (_COUNT, (list(book.counts), list(book.counts.values()))),
            (_WRITE, columns),
        ]


class PromoCodes:
    """Codes outside of commits. Raises what the pool raises."""

    def __init__(self, pool: AnyPool) -> None:
        self._pool = pool

    async def attempt(self, account_id: UUID) -> float | None:
        """Count one try; for how many seconds there may be no other, or None if it may go on."""
        values = {"account": account_id, "span": TRY_SECONDS, "most": TRIES}
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_TRY, values)).fetchone()
        assert row is not None
        count, left = row
        return max(left, 1.0) if count > TRIES else None

    async def find(self, digests: Sequence[bytes]) -> tuple[UUID, int] | None:
        """The code with one of these digests, and what it gives."""
        async with self._pool.connection() as connection:
            return await (await connection.execute(_FIND, (list(digests),))).fetchone()

    async def moment(self, account_id: UUID, transfer_id: UUID) -> datetime:
        """When the credits of a redemption were given."""
        async with self._pool.connection() as connection:
            values = (account_id, transfer_id)
            row = await (await connection.execute(_MOMENT, values)).fetchone()
        assert row is not None
        moment: datetime = row[0]
        return moment

    async def page(self, limit: int, after: UUID | None) -> Sequence[PromoRow]:
        """One page, newest first."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_PAGE, {"limit": limit, "after": after})
            return [PromoRow(*row) for row in await cursor.fetchall()]


async def insert(connection: AsyncConnection[Any], new: NewPromoCode) -> PromoRow:
    """Make a code, in the transaction of *connection*."""
    values = (
        new.id,
        new.expires_at,
        new.credited_micros,
        new.redemption_limit,
        new.code_hmac,
        new.display_name,
    )
    row = await (await connection.execute(_INSERT, values)).fetchone()
    assert row is not None
    return PromoRow(*row)


async def get(connection: AsyncConnection[Any], id_: UUID) -> PromoRow | None:
    """One code."""
    row = await (await connection.execute(_GET, (id_,))).fetchone()
    return None if row is None else PromoRow(*row)


async def disable(connection: AsyncConnection[Any], id_: UUID) -> PromoRow | None:
    """Stop a code, in the transaction of *connection*; what it gave stays."""
    row = await (await connection.execute(_DISABLE, (id_,))).fetchone()
    return None if row is None else PromoRow(*row)
