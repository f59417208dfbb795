"""What prices brought, what channels cost, and what was lost beside, by model and channel."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest_asyncio

from billing.margins import Usage
from billing.pricing import PriceLine, PriceRow
from core.engine.margin_reads import Losses
from core.services.operator_margins import margin_rows
from reapi.v1 import admin_service_pb2
from simulator import Simulator
from tests.operator.operated import IMAGE, OPERATOR, asked, execute, operated, refused
from tests.webhooks.whole_core import Whole

pb: Any = admin_service_pb2
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LINE = PriceLine("image", 1_000, 10_000, 10_000)


@pytest_asyncio.fixture
async def core(database_url: str, tmp_path: Path, simulator: Simulator) -> AsyncIterator[Whole]:
    async with operated(database_url, tmp_path / "outputs", simulator) as made:
        yield made


def test_the_least_profitable_comes_first_with_what_was_lost() -> None:
    usage = [
        Usage("m", "good", (LINE,), {}, 10_000, 5),
        Usage("m", "dear", (LINE,), {}, 10_000, 2),
        Usage("m", "free", (LINE,), {}, 10_000, 1),
    ]
    costs = {
        "good": (PriceRow("image", 4_000),),
        "dear": (PriceRow("image", 12_000),),
    }
    losses = [Losses("m", "good", 700, 0), Losses("n", "lost", 0, 90_000)]

    rows = margin_rows(usage, losses, costs, NOW)

    assert [
        (
            row.model,
            row.channel,
            row.succeeded_count,
            row.charged_micros,
            row.upstream_cost_micros,
            row.hedge_loss_micros,
            row.risk_micros,
        )
        for row in rows
    ] == [
        ("n", "lost", 0, 0, 0, 0, 90_000),
        ("m", "dear", 2, 20_000, 24_000, 0, 0),
        ("m", "free", 1, 10_000, 0, 0, 0),
        ("m", "good", 5, 50_000, 20_000, 700, 0),
    ]


async def test_it_is_read_from_what_was_charged_and_lost(core: Whole, database_url: str) -> None:
    await core.ask("POST", "/api/v1/images/generations", json=IMAGE)
    await core.core.engine.drain(10)
    ((charged, channel),) = await execute(
        database_url, "SELECT charged_micros, channel FROM usage_event"
    )
    await execute(
        database_url,
        "INSERT INTO transfer (account_id, id, amount_micros, releases_micros, created_at, kind)"
        " SELECT account_id, mark, 1234, 0, now(), 'risk_loss' FROM attempt",
    )

    answer = await core.ask("GET", "/api/v1/admin/margin_report", headers=OPERATOR)

    (row,) = answer["rows"]
    assert (row["model"], row["channel"]) == ("gpt-image-2", channel)
    assert (row["succeeded_count"], row["charged_micros"]) == ("1", str(charged))
    assert row["risk_micros"] == "1234"
    before = pb.GetMarginReportRequest()
    before.end_time.FromDatetime(datetime.now(UTC) - timedelta(hours=1))
    other = pb.GetMarginReportRequest(models=["gpt-image-2-official"])
    for wish in (before, other):
        assert not (await asked(core, "GetMarginReport", wish)).rows
    wrong = pb.GetMarginReportRequest(models=[uuid4().hex])
    assert await refused(core, "GetMarginReport", wrong) == "INVALID_ARGUMENT"
