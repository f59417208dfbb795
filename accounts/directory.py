"""Finds API keys fast, and forgets revoked ones within a second, in every process.

A row that was read once is trusted only while the LISTEN connection was proved alive within
the last second: then a revocation would have been heard. Otherwise the row is read again,
and when PostgreSQL cannot be reached the caller gets an error, never a refusal.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg_pool import AsyncConnectionPool

from accounts.granting import both
from accounts.key_networks import Network

CHANNEL: Final = "reapi_keys"
"""The NOTIFY channel; the payload is a public id, or empty for all of an account's keys."""
TRUST_SECONDS: Final = 1.0
PROOF_INTERVAL: Final = 0.4
RETRY_SECONDS: Final = 0.5
ANSWER_SECONDS: Final = 3.0
"""What reading one row may take, once there is a connection."""
CACHE_SIZE: Final = 100_000

_FIND = """
SELECT k.key_id, k.account_id, k.secret_hmac, k.sandbox, k.revoked_at IS NOT NULL,
       k.expires_at, a.suspended_at IS NOT NULL, k.scopes, k.allowed_models, a.allowed_models,
       k.allowed_networks, k.line_id, a.deleting_at IS NOT NULL OR a.erased_at IS NOT NULL
  FROM api_key k JOIN account a USING (account_id)
 WHERE k.public_id = %s
"""

AnyPool = AsyncConnectionPool[Any]


@dataclass(frozen=True, slots=True)
class KeyRow:
    """What is known of a key. `digest` is the keyed digest of its secret."""

    id: UUID
    account_id: UUID
    digest: bytes = field(repr=False)
    sandbox: bool
    revoked: bool
    expires_at: datetime | None
    suspended: bool
    """The account may not use it."""
    scopes: frozenset[str]
    """What it may do; empty: everything."""
    allowed_models: frozenset[str]
    """Which it may use, by id, as `accounts.granting.both` says; empty: all."""
    allowed_networks: Sequence[Network]
    """From which it works; empty: all."""
    line_id: UUID | None
    """The first key of its rotations; None: itself."""
    gone: bool
    """The account was given up by its people."""

    @classmethod
    def read(cls, row: Sequence[Any]) -> "KeyRow":
        """From a row of the statement above: of the key, and of its account."""
        models = frozenset(both(row[8], row[9]))
        return cls(*(*row[:7], frozenset(row[7]), models, *row[10:]))


class KeyDirectory:
    """Key rows by public id, cached while that is safe."""

    def __init__(self, pool: AnyPool, clock: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._clock = clock
        self._rows: dict[str, KeyRow | None] = {}
        self._reading: dict[str, asyncio.Task[KeyRow | None]] = {}
        self._proved_at = float("-inf")

    def known(self, public_id: str) -> KeyRow | None:
        """The row, where it was read before and can be trusted."""
        if self._clock() - self._proved_at <= TRUST_SECONDS:
            return self._rows.get(public_id)
        return None

    async def find(self, public_id: str) -> KeyRow | None:
        """The row, or None when there is no such key. Raises what the pool raises."""
        row = self.known(public_id)
        if row is not None:
            return row
        task = self._reading.get(public_id)
        if task is None:
            task = asyncio.create_task(self._read(public_id))
            self._reading[public_id] = task
            task.add_done_callback(partial(self._was_read, public_id))
        try:
            return await asyncio.shield(task)
        finally:
            del task  # whose error holds this frame, and that of whoever waits

    async def _read(self, public_id: str) -> KeyRow | None:
        """Read one row. One that is forgotten while it is being read is not kept."""
        proof = self._proved_at
        async with self._pool.connection() as connection:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    cursor = await connection.execute(_FIND, (public_id,))
                    values = await cursor.fetchone()
            except TimeoutError:  # or everybody with this key would wait for ever
                raise psycopg.OperationalError from None
        row = KeyRow.read(values) if values is not None else None
        if row is not None and proof > float("-inf"):
            if len(self._rows) >= CACHE_SIZE:
                del self._rows[next(iter(self._rows))]  # one key never costs all others a read
            self._rows[public_id] = row
        return row

    def _was_read(self, public_id: str, task: asyncio.Task[KeyRow | None]) -> None:
        self._reading.pop(public_id, None)
        if not task.cancelled():
            task.exception()  # everybody who waited for it may have left

    def forget(self, public_id: str = "") -> None:
        """Drop one row, or all: heard from another process."""
        for task in self._reading.values() if not public_id else ():
            task.add_done_callback(lambda _: self._rows.clear())
        if public_id:
            self._rows.pop(public_id, None)
            task_of_key = self._reading.get(public_id)
            if task_of_key is not None:
                task_of_key.add_done_callback(lambda _: self._rows.pop(public_id, None))
        else:
            self._rows.clear()

    async def listen(self, connect: Callable[[], Awaitable[psycopg.AsyncConnection[Any]]]) -> None:
        """Hear revocations, for ever; *connect* opens a connection of its own each time."""
        while True:
            try:
                async with await connect() as connection:
                    await self._hear(connection)
            except (psycopg.Error, TimeoutError):
                pass  # proofs stop, so every key is read again until the next connection
            finally:
                self._proved_at = float("-inf")
                self.forget()
            await asyncio.sleep(RETRY_SECONDS)

    async def _hear(self, connection: psycopg.AsyncConnection[Any]) -> None:
        connection.add_notify_handler(lambda notice: self.forget(notice.payload))
        async with asyncio.timeout(TRUST_SECONDS):
            await connection.execute(f"LISTEN {CHANNEL}")
        self.forget()
        while True:
            asked_at = self._clock()
            async with asyncio.timeout(TRUST_SECONDS):
                await connection.execute("SELECT 1")
            self._proved_at = asked_at
            await asyncio.sleep(PROOF_INTERVAL)
