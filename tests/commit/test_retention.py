"""The days of generations come in time and go in time."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from core.engine.retention import drop_days, last_day_over, make_days
from core.engine.rules import apply_rules
from storage.commits import CommitRejected, Committed
from tests.fix_commit import PostgresHouse

NOW = datetime(2031, 5, 17, 22, 30, tzinfo=UTC)
TABLES = ("generation", "attempt", "asset", "usage_event")


async def days(house: PostgresHouse, table: str = "generation") -> set[date]:
    rows = await house.query(
        "SELECT to_date(right(inhrelid::regclass::text, 8), 'YYYYMMDD') FROM pg_inherits"
        " WHERE inhparent = %s::regclass",
        table,
    )
    return {day for (day,) in rows}


def id_at(moment: datetime) -> UUID:
    return UUID(int=round(moment.timestamp() * 1000) << 80 | 7 << 76 | 2 << 62 | 5)


async def test_yesterday_to_a_week_ahead_is_made_once(postgres_house: PostgresHouse) -> None:
    before = await days(postgres_house)

    await make_days(postgres_house.pool, NOW)
    await make_days(postgres_house.pool, NOW)

    expected = {NOW.date() + timedelta(days=days) for days in range(-1, 8)}
    for table in TABLES:
        assert await days(postgres_house, table) - before == expected


async def test_a_day_ends_at_midnight_utc(postgres_house: PostgresHouse) -> None:
    await make_days(postgres_house.pool, NOW)
    customer = await postgres_house.customer(credit=10)
    midnight = datetime(2031, 5, 18, tzinfo=UTC)
    for moment in (midnight - timedelta(milliseconds=1), midnight):
        new = customer.new(1, id=id_at(moment))
        assert isinstance(await postgres_house.commit(customer.open(new)), Committed)
        await postgres_house.commit(customer.settle(new, 1))

    rows = await postgres_house.query("SELECT tableoid::regclass::text FROM generation ORDER BY id")

    assert [name for (name,) in rows] == ["generation_20310517", "generation_20310518"]


async def test_an_id_of_no_day_is_refused(postgres_house: PostgresHouse) -> None:
    customer = await postgres_house.customer(credit=10)

    with pytest.raises(CommitRejected, match="23514"):
        await postgres_house.commit(
            customer.open(customer.new(1, id=id_at(NOW + timedelta(days=300))))
        )


async def test_days_are_dropped_when_their_last_generation_is_thirty_days_old(
    postgres_house: PostgresHouse,
) -> None:
    await make_days(postgres_house.pool, NOW)
    customer = await postgres_house.customer(credit=10)
    new = customer.new(1, id=id_at(NOW))
    await postgres_house.commit(customer.open(new))
    await postgres_house.commit(customer.settle(new, 1))
    await postgres_house.query("UPDATE asset SET removed_at = now() RETURNING 1")
    later = datetime(2031, 6, 17, tzinfo=UTC)

    early = await drop_days(postgres_house.pool, later - timedelta(seconds=1))
    dropped = await drop_days(postgres_house.pool, later)

    assert NOW.date() not in early
    assert NOW.date() - timedelta(days=1) in early
    assert dropped == [NOW.date()]
    for table in TABLES:
        assert NOW.date() not in await days(postgres_house, table)
    assert await postgres_house.reads.generation(customer.account_id, new.id) is None
    # The money stays, and adds up.
    postgres_house.has_dropped_days = True
    assert await postgres_house.discrepancies() == []
    rows = await postgres_house.query("SELECT kind FROM transfer WHERE kind <> 'grant'")
    assert sorted(kind for (kind,) in rows) == ["hold", "settle"]


def test_the_last_day_over() -> None:
    midnight = datetime(2031, 6, 17, tzinfo=UTC)

    assert last_day_over(midnight, 30) == date(2031, 5, 17)
    assert last_day_over(midnight - timedelta(microseconds=1), 30) == date(2031, 5, 16)


async def test_a_day_with_an_open_generation_stays(postgres_house: PostgresHouse) -> None:
    await make_days(postgres_house.pool, NOW)
    customer = await postgres_house.customer(credit=10)
    new = customer.new(1, id=id_at(NOW))
    await postgres_house.commit(customer.open(new))

    dropped = await drop_days(postgres_house.pool, NOW + timedelta(days=400))

    assert NOW.date() not in dropped
    assert NOW.date() + timedelta(days=1) in dropped
    assert isinstance(await postgres_house.commit(customer.settle(new, 1)), Committed)


async def test_a_day_in_use_is_left_for_the_next_time(postgres_house: PostgresHouse) -> None:
    await make_days(postgres_house.pool, NOW)
    async with postgres_house.pool.connection() as connection, connection.transaction():
        await connection.execute("LOCK TABLE generation_20310516 IN ACCESS SHARE MODE")

        dropped = await drop_days(postgres_house.pool, datetime(2031, 6, 17, tzinfo=UTC))

    assert date(2031, 5, 16) not in dropped
    assert date(2031, 5, 17) in dropped


async def test_expired_idempotency_keys_are_swept(postgres_house: PostgresHouse) -> None:
    customer = await postgres_house.customer(credit=10)
    for key in (bytes(32), bytes([1]) * 32):
        await postgres_house.commit(customer.open(customer.new(1, idempotency_key=key)))
    await postgres_house.query(
        "UPDATE idempotency SET expires_at = now() WHERE key_hmac = %s RETURNING 1", bytes(32)
    )

    await apply_rules(postgres_house.pool, datetime.now(UTC))
    rows = await postgres_house.query("SELECT key_hmac FROM idempotency")
    assert rows == [(bytes([1]) * 32,)]
