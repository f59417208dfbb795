"""The report of abuse, over rows as the gateway writes them."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest_asyncio

from core.engine.ids import first_id
from reapi.v1 import admin_pb2, admin_service_pb2
from tests.operator.operated import OPERATOR, asked, execute
from tests.webhooks.whole_core import Whole, whole_core

pb: Any = admin_service_pb2
TYPES = admin_pb2.AbuseSignal


@pytest_asyncio.fixture
async def core(database_url: str, tmp_path: Path) -> AsyncIterator[Whole]:
    async with whole_core(database_url, tmp_path / "outputs") as made:
        yield made


async def signs(core: Whole, **wish: Any) -> list[Any]:
    found = await asked(core, "ListAbuseSignals", pb.ListAbuseSignalsRequest(**wish))
    return [
        (item.account.removeprefix("accounts/"), item.type, item.observed_milli)
        for item in found.abuse_signals
    ]


async def generations(url: str, account: UUID, refused: int, made: int, days: int = 0) -> None:
    """Rows of generations that ended so many days ago."""
    at = datetime.now(UTC) - timedelta(days=days)
    await execute(url, "SELECT make_generation_days(%s, %s)", at.date(), at.date())
    for number in range(refused + made):
        id_ = UUID(int=first_id(at).int + number)
        reason = "CONTENT_POLICY_VIOLATION" if number < refused else None
        await execute(
            url,
            "INSERT INTO generation (account_id, id, key_id, hold_id, owner_epoch, quoted_micros,"
            " created_at, finished_at, requested_count, sandbox, fingerprint, state, kind, model,"
            " catalogue_version, endpoint, request_id, reason)"
            " VALUES (%s, %s, %s, %s, 1, 0, %s, %s, 1, false, '', %s, 'image', 'm', '', '', '', %s)",
            account,
            id_,
            uuid4(),
            uuid4(),
            at,
            at,
            "failed" if reason else "succeeded",
            reason,
        )


async def payment(url: str, account: UUID, intent: str, state: str, declines: int) -> None:
    paid = 10_000 if state == "succeeded" else 0
    await execute(
        url,
        "INSERT INTO payment (account_id, id, reference, booking_id, created_at, booked_at,"
        " paid_micros, tax_micros, refunded_micros, credited_micros, clawed_back_micros, version,"
        " state, origin, product, currency, payment_intent, customer_id, invoice_id, failure_code)"
        " VALUES (%s, %s, %s, %s, now(), now(), %s, 0, 0, 0, 0, 1, %s, 'checkout', 'custom',"
        " 'usd', %s, 'cus_1', '', '')",
        account,
        uuid4(),
        uuid4(),
        uuid4(),
        paid,
        state,
        intent,
    )
    for number in range(declines):
        await execute(
            url,
            "INSERT INTO stripe_event (event_id, applied_at, kind, payment_intent)"
            " VALUES (%s, now(), 'payment_intent.payment_failed', %s)",
            f"evt_{intent}_{number}",
            intent,
        )


async def test_refusals_are_counted_of_the_last_week(core: Whole, database_url: str) -> None:
    await generations(database_url, core.account, refused=12, made=12)
    other = uuid4()
    await generations(database_url, other, refused=20, made=0, days=9)

    id_ = core.account.hex
    assert await signs(core) == [(id_, TYPES.TYPE_REFUSAL_RATE, 500)]
    earlier = pb.ListAbuseSignalsRequest()
    earlier.start_time.FromDatetime(datetime.now(UTC) - timedelta(days=20))
    found = await asked(core, "ListAbuseSignals", earlier)
    assert [item.account for item in found.abuse_signals] == [
        f"accounts/{other.hex}",
        f"accounts/{id_}",
    ]


async def test_every_card_that_fails_on_one_page_counts(core: Whole, database_url: str) -> None:
    await payment(database_url, core.account, "pi_1", "succeeded", declines=6)
    await payment(database_url, core.account, "pi_2", "failed", declines=0)
    usual = uuid4()
    await payment(database_url, usual, "pi_3", "failed", declines=2)

    assert await signs(core) == [(core.account.hex, TYPES.TYPE_CARD_TESTING, 7_000)]


async def test_a_key_that_many_networks_use_on_one_day_is_named(
    core: Whole, database_url: str
) -> None:
    public_id = core.key.split("_")[2]
    ((key,),) = await execute(
        database_url, "SELECT key_id FROM api_key WHERE public_id = %s", public_id
    )
    for days, networks in ((0, 24), (1, 26), (2, 40), (9, 400)):
        await execute(
            database_url,
            "INSERT INTO key_network (account_id, key_id, day, network_hmac)"
            " SELECT %s, %s, current_date - %s::integer, sha256(x::text::bytea)"
            "   FROM generate_series(1, %s) AS x",
            core.account,
            key,
            days,
            networks,
        )

    (item,) = (await asked(core, "ListAbuseSignals", pb.ListAbuseSignalsRequest())).abuse_signals
    assert (item.type, item.api_key) == (TYPES.TYPE_KEY_SHARING, f"api_keys/{public_id}")
    assert (item.observed_milli, item.threshold_milli) == (40_000, 25_000)


async def test_what_nobody_paid_for_counts_and_hedges_do_not(
    core: Whole, database_url: str
) -> None:
    for kind, micros in (("risk_loss", 4_000_000), ("risk_loss", 3_500_000), ("hedge_loss", 9)):
        await execute(
            database_url,
            "INSERT INTO transfer (account_id, id, amount_micros, releases_micros, created_at,"
            " kind) VALUES (%s, %s, %s, 0, now(), %s)",
            core.account,
            uuid4(),
            micros,
            kind,
        )

    assert await signs(core) == [(core.account.hex, TYPES.TYPE_PROVIDER_COST, 7_500)]


async def test_the_report_is_read_page_by_page_strongest_first(
    core: Whole, database_url: str
) -> None:
    for declines in (5, 15, 10):
        await payment(database_url, uuid4(), f"pi_{declines}", "failed", declines)

    assert [observed for _, _, observed in await signs(core)] == [15_000, 10_000, 5_000]
    found = []
    answer: dict[str, Any] = {"next_page_token": ""}
    while True:
        params = {"page_size": "2", "page_token": answer["next_page_token"]}
        answer = await core.ask(
            "GET", "/api/v1/admin/abuse_signals", params=params, headers=OPERATOR
        )
        found += [item["observed_milli"] for item in answer["abuse_signals"]]
        if not answer.get("next_page_token"):
            break
    assert found == ["15000", "10000", "5000"]


async def test_an_ordinary_account_shows_no_sign(core: Whole, database_url: str) -> None:
    await generations(database_url, core.account, refused=3, made=30)
    await payment(database_url, core.account, "pi_1", "succeeded", declines=2)

    assert await signs(core) == []
