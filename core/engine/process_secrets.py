"""Which server keys the processes of this deployment know: each says so, by names of keys.

Before something is sealed again under a new key, everybody who may read it must know that key; and
as long as somebody seals under an old one, the old one is needed.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import AsyncConnection

from core.keyring import Keyring
from storage.pool import Pool, StorageUnavailable

NOTE_SECONDS: Final = 30.0
"""Between two notes: a lease may have been lost, and the next one has another number."""

_NOTE = """
INSERT INTO process_secrets (epoch, seals_with, knows) VALUES (%s, %s, %s)
    ON CONFLICT (epoch) DO UPDATE SET seen_at = clock_timestamp()
"""
# Of processes that are gone, the first that sealed with each key is remembered, and the last.
_FORGET = """
DELETE FROM process_secrets p
 WHERE p.seen_at < clock_timestamp() - interval '1 day'
   AND EXISTS (SELECT FROM process_secrets o
                WHERE o.seals_with = p.seals_with AND o.noted_at < p.noted_at)
   AND EXISTS (SELECT FROM process_secrets o
                WHERE o.seals_with = p.seals_with AND o.seen_at > p.seen_at)
"""
# A process without a note runs a release that writes none, or is just starting.
_PROCESSES = """
SELECT l.epoch, p.seals_with, p.knows
  FROM process_lease l LEFT JOIN process_secrets p USING (epoch)
 WHERE l.expires_at > clock_timestamp() ORDER BY l.epoch
"""
# When nobody sealed with another key any more; NULL: nobody is known to seal with this one.
_SINCE = """
SELECT CASE WHEN min(noted_at) FILTER (WHERE seals_with = %(newest)s) IS NOT NULL
            THEN greatest(min(noted_at) FILTER (WHERE seals_with = %(newest)s),
                          max(seen_at) FILTER (WHERE seals_with <> %(newest)s)
                          + %(slack)s * interval '1 second') END
  FROM process_secrets
"""


class ProcessKeys(NamedTuple):
    """What a running process said."""

    epoch: int
    seals_with: str | None
    """The name of a key; None: it has said nothing."""
    knows: Sequence[str]


async def note(pool: Pool, epoch: int, keyring: Keyring) -> None:
    """Say which keys this process knows."""
    async with pool.connection() as connection:
        names = keyring.names
        await connection.execute(_NOTE, (epoch, names[0], names))
        await connection.execute(_FORGET)


async def keep_noting(pool: Pool, epoch: Callable[[], int], keyring: Keyring) -> None:
    """Say it again and again."""
    while True:
        with suppress(StorageUnavailable):
            await note(pool, epoch(), keyring)
        await asyncio.sleep(NOTE_SECONDS)


async def processes(connection: AsyncConnection[Any]) -> list[ProcessKeys]:
    """Those that run."""
    rows = await (await connection.execute(_PROCESSES)).fetchall()
    return [ProcessKeys(epoch, sealing, knows or ()) for epoch, sealing, knows in rows]


async def sealed_since(connection: AsyncConnection[Any], keyring: Keyring) -> datetime | None:
    """Since when everybody seals with the newest key; None: nobody is known to."""
    values = {"newest": keyring.names[0], "slack": NOTE_SECONDS}
    row = await (await connection.execute(_SINCE, values)).fetchone()
    since: datetime | None = None if row is None else row[0]
    return since
