"""How often somebody may try something: counted in the database, so across all processes.

A subject is whoever tries (an address, a network) together with what he tries, as a keyed digest.
The rule is GCRA: a burst first, then one every so often.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from psycopg import AsyncConnection

from accounts.vault import Vault

_PURPOSE: Final = "throttle"

# One statement: the row is locked while it is looked at, so tries count one by one.
_TAKE = """
INSERT INTO throttle AS t (subject_hmac, tat_us, expires_at)
VALUES (%(subject)s, %(now)s + %(every)s, to_timestamp((%(now)s + %(every)s) / 1e6))
    ON CONFLICT (subject_hmac) DO UPDATE
   SET tat_us = CASE WHEN t.tat_us - %(now)s <= %(burst)s - %(every)s
                     THEN greatest(t.tat_us, %(now)s) + %(every)s ELSE t.tat_us END,
       expires_at = to_timestamp((greatest(t.tat_us, %(now)s) + %(every)s) / 1e6)
RETURNING (SELECT o.tat_us FROM throttle o WHERE o.subject_hmac = %(subject)s)
"""
_NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1e6)::bigint"
_CLEAR = "DELETE FROM throttle WHERE subject_hmac = %s"


@dataclass(frozen=True, slots=True)
class Pace:
    """How often: *burst* times at once, then one in *every*."""

    burst: int
    every: timedelta


class Throttle:
    """Counts tries. Takes part in no other transaction: a try counts whatever comes of it."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def take(
        self, connection: AsyncConnection[Any], what: str, who: str, pace: Pace
    ) -> float | None:
        """Count a try of *what* by *who*; the seconds to wait if it is one too many.

        *connection* must not be in a transaction that may be rolled back.
        """
        subject = self._vault.digest(_PURPOSE, what.encode(), who.encode())
        every = pace.every // timedelta(microseconds=1)
        cursor = await connection.execute(_NOW)
        row = await cursor.fetchone()
        assert row is not None
        now: int = row[0]
        values = {"subject": subject, "now": now, "every": every, "burst": pace.burst * every}
        cursor = await connection.execute(_TAKE, values)
        row = await cursor.fetchone()
        before = None if row is None else row[0]  # None: the first try
        if before is None or before - now <= (pace.burst - 1) * every:
            return None
        return float(before - now - (pace.burst - 1) * every) / 1e6

    async def clear(self, connection: AsyncConnection[Any], what: str, who: str) -> None:
        """Forget the tries: one succeeded."""
        subject = self._vault.digest(_PURPOSE, what.encode(), who.encode())
        await connection.execute(_CLEAR, (subject,))
