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
    price_rows,
    refuse_changes,
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
        catalogue(ONE_K, {**TWO_K, "per": 2}),
        catalogue(ONE_K, TWO_K, row("15", resolution="2k", quality="high")),
    ],
    ids=["another amount", "since a past day", "per more units", "an exception"],
)
async def test_a_changed_amount_is_refused(postgres_house: PostgresHouse, content: str) -> None:
    before = catalogue(ONE_K, TWO_K)
    await activated(postgres_house, before)

    with pytest.raises(CatalogueChanged, match=r"gpt-image-2: .* per image (high )?2k "):
        await activated(postgres_house, content)

    assert await stored(postgres_house) == [before]


@pytest.mark.parametrize(
    "content",
    [
        catalogue(ONE_K, TWO_K, row("15", FUTURE, resolution="2k")),
        catalogue(row("7.000", None, resolution="1k"), TWO_K),
        catalogue(ONE_K, TWO_K, row("30", resolution="4k")),
        catalogue(ONE_K),
        json.dumps({"models": {"another": {"prices": [row("1")]}}}),
    ],
    ids=["from a future day", "the same", "a new case", "a case less", "another model"],
)
async def test_what_does_not_change_an_amount_is_activated(
    postgres_house: PostgresHouse, content: str
) -> None:
    sizes = {"1k": 1_600_000, "2k": 4_000_000}
    before = catalogue(ONE_K, TWO_K, resolutions=sizes)
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

    refuse_changes(before, json.loads(catalogue(row("7"), row("9", resolution="2k"))), now)

    with pytest.raises(CatalogueChanged):
        refuse_changes(before, json.loads(catalogue(row("7"), row("9", resolution="1k"))), now)


@pytest.mark.parametrize(("role", "mode"), [("video", "video"), ("last_frame", "frames")])
def test_a_mode_that_was_not_offered_may_cost_anything(role: str, mode: str) -> None:
    now = datetime(2026, 6, 1, tzinfo=UTC)
    without = json.loads(catalogue(row("7"), inputs={"image": {}}))
    with_it = json.loads(catalogue(row("7"), inputs={role: {}}))
    after = json.loads(catalogue(row("7"), row("9", mode=mode), inputs={role: {}}))

    refuse_changes(without, after, now)

    with pytest.raises(CatalogueChanged):
        refuse_changes(with_it, after, now)


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
