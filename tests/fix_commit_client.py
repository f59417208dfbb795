"""A process that holds and settles, for races and murders; `python -m tests.fix_commit_client`.

Every id follows from the seed, so that whoever started the process can send the same
commits again. It prints a line per verdict, once it has it.
"""

import asyncio
import random
import sys
import time
from dataclasses import dataclass, replace
from uuid import UUID

from billing.ledger import Settle, Void
from core.engine.records import NewGeneration
from storage.commits import Commit, Committed, Refused, Verdict
from storage.committer import Committer
from tests.fix_commit import Customer, participants

IMAGE = 100


@dataclass(frozen=True)
class Plan:
    """What one process does: *count* generations, so many at once, over the customers."""

    seed: int
    began_ms: int
    count: int
    customers: tuple[Customer, ...]

    def hold(self, number: int) -> Commit:
        return self._customer(number).open(self._new(number), patience=20.0)

    def finish(self, number: int) -> Commit:
        """Most are settled, for less than the hold; some are voided."""
        customer, new = self._customer(number), self._new(number)
        transfer = self._uuid("finish", number)
        if number % 5 == 4:
            end, _, release = customer.void(new).parts
            void = Void(transfer, customer.account_id, new.hold_id)
            return Commit((end, void, release), 30.0)
        end, _, release = customer.settle(new, IMAGE - number % 7).parts
        settle = Settle(transfer, customer.account_id, new.hold_id, IMAGE - number % 7)
        return Commit((end, settle, release), 30.0)

    def _new(self, number: int) -> NewGeneration:
        made = self._customer(number).new(IMAGE)
        low = self._uuid("generation", number).int & ((1 << 80) - 1)
        return replace(
            made,
            id=UUID(int=self.began_ms << 80 | low),
            hold_id=self._uuid("hold", number),
            fingerprint=self._uuid("request", number).bytes * 2,
            idempotency_key=self._uuid("key", number).bytes * 2 if number % 3 == 0 else None,
            first_attempt=replace(made.first_attempt, mark=self._uuid("mark", number)),
        )

    def _customer(self, number: int) -> Customer:
        return self.customers[number % len(self.customers)]

    def _uuid(self, what: str, number: int) -> UUID:
        return UUID(int=random.Random(f"{self.seed} {what} {number}").getrandbits(128), version=4)

    def arguments(self) -> list[str]:
        names = [f"{c.account_id}/{c.key_id}" for c in self.customers]
        return [str(self.seed), str(self.began_ms), str(self.count), *names]

    @classmethod
    def parse(cls, seed: str, began_ms: str, count: str, *names: str) -> "Plan":
        customers = tuple(Customer(*map(UUID, name.split("/"))) for name in names)
        return cls(int(seed), int(began_ms), int(count), customers)


def plan(seed: int, count: int, *customers: Customer) -> Plan:
    return Plan(seed, time.time_ns() // 1_000_000, count, customers)


def word(verdict: Verdict) -> str:
    if isinstance(verdict, Refused):
        return type(verdict.refusal).__name__
    return "again" if verdict.resent else "ok"


def say(kind: str, number: int, verdict: Verdict) -> None:
    sys.stdout.write(f"{kind} {number} {word(verdict)}\n")
    sys.stdout.flush()


async def run(url: str, todo: Plan, at_once: int, what: str) -> None:
    numbers = iter(range(todo.count))

    async def work(committer: Committer) -> None:
        for number in numbers:
            verdict = await committer.commit(todo.hold(number))
            say("hold", number, verdict)
            if what == "pairs" and isinstance(verdict, Committed):
                verdict = await committer.commit(todo.finish(number))
                say("finish", number, verdict)

    async with Committer(url, participants()) as committer:
        await committer.commit(Commit(()))  # connected
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.readline)
        await asyncio.gather(*(work(committer) for _ in range(at_once)))


if __name__ == "__main__":
    url_, at_once_, what_, *rest = sys.argv[1:]
    asyncio.run(run(url_, Plan.parse(*rest), int(at_once_), what_))
