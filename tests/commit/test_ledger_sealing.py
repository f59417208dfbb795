"""Rows are sealed beside the hot path: all of them, once, by one process at a time."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import psycopg
import pytest

from billing import sealing
from billing.audit import Audit
from billing.audit_sql import snapshot
from billing.chain import Bad, Signature
from billing.ledger import Hold, Loss, Void
from billing.sealing import Sealer
from core.signing import verifier
from storage.commits import Commit
from storage.pool import StorageUnavailable
from tests.fix_commit import Customer, PostgresHouse
from tests.ledgers import PUBLIC, SIGNER

pytestmark = pytest.mark.prove


AT_ONCE = timedelta(0)
ROUNDS = 30


def sealer(house: PostgresHouse) -> Sealer:
    return Sealer(house.pool, SIGNER, AT_ONCE)


async def audited(house: PostgresHouse) -> tuple[list[Bad], Audit]:
    async with (
        await psycopg.AsyncConnection.connect(house.url, autocommit=True) as connection,
        snapshot(connection) as books,
    ):
        audit = Audit(verifier(PUBLIC), books.sealed_until_us)
        bad = [found async for line in books.lines for found in audit.take(line)]
        return [*bad, *audit.end()], audit


async def spend(house: PostgresHouse, customer: Customer, rounds: int = 3) -> None:
    """Some holds, settled and given back."""
    for number in range(rounds):
        hold = Hold(uuid4(), customer.account_id, 100)
        await house.commit(Commit((hold,)))
        await house.commit(Commit((Void(uuid4(), customer.account_id, hold.transfer_id),)))
        await house.commit(Commit((Loss(uuid4(), customer.account_id, number),)))


@pytest.fixture
async def house(database_url: str, postgres_house: PostgresHouse) -> PostgresHouse:
    postgres_house.violations = _none  # its holds have no generations
    return postgres_house


async def _none() -> list[str]:
    return []


async def test_all_that_was_written_is_sealed_and_then_nothing_more_is_done(
    house: PostgresHouse,
) -> None:
    customers = [await house.customer(credit=10_000) for _ in range(3)]
    for customer in customers:
        await spend(house, customer)

    assert await sealer(house).run() == 3 * (1 + 9)
    assert await sealer(house).run() == 0

    bad, audit = await audited(house)
    assert bad == []
    assert (audit.counts.accounts, audit.counts.rows, audit.counts.unsealed) == (3, 30, 0)
    assert audit.counts.seals == 6  # the customers' rows, and the operator's that they caused
    assert audit.counts.sum_micros == 0


async def test_a_chain_goes_on_where_it_stood(house: PostgresHouse) -> None:
    customer = await house.customer(credit=10_000)
    for _ in range(4):
        await spend(house, customer, 1)
        await sealer(house).run()

    bad, audit = await audited(house)
    assert bad == []
    assert audit.counts.seals == 8
    rows = await house.query(
        "SELECT sequence, posted, held FROM ledger_chain WHERE chain = 'customer' ORDER BY 1"
    )
    assert rows[0] == (1, 10_000, 0)
    assert rows[1:3] == [(2, 10_000, 100), (3, 10_000, 0)]


async def test_two_sealers_at_once_seal_everything_once(house: PostgresHouse) -> None:
    customers = [await house.customer(credit=100_000) for _ in range(4)]
    sealers = [sealer(house) for _ in range(3)]
    is_over = False

    async def seal(one: Sealer) -> int:
        count = 0
        while not is_over:
            count += await one.run()
        return count

    running = [asyncio.create_task(seal(one)) for one in sealers]
    await asyncio.gather(*[spend(house, customer, ROUNDS) for customer in customers])
    is_over = True
    counts = [await task for task in running]
    counts.append(await sealer(house).run())

    bad, audit = await audited(house)
    assert bad == []
    assert sum(counts) == audit.counts.rows == 4 * (1 + 3 * ROUNDS)
    assert audit.counts.unsealed == 0


async def test_a_crash_between_leaves_nothing_half_sealed(house: PostgresHouse) -> None:
    customer = await house.customer(credit=10_000)
    await spend(house, customer)

    class Dying:
        signs = 1

        def sign(self, payload: bytes) -> Signature:
            if not self.signs:
                raise StorageUnavailable("57P01")
            self.signs -= 1
            return SIGNER.sign(payload)

    with pytest.raises(StorageUnavailable):
        await Sealer(house.pool, Dying(), AT_ONCE).run()
    _, audit = await audited(house)
    assert (audit.counts.rows, audit.counts.unsealed) == (0, 10)

    assert await sealer(house).run() == 10
    assert (await audited(house))[0] == []


async def test_who_writes_long_is_waited_for(house: PostgresHouse) -> None:
    customer = await house.customer(credit=10_000)
    async with await psycopg.AsyncConnection.connect(house.url) as slow:
        await slow.execute(
            "INSERT INTO transfer (account_id, id, kind, amount_micros, releases_micros, created_at)"
            " VALUES (%s, %s, 'overrun', 5, 0, statement_timestamp())",
            (customer.account_id, uuid4()),
        )
        await spend(house, customer, 1)
        assert await sealer(house).run() == 1  # what was there before
        await slow.commit()
    assert await sealer(house).run() == 4
    bad, audit = await audited(house)
    assert bad == []
    assert audit.counts.unsealed == 0


async def test_a_reader_is_not_waited_for_longer_than_it_might_write(house: PostgresHouse) -> None:
    customer = await house.customer(credit=10_000)
    async with await psycopg.AsyncConnection.connect(house.url) as reader:
        await reader.execute("SELECT 1 FROM transfer")
        await spend(house, customer, 1)
        horizon = (await house.query(sealing._HORIZON.replace("15 seconds", "0 seconds")))[0][0]
        newest = (await house.query("SELECT max(created_at) FROM transfer"))[0][0]
        assert horizon > newest


async def test_rows_that_a_clock_hid_are_found_by_the_slow_pass(house: PostgresHouse) -> None:
    customer = await house.customer(credit=10_000)
    await sealer(house).run()
    await house.query(
        "UPDATE ledger_sealing SET sealed_until = now() + interval '1 hour' RETURNING 1"
    )
    await spend(house, customer)

    swept = await sealer(house).sweep()

    assert swept == 9
    bad, audit = await audited(house)
    assert bad == []
    assert audit.counts.unsealed == 0


async def test_a_clock_that_ran_ahead_stops_nothing_once_it_is_right(house: PostgresHouse) -> None:
    customer = await house.customer(credit=10_000)
    await sealer(house).run()
    await house.query(
        "UPDATE ledger_sealing SET sealed_until = now() + interval '1 year' RETURNING 1"
    )
    await spend(house, customer)

    counts = [await sealer(house).run() for _ in range(3)]

    assert sum(counts) == 9
    await spend(house, customer)
    assert (await audited(house))[0] == []  # they are new, and not forged
    assert await sealer(house).run() == 9


async def test_the_slow_pass_goes_round_in_slices(
    house: PostgresHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "SWEEP", 4)
    customers = [await house.customer(credit=10_000) for _ in range(2)]
    for customer in customers:
        await spend(house, customer)
    await house.query(
        "UPDATE ledger_sealing SET sealed_until = now() + interval '1 hour' RETURNING 1"
    )

    found = [await sealer(house).sweep() for _ in range(6)]

    assert sum(found) == 20
    assert (await house.query("SELECT swept_id::text FROM ledger_sealing"))[0][0].strip("0-") == ""
    assert (await audited(house))[0] == []


async def test_a_backlog_of_any_age_is_worked_off_in_batches(
    house: PostgresHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "BATCH", 7)
    await house.query("UPDATE ledger_sealing SET sealed_until = '2020-01-01Z' RETURNING 1")
    customer = await house.customer(credit=10_000)
    await spend(house, customer, 20)

    one = sealer(house)
    counts = [await one.run() for _ in range(4)]

    assert sum(counts) == 61
    assert (await audited(house))[0] == []


@pytest.mark.parametrize("table", ["ledger_chain", "ledger_seal"])
@pytest.mark.parametrize("change", ["UPDATE {} SET sequence = 9", "DELETE FROM {}", "TRUNCATE {}"])
async def test_the_chain_is_append_only(house: PostgresHouse, table: str, change: str) -> None:
    await house.customer(credit=10_000)
    await sealer(house).run()
    with pytest.raises((psycopg.errors.RestrictViolation, psycopg.errors.InsufficientPrivilege)):
        await house.query(change.format(table))
    async with house.pool.connection() as connection:
        await connection.execute(f"GRANT UPDATE, DELETE, TRUNCATE ON {table} TO CURRENT_USER")
    with pytest.raises(psycopg.errors.RestrictViolation):
        await house.query(change.format(table))
