"""What a model is paid by stays as long as its id; whoever comes later hears of increases too."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from core.engine.catalogue_terms import changed_term
from core.engine.catalogue_versions import (
    CatalogueChanged,
    PriceRises,
    TermChanged,
    activate,
    tell_increases,
)
from core.engine.upkeep import Upkeep
from tests.fix_commit import Customer, PostgresHouse

FUTURE, LATER = "2999-01-01", "2999-02-01"
SIZES = {"1k": 1_600_000, "2k": 4_000_000}


def price(amount: str, unit: str = "image", since: str = "2026-04-21", **when: str) -> Any:
    return {"unit": unit, "credits": amount, "conditions": when, "effective_from": since}


def model(*prices: Any, **terms: Any) -> dict[str, Any]:
    return {"prices": list(prices), **terms}


def default(name: str, value: object) -> dict[str, Any]:
    return {"parameters": {name: {"values": ["low", "high"], "default": value}}}


async def activated(house: PostgresHouse, **models: dict[str, Any]) -> None:
    content = json.dumps({"models": models})
    await activate(house.pool, hashlib.sha256(content.encode()).hexdigest(), content)


LOW_HIGH = price("1", quality="low"), price("9", quality="high")
CLASSES = price("1", resolution="1k"), price("9", resolution="2k")


@pytest.mark.parametrize(
    ("before", "after", "key"),
    [
        (model(price("10", "second")), model(price("6000", "minute")), "prices"),
        (
            model(*CLASSES, resolutions=SIZES),
            model(*CLASSES, resolutions={**SIZES, "1k": 1_000_000}),
            "resolutions",
        ),
        (
            model(*CLASSES, resolutions=SIZES),
            model(price("9"), resolutions={"2k": 4_000_000}),
            "resolutions",
        ),
        (model(price("9")), model(*CLASSES, resolutions=SIZES), "resolutions"),
        (
            model(*LOW_HIGH, **default("quality", "low")),
            model(*LOW_HIGH, **default("quality", "high")),
            "parameters.quality.default",
        ),
        (
            model(price("9"), **default("quality", "low")),
            model(*LOW_HIGH, **default("quality", "high")),
            "parameters.quality.default",
        ),
        (
            model(*CLASSES, resolutions=SIZES, **default("size", "auto")),
            model(*CLASSES, resolutions=SIZES, **default("size", "2048x2048")),
            "parameters.size.default",
        ),
        (
            model(price("9", "minute"), **default("duration", 5)),
            model(price("9", "minute"), **default("duration", 600)),
            "parameters.duration.default",
        ),
        (
            model(price("9"), **default("output_count", 1)),
            model(price("9"), **default("output_count", 2)),
            "parameters.output_count.default",
        ),
        (
            model(price("9", "second"), source_seconds={"times": 1}),
            model(price("9", "second"), source_seconds={"times": 2}),
            "source_seconds",
        ),
    ],
)
async def test_what_a_model_is_paid_by_does_not_change_under_its_id(
    postgres_house: PostgresHouse, before: dict[str, Any], after: dict[str, Any], key: str
) -> None:
    await activated(postgres_house, m=before)

    with pytest.raises(TermChanged, match=rf"^m: .*`{key}`.*another id") as refused:
        await activated(postgres_house, m=after)

    assert (refused.value.model, refused.value.key) == ("m", key)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            model(*CLASSES, resolutions=SIZES),
            model(*CLASSES, price("99", resolution="4k"), resolutions={**SIZES, "4k": 8_000_000}),
        ),
        (
            model(price("9"), **default("quality", "low")),
            model(price("9"), **default("quality", "high")),
        ),
        (model(price("9"), **default("duration", 5)), model(price("9"), **default("duration", 6))),
        (model(price("9")), model(price("9"), **default("quality", "high"))),
        (model(), model(price("9", "minute"), resolutions=SIZES)),
        (model(price("9", "minute"), resolutions=SIZES), model()),
    ],
    ids=[
        "a class above the others",
        "a default without a price",
        "a length that costs nothing",
        "a parameter that is new",
        "the first price",
        "no price",
    ],
)
def test_what_costs_nobody_more_may_change(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert changed_term(before, after) is None


@pytest.mark.parametrize("between", [{}, {"m": model()}], ids=["gone", "without prices"])
async def test_a_model_that_returns_costs_at_most_what_it_did_last(
    postgres_house: PostgresHouse, between: dict[str, Any]
) -> None:
    other = model(price("1"))
    for amount in ("20", "10"):
        await activated(postgres_house, m=model(price(amount)), other=other)
    await activated(postgres_house, other=other, **between)

    with pytest.raises(PriceRises, match=r"^m: "):
        await activated(postgres_house, other=other, m=model(price("11")))
    with pytest.raises(TermChanged, match=r"^m: "):
        await activated(postgres_house, other=other, m=model(price("1", "second")))
    await activated(postgres_house, other=other, m=model(price("10")))


def test_both_refusals_are_of_the_catalogue() -> None:
    assert issubclass(PriceRises, CatalogueChanged)
    assert issubclass(TermChanged, CatalogueChanged)


async def notices(house: PostgresHouse, customer: Customer) -> list[tuple[int, int, str]]:
    rows = await house.query(
        "SELECT facts FROM notice WHERE account_id = %s ORDER BY id", customer.account_id
    )
    return [
        (facts["old_micros"], facts["new_micros"], facts["effective_from"][:10])
        for (facts,) in rows
    ]


async def test_an_account_of_later_hears_once_of_what_is_to_come(
    postgres_house: PostgresHouse,
) -> None:
    house = postgres_house
    await activated(house, m=model(price("7")))
    await activated(house, m=model(price("7"), price("9", since=FUTURE)))  # nobody is there yet
    late, gone = await house.customer(), await house.customer()
    await house.revoke(gone)

    for _ in range(2):
        await tell_increases(house.pool)

    assert await notices(house, late) == [(7_000, 9_000, FUTURE)]
    assert await notices(house, gone) == []


async def test_the_hourly_upkeep_tells_them(postgres_house: PostgresHouse) -> None:
    house, loops, is_told = (
        postgres_house,
        dict[str, Callable[[], Awaitable[None]]](),
        asyncio.Event(),
    )
    await activated(house, m=model(price("7")))
    await activated(house, m=model(price("7"), price("9", since=FUTURE)))
    late = await house.customer()

    async def sweep_strays(_: datetime) -> None:
        is_told.set()  # the last that is done each hour

    other: Any = SimpleNamespace(keep=None, sweep_strays=sweep_strays)
    supervisor: Any = SimpleNamespace(run=loops.__setitem__)
    Upkeep(house.pool, other, other, other, other, other).start(supervisor)
    hourly = asyncio.ensure_future(loops["retention"]())
    try:
        await asyncio.wait_for(is_told.wait(), 20)
    finally:
        hourly.cancel()

    assert await notices(house, late) == [(7_000, 9_000, FUTURE)]


async def test_what_was_announced_is_remembered_by_the_catalogues_that_follow(
    postgres_house: PostgresHouse,
) -> None:
    house = postgres_house
    increase = price("9", since=FUTURE)
    early = await house.customer()
    await activated(house, m=model(price("7")))
    await activated(house, m=model(price("7"), increase))
    await activated(house, m=model(price("7"), increase), other=model(price("1")))
    late = await house.customer()

    await tell_increases(house.pool)

    for customer in (early, late):
        assert await notices(house, customer) == [(7_000, 9_000, FUTURE)]


@pytest.mark.parametrize(
    ("instead", "told"),
    [
        ([], []),
        ([price("9", since=LATER)], [(7_000, 9_000, LATER)]),
        ([price("8", since=FUTURE)], [(7_000, 8_000, FUTURE)]),
        ([price("10", since=FUTURE)], [(9_000, 10_000, FUTURE)]),
    ],
    ids=["withdrawn", "later", "smaller", "larger"],
)
async def test_told_is_what_the_active_catalogue_says(
    postgres_house: PostgresHouse, instead: list[Any], told: list[tuple[int, int, str]]
) -> None:
    house = postgres_house
    await activated(house, m=model(price("7")))
    await activated(house, m=model(price("7"), price("9", since=FUTURE)))
    await activated(house, m=model(price("7"), *instead))
    late = await house.customer()

    await tell_increases(house.pool)

    assert await notices(house, late) == told


@pytest.mark.parametrize(
    ("opened", "count"), [("2 minutes", 1), ("0", 0)], ids=["before it began", "since"]
)
async def test_an_account_opened_just_before_it_begins_is_told_and_one_opened_since_is_not(
    postgres_house: PostgresHouse, opened: str, count: int
) -> None:
    house = postgres_house
    await activated(house, m=model(price("7")))
    await activated(house, m=model(price("7"), price("9", since=FUTURE)))
    customer = await house.customer()
    await house.query(
        "UPDATE account SET created_at = clock_timestamp() - %s::interval"
        " WHERE account_id = %s RETURNING 1",
        *(opened, customer.account_id),
    )
    began = datetime.now(UTC).timestamp() - 60
    await house.query(
        "UPDATE catalogue_version SET rises = jsonb_set(rises, '{0,effective_from}',"
        " to_jsonb(to_timestamp(%s))) WHERE rises <> '[]' RETURNING 1",
        began,
    )

    await tell_increases(house.pool)

    assert len(await notices(house, customer)) == count
