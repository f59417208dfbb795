"""Catalogues are remembered, and amounts do not change behind anybody's back."""

import asyncio
import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from core.catalog.loader import load, shipped_files
from core.engine.catalogue_versions import (
    CatalogueChanged,
    activate,
    announced,
    price_rows,
)
from tests.fix_commit import PostgresHouse

PAST, FUTURE = "2026-04-21", "2999-01-01T00:00:00+00:00"


def row(amount: str, effective_from: str | None = PAST, **conditions: str) -> dict[str, Any]:
    made: dict[str, Any] = {"unit": "image", "credits": amount, "conditions": conditions}
    return made if effective_from is None else {**made, "effective_from": effective_from}


def catalogue(*prices: dict[str, Any], **model: Any) -> str:
    return json.dumps({"models": {"gpt-image-2": {"prices": prices, **model}}})


async def activated(house: PostgresHouse, content: str) -> None:
    await activate(house.pool, hashlib.sha256(content.encode()).hexdigest(), content)


async def stored(house: PostgresHouse) -> list[str]:
    rows = await house.query("SELECT content FROM catalogue_version ORDER BY activated_at")
    return [content for (content,) in rows]


SIZES = {"resolutions": {"1k": 1_600_000, "2k": 4_000_000}}
FOUR = {"resolutions": {**SIZES["resolutions"], "4k": 8_300_000}}
ONE_K, TWO_K = row("7", resolution="1k"), row("14", resolution="2k")


async def test_a_version_is_stored_once(postgres_house: PostgresHouse) -> None:
    content = catalogue(ONE_K, TWO_K)

    await asyncio.gather(*(activated(postgres_house, content) for _ in range(3)))

    assert await stored(postgres_house) == [content]


@pytest.mark.parametrize(
    "content",
    [
        catalogue(ONE_K, row("15", resolution="2k")),
        catalogue(ONE_K, TWO_K, row("15", "2026-05-01", resolution="2k")),
        catalogue(ONE_K, TWO_K, row("15", resolution="2k", quality="high")),
    ],
    ids=["a higher amount", "since a past day", "an exception"],
)
async def test_an_amount_that_rises_at_once_is_refused(
    postgres_house: PostgresHouse, content: str
) -> None:
    before = catalogue(ONE_K, TWO_K)
    await activated(postgres_house, before)

    with pytest.raises(CatalogueChanged, match=r"gpt-image-2: .* per image (high )?2k "):
        await activated(postgres_house, content)

    assert await stored(postgres_house) == [before]


@pytest.mark.parametrize(
    "content",
    [
        catalogue(ONE_K, TWO_K, row("15", FUTURE, resolution="2k"), **SIZES),
        catalogue(row("7.000", None, resolution="1k"), TWO_K, **SIZES),
        catalogue(ONE_K, {**TWO_K, "per": 2}, **SIZES),
        catalogue(ONE_K, row("13", resolution="2k"), **SIZES),
        catalogue(ONE_K, TWO_K, row("13", FUTURE, resolution="2k"), **SIZES),
        catalogue(ONE_K, TWO_K, row("30", resolution="4k"), **FOUR),
        catalogue(ONE_K, **SIZES),
        json.dumps({"models": {"another": {"prices": [row("1")]}}}),
    ],
    ids=[
        "from a future day",
        "the same",
        "per more units",
        "less",
        "less one day",
        "a new case",
        "a case less",
        "another model",
    ],
)
async def test_what_does_not_raise_an_amount_before_its_time_is_activated(
    postgres_house: PostgresHouse, content: str
) -> None:
    before = catalogue(ONE_K, TWO_K, **SIZES)
    await activated(postgres_house, before)

    await activated(postgres_house, content)

    assert await stored(postgres_house) == [before, content]


@pytest.mark.parametrize(
    "offer",
    [{"resolutions": {"1k": 1_600_000}}, {"parameters": {"resolution": {"values": ["1k"]}}}],
    ids=["as classes of its sizes", "as a parameter"],
)
def test_a_resolution_that_was_not_offered_may_cost_anything(offer: dict[str, Any]) -> None:
    before = json.loads(catalogue(row("7"), **offer))
    now = datetime(2026, 6, 1, tzinfo=UTC)

    announced(before, json.loads(catalogue(row("7"), row("9", resolution="2k"), **offer)), now)

    with pytest.raises(CatalogueChanged):
        announced(before, json.loads(catalogue(row("7"), row("9", resolution="1k"), **offer)), now)


@pytest.mark.parametrize(("role", "mode"), [("video", "video"), ("last_frame", "frames")])
def test_a_mode_that_was_not_offered_may_cost_anything(role: str, mode: str) -> None:
    now = datetime(2026, 6, 1, tzinfo=UTC)
    without = json.loads(catalogue(row("7"), inputs={"image": {}}))
    with_it = json.loads(catalogue(row("7"), inputs={role: {}}))
    after = json.loads(catalogue(row("7"), row("9", mode=mode), inputs={role: {}}))

    announced(without, after, now)

    with pytest.raises(CatalogueChanged):
        announced(with_it, after, now)


async def test_a_version_that_returns_is_the_active_one_again(
    postgres_house: PostgresHouse,
) -> None:
    first, second = catalogue(ONE_K, TWO_K), catalogue(ONE_K)
    for content in (first, second, first):
        await activated(postgres_house, content)

    assert await stored(postgres_house) == [second, first]
    with pytest.raises(CatalogueChanged):
        await activated(postgres_house, catalogue(ONE_K, row("15", resolution="2k")))


def test_prices_are_read_as_the_loader_reads_them() -> None:
    shipped = load(shipped_files(), {})
    content, models = json.loads(shipped.content), shipped.models

    assert any(model.prices for model in models.values())
    for id_, model in models.items():
        assert price_rows(content["models"][id_]) == list(model.prices)


NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def told(before: str, after: str, now: datetime = NOW) -> list[tuple[int, int, str]]:
    """Old, new and from when, of what is announced."""
    return [
        (each.increase.old_micros, each.increase.new_micros, str(each.increase.effective_from))
        for each in announced(json.loads(before), json.loads(after), now)
    ]


def test_an_increase_begins_fourteen_days_after_its_activation_at_the_earliest() -> None:
    before, early, late = (
        catalogue(*rows)
        for rows in (
            [row("7")],
            [row("7"), row("9", "2026-06-15")],
            [row("7"), row("9", "2026-06-16")],
        )
    )

    with pytest.raises(CatalogueChanged, match=r"gpt-image-2: .* image .* 2026-06-16 or later"):
        told(before, early)
    assert told(before, late) == [(7_000, 9_000, "2026-06-16 00:00:00+00:00")]
    # On the minute is enough.
    assert told(before, early, datetime(2026, 6, 1, tzinfo=UTC))


def test_what_was_announced_is_not_announced_again_and_may_come_later_or_never() -> None:
    before = catalogue(row("7"), row("9", "2026-06-10"))

    assert told(before, catalogue(row("7"), row("9", "2026-06-10"), row("1", k="v"))) == []
    assert told(before, catalogue(row("7"), row("9", "2026-06-12"))) == []
    assert told(before, catalogue(row("7"))) == []
    assert told(before, catalogue(row("7"), row("8", "2026-06-10"))) == []


def test_an_announced_increase_that_comes_sooner_or_is_larger_needs_a_notice_of_its_own() -> None:
    before = catalogue(row("7"), row("9", "2026-06-20"))

    for after in (
        catalogue(row("7"), row("9", "2026-06-10")),
        catalogue(row("7"), row("8", "2026-06-14"), row("9", "2026-06-20")),
    ):
        with pytest.raises(CatalogueChanged):
            told(before, after)
    larger = catalogue(row("7"), row("10", "2026-06-20"))
    assert told(before, larger) == [(9_000, 10_000, "2026-06-20 00:00:00+00:00")]


def test_each_step_is_told_with_its_conditions() -> None:
    before = catalogue(row("7", size="a"), row("8", size="b"))
    steps = [row("9", "2026-07-01", size="b"), row("10", "2026-08-01", size="b")]
    found = announced(
        json.loads(before),
        json.loads(catalogue(row("7", size="a"), row("8", size="b"), *steps)),
        NOW,
    )

    assert [each.subject for each in found] == [
        "gpt-image-2 image size=b 9000/1 2026-07-01T00:00:00+00:00",
        "gpt-image-2 image size=b 10000/1 2026-08-01T00:00:00+00:00",
    ]
    assert found[0].facts == {
        "model": "gpt-image-2",
        "unit": "image",
        "conditions": {"size": "b"},
        "old_micros": 8_000,
        "new_micros": 9_000,
        "per": 1,
        "effective_from": "2026-07-01T00:00:00+00:00",
    }


async def test_every_holder_is_told_once_in_the_transaction_that_activates(
    postgres_house: PostgresHouse,
) -> None:
    house = postgres_house
    rich, keyed, gone = [await house.customer(credit) for credit in (5_000, 0, 0)]
    await house.revoke(rich)
    await house.revoke(gone)
    before, after = catalogue(ONE_K), catalogue(ONE_K, row("9", FUTURE, resolution="1k"))
    await activated(house, before)
    with pytest.raises(CatalogueChanged):
        await activated(house, catalogue(row("9", resolution="1k")))
    assert await house.query("SELECT 1 FROM notice") == []

    for content in (after, before, after):
        await activated(house, content)

    rows = await house.query("SELECT account_id, kind, facts, expires_at > now() FROM notice")
    assert {account for account, *_ in rows} == {rich.account_id, keyed.account_id}
    assert len(rows) == 2
    for _, kind, facts, lives in rows:
        assert (kind, facts["model"], facts["new_micros"], lives) == (
            "price_increase",
            "gpt-image-2",
            9_000,
            True,
        )
