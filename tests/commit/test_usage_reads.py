"""Usage read back: what was asked for, newest first; sums that agree with it; gone after 30 days."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from core.engine import usage_read
from core.engine.ids import first_id, moment_of
from core.engine.retention import drop_days, make_days
from core.engine.usage_read import Chosen, Groups, Place, Record, Sum, UsageReads
from core.model import GenerationState
from tests.fix_commit import Customer, PostgresHouse

ALL = 1_000
ROWS = 20_000
NOW = datetime(2031, 5, 17, 22, 30, tzinfo=UTC)
EVERY = Groups(by_model=True, by_key=True, by_day=True)


def id_at(moment: datetime, chance: int = 5) -> UUID:
    return UUID(int=first_id(moment).int | 7 << 76 | 2 << 62 | chance)


async def past(house: PostgresHouse, customer: Customer, days: int = 4) -> list[UUID]:
    """Some generations on each of the last *days*, oldest first: of three in four is charged."""
    await make_days(house.pool, NOW - timedelta(days=days - 1))
    other = await house.another_key(customer)
    made = []
    for number in range(days * 6):
        who = other if number % 3 == 0 else customer
        at = NOW - timedelta(days=days - 1) + timedelta(hours=4 * number)
        model = ("gpt-image-2", "veo-3.1")[number % 2]
        new = who.new(1_000, id=id_at(at, number), model=model, sandbox=number == 1)
        await house.commit(who.open(new))
        if number % 4 == 3:
            await house.commit(who.void(new))
        else:
            await house.commit(who.settle(new, 300 + number))
        made.append(new.id)
    return made


async def test_records_come_newest_first_and_page_by_page_as_all_at_once(
    postgres_house: PostgresHouse,
) -> None:
    customer = await postgres_house.customer(credit=1_000_000)
    stranger = await postgres_house.customer(credit=1)
    made = await past(postgres_house, customer)
    reads, account = UsageReads(postgres_house.pool), customer.account_id
    chosen = Chosen(sandbox=True)

    whole = await reads.records(account, chosen, ALL)
    paged: list[Record] = []
    while page := await reads.records(account, chosen, 5, paged[-1].id if paged else None):
        paged += page

    assert [item.id for item in whole] == made[::-1]
    assert paged == whole
    assert await reads.records(stranger.account_id, chosen, ALL) == []
    failed, first = whole[0], whole[-1]
    assert (failed.state, failed.charged_micros) == (GenerationState.FAILED, 0)
    assert (failed.reason, failed.input_tokens, failed.output_tokens) == (
        "UPSTREAM_ERROR",
        None,
        None,
    )
    assert (first.charged_micros, first.channel, first.delivered_count) == (300, "openai-a", 1)
    assert (first.input_tokens, first.output_tokens) == (10, 4000)


async def test_filters_choose_what_a_filter_over_all_would(postgres_house: PostgresHouse) -> None:
    customer = await postgres_house.customer(credit=1_000_000)
    await past(postgres_house, customer)
    reads, account = UsageReads(postgres_house.pool), customer.account_id
    whole = await reads.records(account, Chosen(), ALL)
    middle = moment_of(whole[len(whole) // 2].id)
    cases: list[tuple[Chosen, Any]] = [
        (Chosen(start=middle), lambda item: moment_of(item.id) >= middle),
        (Chosen(end=middle), lambda item: moment_of(item.id) < middle),
        (
            Chosen(start=middle - timedelta(microseconds=1)),
            lambda item: moment_of(item.id) >= middle,
        ),
        (Chosen(keys=frozenset({customer.key_id.hex})), lambda i: i.key == customer.key_id.hex),
        (Chosen(keys=frozenset({"unknown"})), lambda _: False),
        (Chosen(models=frozenset({"veo-3.1"})), lambda item: item.model == "veo-3.1"),
        (
            Chosen(states=frozenset({GenerationState.FAILED})),
            lambda item: item.state == GenerationState.FAILED,
        ),
    ]
    assert not any(item.sandbox for item in whole)
    for chosen, belongs in cases:
        found = await reads.records(account, chosen, ALL)

        assert found == [item for item in whole if belongs(item)]


@pytest.mark.parametrize(
    "groups",
    [
        Groups(),
        Groups(by_day=True),
        Groups(by_model=True),
        Groups(by_key=True),
        Groups(by_model=True, by_key=True),
        EVERY,
    ],
    ids=str,
)
async def test_sums_agree_with_the_records_they_are_of(
    postgres_house: PostgresHouse, groups: Groups
) -> None:
    customer = await postgres_house.customer(credit=1_000_000)
    await past(postgres_house, customer)
    reads, account = UsageReads(postgres_house.pool), customer.account_id
    records = await reads.records(account, Chosen(), ALL)

    sums = await reads.sums(account, Chosen(), groups, ALL)

    assert sums == expected(records, groups)
    paged: list[Sum] = []
    place: Place | None = None
    while page := await reads.sums(account, Chosen(), groups, 2, place):
        paged += page
        place = page[-1].place
    assert paged == sums


def expected(records: list[Record], groups: Groups) -> list[Sum]:
    """The same in Python."""
    found: dict[tuple[Any, ...], Sum] = {}
    for item in records:
        name = (
            item.model if groups.by_model else "",
            item.key if groups.by_key else "",
            moment_of(item.id).date() if groups.by_day else None,
        )
        old = found.get(name, Sum(*name, 0, 0, 0, 0, 0, 0, 0, 0))
        found[name] = replace(
            old,
            requests=old.requests + 1,
            succeeded=old.succeeded + (item.state == GenerationState.SUCCEEDED),
            failed=old.failed + (item.state == GenerationState.FAILED),
            delivered=old.delivered + item.delivered_count,
            input_tokens=old.input_tokens + (item.input_tokens or 0),
            output_tokens=old.output_tokens + (item.output_tokens or 0),
            charged_micros=old.charged_micros + item.charged_micros,
        )
    return sorted(
        found.values(),
        key=lambda item: (
            -item.day.toordinal() if item.day is not None else 0,
            -item.charged_micros,
            item.model,
            item.key,
        ),
    )


async def test_what_is_older_than_thirty_days_is_told_no_more(
    postgres_house: PostgresHouse,
) -> None:
    customer = await postgres_house.customer(credit=1_000_000)
    made = await past(postgres_house, customer)
    reads, account = UsageReads(postgres_house.pool), customer.account_id
    await postgres_house.query("UPDATE asset SET removed_at = now() RETURNING 1")
    over = moment_of(made[-1]).date() - timedelta(days=1)
    midnight = datetime(over.year, over.month, over.day, tzinfo=UTC) + timedelta(days=1)

    await drop_days(postgres_house.pool, midnight + timedelta(days=30))
    postgres_house.has_dropped_days = True

    left = await reads.records(account, Chosen(sandbox=True), ALL)
    assert [item.id for item in left] == [i for i in made[::-1] if moment_of(i) >= midnight]
    assert 0 < len(left) < len(made)
    (total,) = await reads.sums(account, Chosen(), Groups(), ALL)
    assert total.charged_micros == sum(item.charged_micros for item in left)
    (rows,) = await postgres_house.query("SELECT count(*) FROM usage_event")
    assert rows[0] == sum(item.charged_micros > 0 for item in left)


async def test_a_page_and_a_day_are_read_without_a_look_at_all_the_rest(
    postgres_house: PostgresHouse,
) -> None:
    customer = await postgres_house.customer()
    await postgres_house.query("SELECT make_generation_days(current_date - 21, current_date)")
    await postgres_house.query(MADE_UP, customer.account_id, customer.key_id, ROWS, ROWS)
    async with postgres_house.pool.connection() as connection:
        await connection.execute("ANALYZE generation, usage_event")
    reads = UsageReads(postgres_house.pool)
    now = datetime.now(UTC)
    page = usage_read._values(customer.account_id, Chosen()) | {"states": [], "limit": 21}
    day = usage_read._values(customer.account_id, Chosen(start=now - timedelta(days=1)))
    sums = {"by_model": True, "by_key": True, "by_day": True, "is_first": True, "limit": 21}
    place = {"day": "-infinity", "charged": 0, "model": "", "key": ""}

    looked_at = await rows_read(postgres_house, usage_read._RECORDS, page)
    of_day = await rows_read(postgres_house, usage_read._SUMS, {**day, **sums, **place})

    assert looked_at <= 3 * 21
    assert of_day <= ROWS / 5
    assert len(await reads.records(customer.account_id, Chosen(), 21)) == 21
    await postgres_house.query("DELETE FROM generation RETURNING 1")  # they have no holds


async def rows_read(house: PostgresHouse, statement: str, values: dict[str, Any]) -> int:
    """How many rows the plan took from tables and indexes, those that it filtered out included."""
    async with house.pool.connection() as connection:
        explain = f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}"
        row = await (await connection.execute(explain, values)).fetchone()
    assert row is not None
    plan = row[0] if isinstance(row[0], list) else json.loads(row[0])
    return sum(_scanned(plan[0]["Plan"]))


def _scanned(node: dict[str, Any]) -> Any:
    if "Relation Name" in node:
        rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
        yield round(rows * node["Actual Loops"])
    for child in node.get("Plans", ()):
        yield from _scanned(child)


MADE_UP = """
INSERT INTO generation (account_id, id, key_id, hold_id, owner_epoch, quoted_micros, charged_micros,
                        requested_count, sandbox, fingerprint, kind, model, catalogue_version,
                        endpoint, request_id, created_at, finished_at, state)
SELECT %s, uuid_at(x.at), %s, gen_random_uuid(), 1, 7, 0, 1, false, '', 'image', 'm' || x.n %% 7,
       '', '', '', x.at, x.at, 'failed'
  FROM (SELECT n, now() - n * interval '20 days' / %s AS at
          FROM generate_series(1, %s) AS n) AS x
RETURNING 1
"""
