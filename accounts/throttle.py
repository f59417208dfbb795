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

# One statement that decides on the row it has locked: whoever tries at the same time waits for it.
# What is refused does not count. `excluded.tat_us - every` is now.
_TAKE = """
INSERT INTO throttle AS t (subject_hmac, tat_us, expires_at)
SELECT %(subject)s, now.us + %(every)s, to_timestamp((now.us + %(every)s) / 1e6)
  FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1e6)::bigint) now (us)
    ON CONFLICT (subject_hmac) DO UPDATE
   SET tat_us = greatest(t.tat_us + %(every)s, excluded.tat_us),
       expires_at = to_timestamp(greatest(t.tat_us + %(every)s, excluded.tat_us) / 1e6)
 WHERE t.tat_us - (excluded.tat_us - %(every)s) <= %(room)s
RETURNING true
"""
_WAIT = """
SELECT tat_us - %(room)s - (extract(epoch FROM clock_timestamp()) * 1e6)::bigint
  FROM throttle WHERE subject_hmac = %(subject)s
"""
_GIVE_BACK = "UPDATE throttle SET tat_us = tat_us - %(every)s WHERE subject_hmac = %(subject)s"
_CLEAR = "DELETE FROM throttle WHERE subject_hmac = %(subject)s"
_SHORTEST: Final = 0.001
"""Seconds to wait, where the time came between the refusal and the question how long."""


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
        values = self._values(what, who, pace)
        cursor = await connection.execute(_TAKE, values)
        if await cursor.fetchone() is not None:
            return None
        cursor = await connection.execute(_WAIT, values)
        row = await cursor.fetchone()
        return _SHORTEST if row is None else max(row[0] / 1e6, _SHORTEST)

    async def give_back(
        self, connection: AsyncConnection[Any], what: str, who: str, pace: Pace
    ) -> None:
        """Let one try that was taken not count: it was a good one."""
        await connection.execute(_GIVE_BACK, self._values(what, who, pace))

    async def clear(self, connection: AsyncConnection[Any], what: str, who: str) -> None:
        """Forget the tries: one succeeded."""
        await connection.execute(_CLEAR, {"subject": self._subject(what, who)})

    def _values(self, what: str, who: str, pace: Pace) -> dict[str, Any]:
        every = pace.every // timedelta(microseconds=1)
        room = (pace.burst - 1) * every
        return {"subject": self._subject(what, who), "every": every, "room": room}

    def _subject(self, what: str, who: str) -> bytes:
        return self._vault.digest(_PURPOSE, what.encode(), who.encode())
