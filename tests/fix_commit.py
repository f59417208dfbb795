"""A house of commits for tests: the same interface over memory and over PostgreSQL."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from psycopg import AsyncConnection
from uuid_utils.compat import uuid7

from accounts.limits import KeyRelease, KeyUse
from accounts.limits_sql import LimitsSql
from accounts.memory import MemoryKey, MemoryLimits
from billing.budgets import Budget
from billing.ledger import Balance, Credit, Hold, Settle, Void
from billing.ledger_sql import Balances, LedgerSql
from billing.memory import MemoryLedger
from core.engine.quote_uses import MemoryQuoteUses
from core.engine.quote_uses_sql import QuoteUsesSql
from core.engine.records import (
    AssetRecord,
    AttemptRecord,
    FinishGeneration,
    MarkOrphan,
    NewGeneration,
)
from core.engine.records_memory import MemoryRecords
from core.engine.records_read import RecordReads
from core.engine.records_sql import RecordsSql
from core.errors import Reason
from core.model import AttemptState, GenerationState, Kind, Usage
from storage.commits import Commit, Committed, Verdict
from storage.committer import Committer
from storage.memory import MemoryCommitter, MemoryParticipant
from storage.pool import Pool, open_pool

EPOCH = 7


@dataclass(frozen=True)
class Customer:
    """An account with one key."""

    account_id: UUID
    key_id: UUID

    def new(self, amount: int = 40_000, **changes: Any) -> NewGeneration:
        """An accepted request of a fresh id."""
        made = NewGeneration(
            id=uuid7(),
            account_id=self.account_id,
            key_id=self.key_id,
            hold_id=uuid4(),
            owner_epoch=EPOCH,
            model="gpt-image-2",
            kind=Kind.IMAGE,
            catalogue_version="c0ffee",
            endpoint="/v1/images/generations",
            request_id="req_1",
            requested_count=1,
            quoted_micros=amount,
            fingerprint=os.urandom(32),
            first_attempt=AttemptRecord(1, "openai-a", uuid4()),
        )
        return replace(made, **changes)

    def open(self, new: NewGeneration, patience: float = 5.0) -> Commit:
        """The hold commit."""
        hold = Hold(new.hold_id, self.account_id, new.quoted_micros, self.key_id)
        return Commit((new, KeyUse(self.account_id, self.key_id, new.model), hold), patience)

    def settle(self, new: NewGeneration, amount: int, **changes: Any) -> Commit:
        """The commit of a success."""
        first = replace(
            new.first_attempt,
            state=AttemptState.DONE,
            http_status=200,
            acknowledged_ms=3,
            first_byte_ms=5,
            ended_ms=9,
        )
        end = FinishGeneration(
            id=new.id,
            account_id=self.account_id,
            key_id=self.key_id,
            owner_epoch=new.owner_epoch,
            model=new.model,
            state=GenerationState.SUCCEEDED,
            channel="openai-a",
            attempts=(first,),
            assets=(AssetRecord(0, bytes(32), 1_500_000, "image/png", "ab" * 12, 1024, 1024),),
            delivered_count=1,
            charged_micros=min(amount, new.quoted_micros),
            usage=Usage(10, 0, 4000, None),
            size="1024x1024",
            quality="high",
            background="opaque",
            output_format="png",
        )
        resolve = Settle(uuid4(), self.account_id, new.hold_id, amount)
        return Commit((replace(end, **changes), resolve, self.release), 30.0)

    def void(self, new: NewGeneration, **changes: Any) -> Commit:
        """The commit of a failure."""
        end = FinishGeneration(
            id=new.id,
            account_id=self.account_id,
            key_id=self.key_id,
            owner_epoch=new.owner_epoch,
            model=new.model,
            state=GenerationState.FAILED,
            reason=Reason.UPSTREAM_ERROR,
            metadata={"channel": "openai-a"},
        )
        resolve = Void(uuid4(), self.account_id, new.hold_id)
        return Commit((replace(end, **changes), resolve, self.release), 30.0)

    def orphan(self, new: NewGeneration) -> Commit:
        return Commit((MarkOrphan(new.id, self.account_id),))

    def credit(self, amount: int) -> Commit:
        return Commit((Credit(uuid4(), self.account_id, amount),))

    @property
    def release(self) -> KeyRelease:
        return KeyRelease(self.account_id, self.key_id)


class MemoryHouse:
    """Commits, reads and levers over memory."""

    def __init__(self) -> None:
        self.now_us = time.time_ns() // 1000
        self.records = MemoryRecords(lambda: self.now_us)
        self.limits, self.ledger = MemoryLimits(), MemoryLedger()
        self.quotes = MemoryQuoteUses()
        participants: list[MemoryParticipant] = [
            self.records,
            self.limits,
            self.ledger,
            self.quotes,
        ]
        self.committer = MemoryCommitter(participants, lambda: self.now_us)
        self.reads = self.records

    async def customer(
        self, credit: int = 0, rate: int = 100_000, concurrency: int = 1000
    ) -> Customer:
        made = Customer(uuid4(), uuid4())
        self.ledger.open_account(made.account_id)
        self.limits.keys[made.account_id, made.key_id] = MemoryKey(rate, concurrency)
        await self.fund(made, credit)
        return made

    async def fund(self, customer: Customer, credit: int) -> None:
        assert isinstance(await self.commit(customer.credit(credit)), Committed)

    async def commit(self, commit: Commit) -> Verdict:
        return await self.committer.commit(commit)

    async def batch(self, *commits: Commit) -> Sequence[Verdict]:
        return self.committer.commit_batch(commits)

    async def balance(self, customer: Customer) -> Balance | None:
        return await self.ledger.balance(customer.account_id)

    async def in_flight(self, customer: Customer) -> int:
        return self.limits.keys[customer.account_id, customer.key_id].in_flight

    async def discrepancies(self) -> list[Any]:
        return list(self.ledger.discrepancies())

    async def operator(self, book: str) -> int:
        return self.ledger.operator_balance(book)

    async def pass_time(self, customer: Customer, us: int) -> None:
        self.now_us += us

    async def suspend(self, customer: Customer) -> None:
        self.limits.suspended[customer.account_id] = self.now_us

    async def revoke(self, customer: Customer) -> None:
        self.limits.keys[customer.account_id, customer.key_id].revoked_us = self.now_us

    async def allow(self, customer: Customer, *models: str) -> None:
        self.limits.keys[customer.account_id, customer.key_id].allowed_models = models

    async def limit(self, budget: Budget) -> None:
        self.ledger.budgets[budget.account_id, budget.budget_id] = budget


class PostgresHouse:
    """The same over PostgreSQL."""

    def __init__(self, url: str, pool: Pool, committer: Committer) -> None:
        self.url = url
        self.pool = pool
        self.committer = committer
        self.reads = RecordReads(pool)
        self.has_dropped_days = False

    async def customer(
        self, credit: int = 0, rate: int = 100_000, concurrency: int = 1000
    ) -> Customer:
        made = Customer(uuid4(), uuid4())
        await make_account(self.pool, made, rate, concurrency)
        await self.fund(made, credit)
        return made

    async def another_key(self, customer: Customer) -> Customer:
        """The same account with a further key."""
        made = Customer(customer.account_id, uuid4())
        async with self.pool.connection() as connection:
            await make_key(connection, made, 100_000, 1000)
        return made

    async def fund(self, customer: Customer, credit: int) -> None:
        assert isinstance(await self.commit(customer.credit(credit)), Committed)

    async def commit(self, commit: Commit) -> Verdict:
        return await self.committer.commit(commit)

    async def batch(self, *commits: Commit) -> Sequence[Verdict]:
        """They arrive in one turn of the loop, so they are one batch."""
        return await asyncio.gather(*map(self.committer.commit, commits))

    async def balance(self, customer: Customer) -> Balance | None:
        return await Balances(self.pool).balance(customer.account_id)

    async def in_flight(self, customer: Customer) -> int:
        name = (customer.account_id, customer.key_id)
        rows = await self.query(
            "SELECT in_flight FROM key_use WHERE account_id = %s AND key_id = %s", *name
        )
        return int(rows[0][0])

    async def discrepancies(self) -> list[Any]:
        return await self.query("SELECT * FROM ledger_discrepancy")

    async def operator(self, book: str) -> int:
        rows = await self.query(
            "SELECT coalesce(sum(amount_micros), 0)::bigint FROM ledger_entry WHERE book = %s", book
        )
        return int(rows[0][0])

    async def pass_time(self, customer: Customer, us: int) -> None:
        """Everything that happened, happened earlier: the same as a later now."""
        name = (customer.account_id, customer.key_id)
        await self.query(
            "UPDATE key_use SET tat_us = tat_us - %s WHERE account_id = %s AND key_id = %s"
            " RETURNING 1",
            *(us, *name),
        )
        await self.query(
            "UPDATE idempotency SET expires_at = expires_at - %s * interval '1 microsecond'"
            " WHERE account_id = %s RETURNING 1",
            *(us, customer.account_id),
        )
        await self.query(
            "UPDATE asset SET created_at = created_at - x, expires_at = expires_at - x"
            " FROM (SELECT %s * interval '1 microsecond') AS past (x) WHERE account_id = %s"
            " RETURNING 1",
            *(us, customer.account_id),
        )

    async def suspend(self, customer: Customer) -> None:
        await self.query(
            "UPDATE account SET suspended_at = now() WHERE account_id = %s RETURNING 1",
            customer.account_id,
        )

    async def revoke(self, customer: Customer) -> None:
        await self.query(
            "UPDATE api_key SET revoked_at = now() WHERE key_id = %s RETURNING 1", customer.key_id
        )

    async def allow(self, customer: Customer, *models: str) -> None:
        await self.query(
            "UPDATE api_key SET allowed_models = %s WHERE key_id = %s RETURNING 1",
            *(list(models), customer.key_id),
        )

    async def limit(self, budget: Budget) -> None:
        await self.query(
            "INSERT INTO budget (account_id, budget_id, key_id, period, limit_micros)"
            " VALUES (%s, %s, %s, %s, %s) RETURNING 1",
            *(budget.account_id, budget.budget_id, budget.key_id),
            *(budget.period, budget.limit_micros),
        )

    async def violations(self) -> list[str]:
        """Which laws over all tables are broken."""
        found = [what for (what,) in await self.query(INVARIANTS)]
        gone = "hold without its generation" if self.has_dropped_days else ""
        return [what for what in found if what != gone]

    async def query(self, statement: str, *values: Any) -> list[Any]:
        async with self.pool.connection() as connection:
            cursor = await connection.execute(statement, values)
            return await cursor.fetchall()


House = MemoryHouse | PostgresHouse

# What must hold of all tables together after anything at all; a row says what does not.
INVARIANTS = """
SELECT 'ledger: ' || what FROM ledger_discrepancy
UNION ALL
SELECT 'overdrawn' FROM balance WHERE posted - pending < 0 OR pending < 0
UNION ALL
SELECT 'generation without its hold' FROM generation g
 WHERE NOT EXISTS (SELECT FROM transfer t WHERE t.account_id = g.account_id AND t.id = g.hold_id
                      AND t.kind = 'hold' AND t.amount_micros = g.quoted_micros)
UNION ALL
SELECT 'hold without its generation' FROM transfer t
 WHERE t.kind = 'hold' AND NOT EXISTS (
       SELECT FROM generation g WHERE g.account_id = t.account_id AND g.hold_id = t.id)
UNION ALL
SELECT 'open generation with a resolved hold, or the other way round' FROM generation g
 WHERE (g.finished_at IS NULL) = EXISTS (
       SELECT FROM transfer t WHERE t.account_id = g.account_id AND t.resolves = g.hold_id)
UNION ALL
SELECT 'charge differs from the settle' FROM generation g
  JOIN transfer t ON t.account_id = g.account_id AND t.resolves = g.hold_id
 WHERE g.charged_micros <> CASE t.kind WHEN 'settle' THEN t.amount_micros ELSE 0 END
UNION ALL
SELECT 'slots differ from open generations' FROM key_use u
 WHERE u.in_flight <> (SELECT count(*) FROM generation g
                        WHERE g.key_id = u.key_id AND g.finished_at IS NULL)
UNION ALL
SELECT 'generation without its first attempt' FROM generation g
 WHERE NOT EXISTS (SELECT FROM attempt a WHERE a.generation_id = g.id AND a.number = 1)
UNION ALL
SELECT 'success without output and usage, or the other way round' FROM generation g
 WHERE (g.state = 'succeeded') <> (EXISTS (SELECT FROM asset a WHERE a.generation_id = g.id)
   AND EXISTS (SELECT FROM usage_event u WHERE u.generation_id = g.id))
UNION ALL
SELECT 'idempotency row without its generation' FROM idempotency i
 WHERE NOT EXISTS (SELECT FROM generation g WHERE g.id = i.generation_id)
"""


async def make_account(pool: Pool, customer: Customer, rate: int, concurrency: int) -> None:
    async with pool.connection() as connection, connection.transaction():
        await connection.execute(
            "INSERT INTO account (account_id, name) VALUES (%s, 'test')", [customer.account_id]
        )
        await make_key(connection, customer, rate, concurrency)


async def make_key(
    connection: AsyncConnection[Any], customer: Customer, rate: int, concurrency: int
) -> None:
    await connection.execute(
        "INSERT INTO api_key (account_id, key_id, public_id, secret_hmac, name,"
        " requests_per_minute, concurrency) VALUES (%s, %s, %s, %s, 'test', %s, %s)",
        [customer.account_id, customer.key_id, customer.key_id.hex, bytes(32), rate, concurrency],
    )


def participants() -> tuple[RecordsSql, LimitsSql, LedgerSql, QuoteUsesSql]:
    return RecordsSql(), LimitsSql(), LedgerSql(), QuoteUsesSql()


@pytest_asyncio.fixture
async def postgres_house(database_url: str) -> AsyncIterator[PostgresHouse]:
    """Over PostgreSQL; all tables must agree at the end."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(database_url, name="test"))
        committer = await stack.enter_async_context(Committer(database_url, participants()))
        made = PostgresHouse(database_url, pool, committer)
        yield made
        assert await made.violations() == []


@pytest.fixture(params=["memory", "postgres"])
def house_url(request: pytest.FixtureRequest) -> str | None:
    return request.getfixturevalue("database_url") if request.param == "postgres" else None


@pytest_asyncio.fixture
async def house(house_url: str | None) -> AsyncIterator[House]:
    """Once over memory, once over PostgreSQL; its books must be right at the end."""
    async with AsyncExitStack() as stack:
        made: House = MemoryHouse()
        if house_url is not None:
            pool = await stack.enter_async_context(open_pool(house_url, name="test"))
            committer = await stack.enter_async_context(Committer(house_url, participants()))
            made = PostgresHouse(house_url, pool, committer)
        yield made
        assert await made.discrepancies() == []
