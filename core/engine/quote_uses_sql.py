"""Quotes that were used, in PostgreSQL: the quotes' part in a commit."""

from collections.abc import Sequence
from typing import Any

from core.engine.quote_uses import QuoteBook, UseQuote
from storage.pool import AnyPool

_CLOCK = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"

# Needs no lock of its own: who holds credits of an account has locked its balance before, so two
# uses of one quote see each other. The primary key is the backstop.
_READ = """
SELECT u.account_id, u.quote_id
  FROM unnest($1::uuid[], $2::uuid[]) AS x (account_id, quote_id)
  JOIN quote_use u ON u.account_id = x.account_id AND u.quote_id = x.quote_id
"""
_WRITE = """
INSERT INTO quote_use (account_id, quote_id, expires_at)
SELECT x.* FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) AS x
"""


class QuoteUsesSql:
    """The quotes' part in a commit to PostgreSQL (a `storage.transaction.Participant`)."""

    parts: tuple[type, ...] = (UseQuote,)

    def reads(self, parts: Sequence[UseQuote]) -> Sequence[tuple[int, str, tuple[Any, ...]]]:
        names = ([part.account_id for part in parts], [part.quote_id for part in parts])
        return [(40, _READ, names)]

    def book(self, rows: Sequence[Sequence[tuple[Any, ...]]], now_us: int) -> QuoteBook:
        (found,) = rows
        return QuoteBook([(account, quote) for account, quote in found], now_us)

    def writes(self, book: QuoteBook) -> Sequence[tuple[str, tuple[Any, ...]]]:
        if not book.taken:
            return []
        columns = (
            [part.account_id for part in book.taken],
            [part.quote_id for part in book.taken],
            [part.expires_us for part in book.taken],
        )
        return [(_WRITE, columns)]


class DatabaseClock:
    """The time by which quotes expire, the same for every process."""

    def __init__(self, pool: AnyPool) -> None:
        self._pool = pool

    async def now_us(self) -> int:
        """Microseconds since 1970; raises what the pool raises."""
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_CLOCK)).fetchone()
        assert row is not None
        return int(row[0])
