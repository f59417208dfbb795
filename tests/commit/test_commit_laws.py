"""Any sequence of commits, in any batches, against a small model; on memory and PostgreSQL."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from billing.ledger import Balance, Credit, Hold, Settle, Void
from core.engine.records import FinishGeneration, MarkOrphan, NewGeneration
from core.model import GenerationState
from storage.commits import Commit, Committed, Verdict
from storage.committer import Committer
from storage.pool import open_pool
from tests.fix_commit import Customer, House, MemoryHouse, PostgresHouse, participants
from tests.ledger_machine import laws
from tests.prove_options import Counts

pytestmark = pytest.mark.prove

CONCURRENCY = 4


class Model:
    """What one account's commits should be told, in the fewest words."""

    def __init__(self) -> None:
        self.credit = 0
        self.charged = 0
        self.open: dict[UUID, int] = {}
        self.ended: dict[UUID, GenerationState] = {}
        self.keys: dict[bytes, tuple[bytes, UUID]] = {}
        self.requests: dict[UUID, bytes] = {}
        self.orphans: dict[UUID, bytes] = {}
        self.claimed: set[UUID] = set()
        self.transfers: set[UUID] = set()

    @property
    def balance(self) -> Balance:
        return Balance(self.credit - self.charged, sum(self.open.values()))

    def tell(self, commit: Commit) -> str:
        match commit.parts:
            case (NewGeneration() as new, _, Hold(id_, _, amount)):
                return self._opened(new, id_, amount)
            case (FinishGeneration() as end, Settle() | Void() as resolve, _):
                return self._ended(end, resolve)
            case (Credit(id_, _, amount),):
                return self._credited(id_, amount)
            case (MarkOrphan(id_, _),):
                return self._orphaned(id_)
        raise AssertionError(commit)

    def _opened(self, new: NewGeneration, hold_id: UUID, amount: int) -> str:
        if hold_id in self.transfers:
            return "again"
        if new.idempotency_key in self.keys:
            request, id_ = self.keys[new.idempotency_key]
            return f"Replay {id_}" if request == new.fingerprint else "IdempotencyMismatch"
        for id_ in sorted(self.orphans) if new.claim else ():
            failed = self.ended.get(id_) is GenerationState.FAILED
            if self.orphans[id_] == new.fingerprint and id_ not in self.claimed and not failed:
                self.claimed.add(id_)
                return f"Claimed {id_}"
        if len(self.open) >= CONCURRENCY:
            return "LimitExceeded"
        if amount > self.balance.available_micros:
            return "InsufficientCredits"
        self.transfers.add(hold_id)
        self.open[new.id] = amount
        self.requests[new.id] = new.fingerprint
        if new.idempotency_key is not None:
            self.keys[new.idempotency_key] = (new.fingerprint, new.id)
        return "ok"

    def _ended(self, end: FinishGeneration, resolve: Settle | Void) -> str:
        if resolve.transfer_id in self.transfers:
            return "again"
        if end.id in self.ended:
            return "AlreadyTerminal"
        if end.id not in self.open:
            return "GenerationUnknown"
        held = self.open.pop(end.id)
        self.charged += min(resolve.amount_micros, held) if isinstance(resolve, Settle) else 0
        self.ended[end.id] = end.state
        self.transfers.add(resolve.transfer_id)
        return "ok"

    def _credited(self, id_: UUID, amount: int) -> str:
        if id_ in self.transfers:
            return "again"
        self.transfers.add(id_)
        self.credit += amount
        return "ok"

    def _orphaned(self, id_: UUID) -> str:
        if id_ not in self.open and id_ not in self.ended:
            return "GenerationUnknown"
        self.orphans[id_] = self.requests[id_]
        self.claimed.discard(id_)
        return "ok"


def told(verdict: Verdict) -> str:
    if isinstance(verdict, Committed):
        return "again" if verdict.resent else "ok"
    refusal = verdict.refusal
    name = type(refusal).__name__
    return f"{name} {refusal.generation_id}" if name in {"Replay", "Claimed"} else name


class Commits(RuleBasedStateMachine):
    """Batches of random commits by two customers."""

    def __init__(self, house: House, run: Callable[..., object]) -> None:
        super().__init__()
        self.house = house
        self.run = run
        self.batch: list[tuple[Model, Commit]] = []
        self.asked: list[NewGeneration] = []
        self.sent: list[tuple[Model, Commit]] = []

    @initialize()
    def two_customers(self) -> None:
        self.customers: dict[Customer, Model] = {}
        for _ in range(2):
            made = self.run(self.house.customer(concurrency=CONCURRENCY))
            assert isinstance(made, Customer)
            self.customers[made] = Model()
            self.queue(made, made.credit(60))

    def queue(self, customer: Customer, commit: Commit) -> None:
        self.batch.append((self.customers[customer], commit))

    def customer(self, index: int) -> Customer:
        return list(self.customers)[index]

    def owner(self, new: NewGeneration) -> Customer:
        return Customer(new.account_id, new.key_id)

    @rule(who=st.integers(0, 1), amount=st.integers(0, 60))
    def credit(self, who: int, amount: int) -> None:
        self.queue(self.customer(who), self.customer(who).credit(amount))

    @rule(
        who=st.integers(0, 1),
        amount=st.integers(0, 40),
        key=st.none() | st.integers(0, 1),
        request=st.integers(0, 1),
        claim=st.booleans(),
    )
    def open(self, who: int, amount: int, key: int | None, request: int, claim: bool) -> None:
        new = self.customer(who).new(
            amount,
            idempotency_key=None if key is None else bytes([key]) * 32,
            fingerprint=bytes([request]) * 32,
            claim=claim,
        )
        self.asked.append(new)
        self.queue(self.customer(who), self.customer(who).open(new))

    @precondition(lambda self: self.asked)
    @rule(pick=st.integers(0), amount=st.integers(0, 40))
    def settle(self, pick: int, amount: int) -> None:
        new = self.asked[pick % len(self.asked)]
        self.queue(self.owner(new), self.owner(new).settle(new, amount))

    @precondition(lambda self: self.asked)
    @rule(pick=st.integers(0))
    def void(self, pick: int) -> None:
        new = self.asked[pick % len(self.asked)]
        self.queue(self.owner(new), self.owner(new).void(new))

    @precondition(lambda self: self.asked)
    @rule(pick=st.integers(0))
    def orphan(self, pick: int) -> None:
        # In a batch of its own: a claim sees the orphans of earlier batches only.
        new = self.asked[pick % len(self.asked)]
        if self.batch:
            self.flush()
        self.queue(self.owner(new), self.owner(new).orphan(new))
        self.flush()

    @precondition(lambda self: self.sent)
    @rule(pick=st.integers(0))
    def again(self, pick: int) -> None:
        self.batch.append(self.sent[pick % len(self.sent)])

    @precondition(lambda self: self.batch)
    @rule()
    def flush(self) -> None:
        batch, self.batch = self.batch, []
        verdicts = self.run(self.house.batch(*(commit for _, commit in batch)))
        assert isinstance(verdicts, list)
        assert [told(verdict) for verdict in verdicts] == [
            model.tell(commit) for model, commit in batch
        ]
        self.sent += [item for item in batch if not isinstance(item[1].parts[0], MarkOrphan)]
        for customer, model in self.customers.items():
            assert self.run(self.house.balance(customer)) == model.balance
            assert self.run(self.house.in_flight(customer)) == len(model.open)

    @invariant()
    def the_books_are_right(self) -> None:
        if not self.batch:
            assert self.run(self.house.discrepancies()) == []

    def teardown(self) -> None:
        if self.batch:
            self.flush()


@contextmanager
def postgres(url: str) -> Iterator[tuple[PostgresHouse, asyncio.Runner]]:
    """A house with a loop of its own: Hypothesis is not asynchronous."""
    with asyncio.Runner() as runner:
        opened = open_pool(url, name="test")
        pool = runner.run(opened.__aenter__())
        committer = Committer(url, participants())
        runner.run(committer.__aenter__())
        try:
            yield PostgresHouse(url, pool, committer), runner
        finally:
            runner.run(committer.__aexit__(None, None, None))
            runner.run(opened.__aexit__(None, None, None))


def over_memory(examples: int, steps: int, *, random: bool = False) -> None:
    class InMemory(Commits):
        def __init__(self) -> None:
            super().__init__(MemoryHouse(), runner.run)

    with asyncio.Runner() as runner:
        run_state_machine_as_test(InMemory, settings=laws(examples, steps, random=random))


def over_postgres(url: str, examples: int, steps: int, *, random: bool = False) -> None:
    class OnPostgres(Commits):
        def __init__(self) -> None:
            super().__init__(house, runner.run)

    with postgres(url) as (house, runner):
        run_state_machine_as_test(OnPostgres, settings=laws(examples, steps, random=random))
        assert runner.run(house.violations()) == []


def test_the_laws_hold_in_memory() -> None:
    over_memory(examples=100, steps=40)


def test_the_laws_hold_on_postgresql(database_url: str) -> None:
    over_postgres(database_url, examples=15, steps=40)


@pytest.mark.prove
def test_the_laws_hold_in_memory_for_long(counts: Counts) -> None:
    over_memory(examples=counts.reduced(3000, 500), steps=60, random=True)


@pytest.mark.prove
def test_the_laws_hold_on_postgresql_for_long(database_url: str, counts: Counts) -> None:
    over_postgres(database_url, examples=counts.reduced(300, 60), steps=50, random=True)
