"""When keys were last used and from how many networks: gathered in memory, written now and then.

The hot path only notes: nothing is written on the way of a request. What a process had not written
when it died is lost, which is half a minute of both.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import IPv4Address, ip_network
from typing import Any, Final
from uuid import UUID

from psycopg_pool import AsyncConnectionPool

from accounts.key_networks import read_address
from core.keyring import Keyring
from storage.pool import StorageUnavailable

PURPOSE: Final = "key-network"
FLUSH_SECONDS: Final = 30.0
"""The contract says that a key's last use is at most a minute late."""
KEYS: Final = 100_000
"""That are noted between two flushes: as many as the directory keeps."""
ADDRESSES: Final = 200
"""Of one key between two flushes: more than the networks of a day that are kept."""
NETWORKS: Final = 50
"""Of one key and day: enough to tell that it is everywhere."""
_PREFIXES: Final = {4: 24, 6: 48}
"""How much of an address is looked at: what one customer of a provider has, about."""

_WRITE: Final = """
WITH seen AS (
    SELECT k.account_id, k.key_id
      FROM unnest(%(accounts)s::uuid[], %(keys)s::uuid[]) AS x (account_id, key_id)
      JOIN api_key k ON k.account_id = x.account_id AND k.key_id = x.key_id
), noted AS (
    INSERT INTO key_seen AS s (account_id, key_id, seen_at)
    SELECT account_id, key_id, clock_timestamp() FROM seen ORDER BY account_id, key_id
        ON CONFLICT (account_id, key_id) DO UPDATE SET seen_at = excluded.seen_at
     WHERE s.seen_at < excluded.seen_at
)
INSERT INTO key_network (account_id, key_id, day, network_hmac)
SELECT x.account_id, x.key_id, today.day, x.network_hmac
  FROM (SELECT (clock_timestamp() AT TIME ZONE 'UTC')::date AS day) AS today,
       (SELECT s.account_id, n.key_id, n.network_hmac,
               row_number() OVER (PARTITION BY n.key_id) AS number
          FROM unnest(%(of_keys)s::uuid[], %(networks)s::bytea[]) AS n (key_id, network_hmac)
          JOIN seen s ON s.key_id = n.key_id) AS x
 WHERE x.number + (SELECT count(*) FROM key_network o
                    WHERE o.account_id = x.account_id AND o.key_id = x.key_id
                      AND o.day = today.day AND o.network_hmac <> x.network_hmac) <= %(most)s
 ORDER BY 1, 2, 3, 4
    ON CONFLICT DO NOTHING
"""


class KeySeen:
    """What was seen of keys since it was last written."""

    def __init__(self, pool: AsyncConnectionPool[Any], keyring: Keyring) -> None:
        self._pool = pool
        self._keyring = keyring
        self._seen: dict[UUID, tuple[UUID, set[str]]] = {}
        """Account and addresses by key."""

    def note(self, account_id: UUID, key_id: UUID, address: str) -> None:
        """Note that a key was used from there: less than a microsecond."""
        found = self._seen.get(key_id)
        if found is None:
            if len(self._seen) >= KEYS:
                return
            found = self._seen[key_id] = (account_id, set())
        if address and len(found[1]) < ADDRESSES:
            found[1].add(address)

    async def keep(self) -> None:
        """Write for ever."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            with suppress(StorageUnavailable):
                await self.flush()

    async def close(self) -> None:
        """Write the rest."""
        with suppress(StorageUnavailable):
            await self.flush()

    async def flush(self) -> None:
        """Write what was seen; raises StorageUnavailable, and then it is lost."""
        seen, self._seen = self._seen, {}
        if not seen:
            return
        pairs = [
            (key_id, digest)
            for key_id, (_, addresses) in seen.items()
            for digest in self._digests(key_id, addresses)
        ]
        values = {
            "accounts": [account_id for account_id, _ in seen.values()],
            "keys": list(seen),
            "of_keys": [key_id for key_id, _ in pairs],
            "networks": [digest for _, digest in pairs],
            "most": NETWORKS,
        }
        async with self._pool.connection() as connection:
            await connection.execute(_WRITE, values)

    def _digests(self, key_id: UUID, addresses: Iterable[str]) -> list[bytes]:
        """Keyed digests of the networks, which tell nothing of those of other keys."""
        networks = {network_of(address) for address in addresses} - {""}
        return [
            self._keyring.mac(PURPOSE, key_id.bytes, network.encode())
            for network in sorted(networks)
        ]


def network_of(address: str) -> str:
    """The /24 or /48 that *address* is in, as text; empty: it is none."""
    found = read_address(address)
    if found is None:
        return ""
    prefix = _PREFIXES[4 if isinstance(found, IPv4Address) else 6]
    return str(ip_network((found, prefix), strict=False))
