"""A quote is used once, by the commit that holds its price, over memory and over PostgreSQL."""

import asyncio
import os
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from billing.ledger import Balance, InsufficientCredits
from billing.pricing import PriceLine
from core.engine.quote_uses import QuoteOver, UseQuote
from core.engine.records import NewGeneration, Replay
from core.engine.rules import apply_rules
from storage.commits import Commit, Committed, Refused
from storage.committer import Committer
from tests.fix_commit import Customer, House, PostgresHouse, participants

LINE = PriceLine("second", 8_000, 5_000, 40_000, {"resolution": "720p"})
MINUTE_US = 60_000_000


def soon(us: int = MINUTE_US) -> int:
    return time.time_ns() // 1000 + us


def carrying(customer: Customer, new: NewGeneration, quote: UUID, expires_us: int) -> Commit:
    begin, use, hold = customer.open(new).parts
    return Commit((begin, use, UseQuote(customer.account_id, quote, expires_us), hold))


async def test_a_quote_is_used_once_and_the_row_remembers_it(house: House) -> None:
    customer, quote = await house.customer(credit=100_000), uuid4()
    first = customer.new(quote_id=quote, price_lines=(LINE,))
    second = customer.new(quote_id=quote)

    done = await house.commit(carrying(customer, first, quote, soon()))
    again = await house.commit(carrying(customer, second, quote, soon()))

    assert isinstance(done, Committed)
    assert again == Refused(QuoteOver(was_used=True))
    assert await house.balance(customer) == Balance(100_000, 40_000)
    assert await house.in_flight(customer) == 1
    row = await house.reads.generation(customer.account_id, first.id)
    assert row is not None
    assert (row.quote_id, row.price_lines) == (quote, (LINE,))
    assert await house.reads.generation(customer.account_id, second.id) is None


async def test_one_of_a_batch_gets_the_quote(house: House) -> None:
    customer, quote = await house.customer(credit=1_000_000), uuid4()

    verdicts = await house.batch(
        *(carrying(customer, customer.new(), quote, soon()) for _ in range(5))
    )

    assert [type(verdict) for verdict in verdicts] == [Committed, *[Refused] * 4]
    assert await house.balance(customer) == Balance(1_000_000, 40_000)


async def test_another_account_s_quote_of_the_same_id_is_another_one(house: House) -> None:
    one, other = await house.customer(credit=100_000), await house.customer(credit=100_000)
    quote = uuid4()

    for customer in (one, other):
        verdict = await house.commit(carrying(customer, customer.new(), quote, soon()))
        assert isinstance(verdict, Committed)


async def test_the_clock_of_the_database_ends_a_quote(house: House) -> None:
    customer = await house.customer(credit=100_000)

    verdict = await house.commit(carrying(customer, customer.new(), uuid4(), soon(-MINUTE_US)))

    assert verdict == Refused(QuoteOver(was_used=False))
    assert await house.balance(customer) == Balance(100_000, 0)


async def test_a_repeated_request_is_a_replay_and_not_a_second_use(house: House) -> None:
    customer, quote = await house.customer(credit=100_000), uuid4()
    names: dict[str, Any] = {"idempotency_key": os.urandom(32), "fingerprint": os.urandom(32)}
    first = customer.new(**names)
    await house.commit(carrying(customer, first, quote, soon()))

    for expires_us in (soon(), soon(-MINUTE_US)):
        again = await house.commit(carrying(customer, customer.new(**names), quote, expires_us))
        assert again == Refused(Replay(first.id))


async def test_a_commit_that_is_sent_again_has_used_its_quote_once(house: House) -> None:
    customer = await house.customer(credit=100_000)
    commit = carrying(customer, customer.new(), uuid4(), soon())
    await house.commit(commit)

    again = await house.commit(commit)

    assert isinstance(again, Committed)
    assert again.resent


async def test_a_hold_that_is_refused_leaves_the_quote(house: House) -> None:
    customer, quote = await house.customer(credit=100), uuid4()
    refused = await house.commit(carrying(customer, customer.new(), quote, soon()))
    await house.fund(customer, 100_000)

    verdict = await house.commit(carrying(customer, customer.new(), quote, soon()))

    assert refused == Refused(InsufficientCredits(40_000, 100))
    assert isinstance(verdict, Committed)


async def test_used_quotes_are_swept_when_they_would_have_expired(
    postgres_house: PostgresHouse,
) -> None:
    house = postgres_house
    customer, old, young = await house.customer(credit=100_000), uuid4(), uuid4()
    for quote in (old, young):
        await house.commit(carrying(customer, customer.new(), quote, soon()))
    await house.query(
        "UPDATE quote_use SET expires_at = now() - interval '1 s' WHERE quote_id = %s RETURNING 1",
        old,
    )

    await apply_rules(house.pool, datetime.now(UTC))

    assert await house.query("SELECT quote_id FROM quote_use") == [(young,)]


async def test_of_two_processes_one_uses_the_quote(postgres_house: PostgresHouse) -> None:
    house = postgres_house
    customer = await house.customer(credit=1_000_000)
    async with Committer(house.url, participants()) as rival:
        for _ in range(20):
            quote = uuid4()
            commits = [carrying(customer, customer.new(10), quote, soon()) for _ in range(2)]

            verdicts = await asyncio.gather(house.commit(commits[0]), rival.commit(commits[1]))

            assert {type(verdict) for verdict in verdicts} == {Committed, Refused}
    assert await house.balance(customer) == Balance(1_000_000, 200)
