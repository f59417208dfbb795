"""Messages in PostgreSQL: what is due, how each did, what an account may see of them."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import DictRow, TupleRow, dict_row

from core.engine.ids import new_id
from core.engine.repeats import Repeats, Request
from core.errors import GatewayError, Reason
from core.webhooks import delivery_statements as sql
from core.webhooks.endpoints import no_endpoint
from core.webhooks.fairness import Due, UnderWay
from core.webhooks.records import Delivery, EventType, Filter, Letter, State
from core.webhooks.schedule import Tried, Verdict
from storage.pool import Pool

_NOTICES: Final = 1_000
"""Notices that become messages at a time: the feeder comes back twice a second."""
_LOCK: Final = 0x7265_4150_5700


class Deliveries:
    """The messages of accounts. Raises what the pool raises."""

    def __init__(self, pool: Pool, repeats: Repeats) -> None:
        self._pool = pool
        self._repeats = repeats

    # ---- what accounts see

    async def page(self, account_id: UUID, which: Filter) -> Sequence[Delivery]:
        """One page, newest first."""
        values = {
            "account": account_id,
            "after": which.after,
            "endpoint": which.endpoint_id,
            "generation": which.generation_id,
            "states": [str(state) for state in which.states],
            "limit": which.limit,
        }
        return [_delivery(row) for row in await self._rows(sql.DELIVERIES, values)]

    async def get(self, account_id: UUID, id_: UUID) -> Delivery:
        """One message; raises NOT_FOUND."""
        rows = await self._rows(sql.DELIVERY, {"account": account_id, "id": id_})
        if not rows:
            raise no_delivery()
        return _delivery(rows[0])

    async def again(self, request: Request, id_: UUID) -> Delivery:
        """Send a message again, under its id; raises NOT_FOUND."""
        values = {"account": request.account_id, "id": id_}
        async with self._pool.connection() as connection, connection.transaction():
            known = await self._repeats.found(connection, request, id_)
            async with connection.cursor(row_factory=dict_row) as cursor:
                await cursor.execute(sql.AGAIN if known is None else sql.DELIVERY, values)
                row = await cursor.fetchone()
            if row is None:  # inside, so that nothing is remembered of it
                raise no_delivery()
        return _delivery(row)

    async def add_test(self, request: Request, endpoint_id: UUID) -> tuple[UUID, bool]:
        """A test message that nobody but the caller sends; its id, and whether it is new.

        Raises NOT_FOUND for an endpoint that there is not.
        """
        made = new_id()
        values = {"account": request.account_id, "id": made, "endpoint": endpoint_id}
        async with self._pool.connection() as connection, connection.transaction():
            before = await self._repeats.found(connection, request, made)
            if before is not None:
                return before, False
            cursor = await connection.execute(sql.INSERT_TEST, values)
            if await cursor.fetchone() is None:
                raise no_endpoint()
        return made, True

    # ---- what the feeder does

    def feeding(self) -> AbstractAsyncContextManager[AsyncConnection[TupleRow]]:
        """A connection for the statements of one feed."""
        return self._pool.connection()

    @staticmethod
    async def is_mine(connection: AsyncConnection[TupleRow]) -> bool:
        """Whether this transaction is the only one that feeds now."""
        cursor = await connection.execute("SELECT pg_try_advisory_xact_lock(%s)", (_LOCK,))
        return await cursor.fetchone() == (True,)

    @staticmethod
    async def announce(connection: AsyncConnection[TupleRow]) -> None:
        """Make messages of notices that nobody was told yet."""
        await connection.execute(sql.ANNOUNCE, (_NOTICES,))

    @staticmethod
    async def due(connection: AsyncConnection[TupleRow]) -> tuple[Sequence[Due], UnderWay]:
        """The first due messages of each receiver, and what is being sent."""
        due = [Due(*row) for row in await (await connection.execute(sql.DUE)).fetchall()]
        if not due:
            return due, UnderWay({})
        rows = await (await connection.execute(sql.UNDER_WAY)).fetchall()
        return due, UnderWay({(account, target): count for account, target, count in rows})

    @staticmethod
    async def queue(connection: AsyncConnection[TupleRow], chosen: Sequence[Due]) -> None:
        """Note that a worker has them."""
        columns = ([item.account_id for item in chosen], [item.id for item in chosen])
        await connection.execute(sql.QUEUE, columns)

    # ---- what the sender does

    async def load(self, account_id: UUID, id_: UUID) -> Letter | None:
        """A message that is to be sent now; None: it no longer is."""
        rows = await self._rows(sql.LOAD, {"account": account_id, "id": id_})
        if not rows:
            return None
        row = rows[0]
        return Letter(
            account_id=row["account_id"],
            id=row["id"],
            endpoint_id=row["endpoint_id"],
            generation_id=row["generation_id"],
            notice_id=row["notice_id"],
            event_type=EventType(row["event_type"]),
            created_at=row["created_at"],
            now=row["now"],
            round_at=row["round_at"],
            round_tries=row["round_tries"],
            failing_since=row["failing_since"],
            stopped=row["disabled"] or row["url"] is None,
            facts=row["facts"],
            url=row["url"] or b"",
            secrets=[sealed for sealed in (row["secret"], row["old_secret"]) if sealed],
        )

    async def drop(self, letter: Letter) -> None:
        """Give a message up without trying."""
        async with self._pool.connection() as connection:
            await connection.execute(sql.DROP, {"account": letter.account_id, "id": letter.id})

    async def record(self, letter: Letter, tried: Tried, verdict: Verdict) -> None:
        """Write down how a try went, of the message and of its endpoint."""
        state = State.DELIVERED if verdict.delivered else State.FAILED
        values = {
            "account": letter.account_id,
            "id": letter.id,
            "endpoint": letter.endpoint_id,
            "now": letter.now,
            "tries": 1,
            "state": State.PENDING if verdict.next_in is not None else state,
            "status": tried.status,
            "fault": tried.fault or "",
            "next_in": verdict.next_in,
            "disable": verdict.disable,
        }
        async with self._pool.connection() as connection, connection.transaction():
            # The endpoint first, as whoever deletes one does.
            if letter.endpoint_id is not None:
                await connection.execute(sql.PRAISE if verdict.delivered else sql.BLAME, values)
            await connection.execute(sql.RECORD, values)

    # ---- what time does

    async def requeue(self) -> None:
        """Give what a lost worker had to another one."""
        async with self._pool.connection() as connection:
            await connection.execute(sql.REQUEUE)

    async def _rows(self, statement: str, values: dict[str, Any]) -> list[DictRow]:
        async with (
            self._pool.connection() as connection,
            connection.cursor(row_factory=dict_row) as cursor,
        ):
            await cursor.execute(statement, values)
            return await cursor.fetchall()


def no_delivery() -> GatewayError:
    """The one answer for a message that cannot be sent again, is unknown or another account's."""
    return GatewayError(
        Reason.NOT_FOUND,
        "No such webhook delivery, or what it tells about or its receiver is gone.",
        metadata={"resource": "webhook_delivery"},
    )


def _delivery(row: DictRow) -> Delivery:
    return Delivery(
        **{**row, "event_type": EventType(row["event_type"]), "state": State(row["state"])}
    )
