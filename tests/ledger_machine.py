"""The ledger's laws: any parts, in any batches, against a model; over memory and PostgreSQL."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from billing.book import LedgerBook
from billing.budgets import Budget, Period, at
from billing.ledger import (
    Balance,
    Clawback,
    Credit,
    Hold,
    LedgerPart,
    Loss,
    OperatorBook,
    Reinstatement,
    Settle,
    Void,
)
from billing.ledger_sql import Balances, LedgerSql
from billing.memory import MemoryLedger, moved
from storage.commits import Commit, Committed, Verdict
from storage.committer import Committer
from storage.memory import MemoryCommitter
from storage.pool import Pool, open_pool

BEGIN = datetime(2027, 1, 30, 21, tzinfo=UTC)  # a day and a month end soon


class Model:
    """What one account's ledger should answer and hold, in the fewest words."""

    def __init__(self, budgets: Sequence[Budget]) -> None:
        self.budgets = budgets
        self.posted = self.debt = 0
        self.done: dict[UUID, LedgerPart] = {}
        self.open: dict[UUID, tuple[int, list[tuple[UUID, str]]]] = {}
        self.used: Counter[tuple[UUID, str]] = Counter()

    @property
    def balance(self) -> Balance:
        return Balance(self.posted, sum(held for held, _ in self.open.values()), self.debt)

    def tell(self, part: LedgerPart, now: datetime) -> str:
        if part.transfer_id in self.done:
            return "again" if self.done[part.transfer_id] == part else "TransferMismatch"
        match part:
            case Hold(id_, _, amount, key):
                limits = {
                    (each.budget_id, period(each, now)): each.limit_micros
                    for each in self.budgets
                    if amount and key and each.key_id in (None, key)
                }
                if amount and self.debt:
                    return "InDebt"
                if amount > self.balance.available_micros:
                    return "InsufficientCredits"
                if any(self.used[name] + amount > limits[name] for name in limits):
                    return "BudgetExceeded"
                self.open[id_] = amount, list(limits)
                self.used.update(dict.fromkeys(limits, amount))
            case Settle(hold_id=id_) | Void(hold_id=id_):
                if id_ not in self.open:
                    is_hold = isinstance(self.done.get(id_), Hold)
                    return "HoldResolved" if is_hold else "HoldUnknown"
                held, names = self.open.pop(id_)
                charged = min(part.amount_micros, held) if isinstance(part, Settle) else 0
                self.posted -= charged
                self.used.subtract(dict.fromkeys(names, held - charged))
            case Credit() | Reinstatement():
                self.posted += part.amount_micros
            case Clawback(amount_micros=amount):
                self.debt += max(0, amount - self.balance.available_micros)
                self.posted -= min(amount, self.balance.available_micros)
        repaid = min(self.debt, self.balance.available_micros)
        self.posted, self.debt = self.posted - repaid, self.debt - repaid
        self.done[part.transfer_id] = part
        return "ok"

    def held(self, name: tuple[UUID, str]) -> int:
        return sum(held for held, names in self.open.values() if name in names)


def period(budget: Budget, now: datetime) -> str:
    return now.strftime({"day": "%Y-%m-%d", "month": "%Y-%m", "total": "ever"}[budget.period])


class Clock:
    """The time that both ledgers are told."""

    def __init__(self) -> None:
        self.now = BEGIN

    @property
    def us(self) -> int:
        return int(self.now.timestamp()) * 1_000_000


class MemoryBooks:
    """The ledger in memory."""

    def __init__(self, clock: Clock) -> None:
        self._ledger = MemoryLedger()
        self._committer = MemoryCommitter([self._ledger], lambda: clock.us)

    async def open(self, account: UUID, keys: Iterable[UUID], budgets: Sequence[Budget]) -> None:
        self._ledger.open_account(account)
        self._ledger.budgets |= {(account, each.budget_id): each for each in budgets}

    async def batch(self, commits: Sequence[Commit]) -> Sequence[Verdict]:
        return self._committer.commit_batch(commits)

    async def balance(self, account: UUID) -> Balance | None:
        return await self._ledger.balance(account)

    async def budgets(self, account: UUID) -> Sequence[Budget]:
        return [each for each in self._ledger.budgets.values() if each.account_id == account]

    async def entries(self, account: UUID) -> dict[str, int]:
        rows = [row for row in self._ledger.transfers.values() if row.account_id == account]
        return {book: moved(rows, book) for book in ("customer", *OperatorBook)}

    async def discrepancies(self) -> list[Any]:
        return list(self._ledger.discrepancies())


class AtTime(LedgerSql):
    """The ledger's part in a commit, by another clock than the database's."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def book(self, rows: Sequence[Sequence[tuple[Any, ...]]], now_us: int) -> LedgerBook:
        return super().book(rows, self._clock.us)


class PostgresBooks:
    """The same in PostgreSQL."""

    def __init__(self, pool: Pool, committer: Committer) -> None:
        self._pool = pool
        self._committer = committer

    async def open(self, account: UUID, keys: Iterable[UUID], budgets: Sequence[Budget]) -> None:
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute("INSERT INTO account VALUES (%s, 'test')", [account])
            for key in keys:
                await connection.execute(
                    "INSERT INTO api_key (account_id, key_id, public_id, secret_hmac, name,"
                    " requests_per_minute, concurrency) VALUES (%s, %s, %s, %s, 'test', 1, 1)",
                    [account, key, key.hex, bytes(32)],
                )
            for each in budgets:
                await connection.execute(
                    "INSERT INTO budget (account_id, budget_id, key_id, period, limit_micros)"
                    " VALUES (%s, %s, %s, %s, %s)",
                    [account, each.budget_id, each.key_id, each.period, each.limit_micros],
                )

    async def batch(self, commits: Sequence[Commit]) -> Sequence[Verdict]:
        """They arrive in one turn of the loop, so they are one batch."""
        return await asyncio.gather(*map(self._committer.commit, commits))

    async def balance(self, account: UUID) -> Balance | None:
        return await Balances(self._pool).balance(account)

    async def budgets(self, account: UUID) -> Sequence[Budget]:
        rows = await self._query(
            "SELECT account_id, budget_id, key_id, period, ARRAY[limit_micros, spent_micros,"
            " held_micros, (extract(epoch FROM period_start) * 1000000)::bigint]"
            " FROM budget WHERE account_id = %s",
            account,
        )
        return [
            Budget(account, budget, key, Period(kind), *sums) for _, budget, key, kind, sums in rows
        ]

    async def entries(self, account: UUID) -> dict[str, int]:
        rows = await self._query(
            "SELECT book, sum(amount_micros)::bigint FROM ledger_entry WHERE account_id = %s"
            " GROUP BY 1",
            account,
        )
        return dict.fromkeys(("customer", *OperatorBook), 0) | dict(rows)

    async def discrepancies(self) -> list[Any]:
        return await self._query("SELECT * FROM ledger_discrepancy")

    async def _query(self, statement: str, *values: Any) -> list[Any]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(statement.encode(), values)
            return await cursor.fetchall()


AMOUNTS = st.integers(0, 60)
SMALL = st.integers(0, 20)
PICKS = st.integers(0, 1 << 16)


class Ledger(RuleBasedStateMachine):
    """Batches of random parts on one account with two keys and some budgets."""

    def __init__(self, books: MemoryBooks | PostgresBooks, clock: Clock, run: Any) -> None:
        super().__init__()
        self.books, self.clock, self.run = books, clock, run
        self.account, self.keys = uuid4(), [uuid4(), uuid4()]
        self.holds: list[UUID] = [uuid4()]  # one that nobody made
        self.batch: list[LedgerPart] = []
        self.taken: list[LedgerPart] = []

    @initialize(
        wanted=st.lists(st.tuples(st.integers(0, 2), st.sampled_from(Period), AMOUNTS), max_size=3)
    )
    def budgets(self, wanted: list[tuple[int, Period, int]]) -> None:
        self.clock.now = BEGIN
        made = [
            Budget(self.account, uuid4(), [*self.keys, None][whose], kind, limit)
            for whose, kind, limit in wanted
        ]
        self.model = Model(made)
        self.run(self.books.open(self.account, self.keys, made))
        self.batch.append(Credit(uuid4(), self.account, 150))

    def hold_id(self, pick: int) -> UUID:
        """One of the last few: most of those that are older have been resolved."""
        return self.holds[-1 - pick % min(4, len(self.holds))]

    @rule(amount=SMALL, key=st.sampled_from([0, 0, 0, 1, None]))
    def hold(self, amount: int, key: int | None) -> None:
        by = None if key is None else self.keys[key]
        self.holds.append(uuid4())
        self.batch.append(Hold(self.holds[-1], self.account, amount, by))

    @rule(pick=PICKS, amount=SMALL)
    def settle(self, pick: int, amount: int) -> None:
        self.batch.append(Settle(uuid4(), self.account, self.hold_id(pick), amount))

    @rule(pick=PICKS)
    def void(self, pick: int) -> None:
        self.batch.append(Void(uuid4(), self.account, self.hold_id(pick)))

    @rule(amount=AMOUNTS, is_promotion=st.booleans())
    def credit(self, amount: int, is_promotion: bool) -> None:
        self.batch.append(Credit(uuid4(), self.account, amount, is_promotion=is_promotion))

    @rule(amount=AMOUNTS, kind=st.sampled_from([Clawback, Clawback, Reinstatement, Loss]))
    def adjust(self, amount: int, kind: Callable[[UUID, UUID, int], LedgerPart]) -> None:
        self.batch.append(kind(uuid4(), self.account, amount))

    @precondition(lambda self: self.taken)
    @rule(length=PICKS)
    def replay_a_prefix_twice(self, length: int) -> None:
        self.send()
        before = self.model.balance
        prefix = self.taken[: 1 + length % len(self.taken)]
        self.batch = [*prefix, *prefix]
        assert set(self.send()) == {"again"}
        assert self.model.balance == before

    @precondition(lambda self: self.taken)
    @rule(pick=PICKS, more=st.integers(1, 60))
    def reuse_an_id(self, pick: int, more: int) -> None:
        used = self.taken[-1 - pick % min(4, len(self.taken))]
        self.batch.append(
            Settle(used.transfer_id, used.account_id, used.hold_id, more)
            if isinstance(used, Void)
            else replace(used, amount_micros=used.amount_micros + more)
        )

    @rule(hours=st.sampled_from([1, 5, 24, 480]))
    def pass_time(self, hours: int) -> None:
        self.send()
        self.clock.now += timedelta(hours=hours)

    @rule()
    def flush(self) -> None:
        self.send()

    def send(self) -> list[str]:
        parts, self.batch = self.batch, []
        verdicts = self.run(self.books.batch([Commit((part,)) for part in parts]))
        told = [word(verdict) for verdict in verdicts]
        assert told == [self.model.tell(part, self.clock.now) for part in parts]
        self.taken += [part for part, said in zip(parts, told, strict=True) if said == "ok"]
        self.compare()
        return told

    def compare(self) -> None:
        balance = self.run(self.books.balance(self.account))
        assert balance == self.model.balance
        assert min(balance.available_micros, balance.held_micros, balance.debt_micros) >= 0
        assert balance.debt_micros == 0 or balance.available_micros == 0
        for row in self.run(self.books.budgets(self.account)):
            name = (row.budget_id, period(row, self.clock.now))
            now = at(row, self.clock.us)
            assert now.held_micros == self.model.held(name)
            assert now.spent_micros + now.held_micros == self.model.used[name] <= row.limit_micros

    def teardown(self) -> None:
        if hasattr(self, "model"):
            self.send()
            entries = self.run(self.books.entries(self.account))
            assert sum(entries.values()) == 0
            assert entries["customer"] == self.model.posted
            assert entries["debt"] == -self.model.debt


def word(verdict: Verdict) -> str:
    if isinstance(verdict, Committed):
        return "again" if verdict.resent else "ok"
    return type(verdict.refusal).__name__


def laws(examples: int, steps: int, *, random: bool) -> settings:
    """Not shrinking: a failure on PostgreSQL is soon repeated in memory."""
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        derandomize=not random,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
        database=None,
    )


def over_memory(examples: int, steps: int, *, random: bool = False) -> None:
    """Run the machine over the ledger in memory."""

    class InMemory(Ledger):
        def __init__(self) -> None:
            clock = Clock()
            super().__init__(MemoryBooks(clock), clock, runner.run)

        def teardown(self) -> None:
            super().teardown()
            assert self.run(self.books.discrepancies()) == []

    with asyncio.Runner() as runner:
        run_state_machine_as_test(InMemory, settings=laws(examples, steps, random=random))


def over_postgres(url: str, examples: int, steps: int, *, random: bool = False) -> None:
    """Run the machine over the ledger in PostgreSQL; at the end all its books must be right."""

    class OnPostgres(Ledger):
        def __init__(self) -> None:
            super().__init__(books, clock, runner.run)

    clock = Clock()
    with _postgres(url, clock) as (books, runner):
        run_state_machine_as_test(OnPostgres, settings=laws(examples, steps, random=random))
        assert runner.run(books.discrepancies()) == []


@contextmanager
def _postgres(url: str, clock: Clock) -> Iterator[tuple[PostgresBooks, asyncio.Runner]]:
    """Books with a loop of their own: Hypothesis is not asynchronous."""
    with asyncio.Runner() as runner:
        opened = open_pool(url, name="test")
        pool = runner.run(opened.__aenter__())
        committer = Committer(url, [AtTime(clock)])
        runner.run(committer.__aenter__())
        try:
            yield PostgresBooks(pool, committer), runner
        finally:
            runner.run(committer.__aexit__(None, None, None))
            runner.run(opened.__aexit__(None, None, None))
