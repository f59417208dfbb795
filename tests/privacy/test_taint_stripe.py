"""A Stripe that answers with content in every word: none of it is kept, and none of it is logged."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
import stripe
from aiohttp import web
from psycopg import AsyncConnection, sql

from billing.auto_top_up import AutoTopUp
from billing.auto_top_up_sql import AutoTopUps
from billing.customers import Customers
from billing.stripe_client import (
    PaymentRefused,
    PaymentServiceUnavailable,
    StripePayments,
    StripeSettings,
)
from billing.stripe_objects import CheckoutOrder, Origin, Purchase, payment_of
from billing.top_up_runner import TopUpRunner
from core.errors import GatewayError
from core.services.stripe_answers import stripe_answers
from gateway.hardening import UnsafeEnvironment, refuse_tracing
from gateway.proof.canaries import Canaries
from storage.pool import Pool, open_pool

pytestmark = [
    pytest.mark.prove,
    # Stripe's client hands httpx bytes under a name that httpx is about to drop.
    pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning"),
]

AMOUNT = 5_000_000
CARD = {
    "id": "pm_1",
    "object": "payment_method",
    "customer": "cus_1",
    "card": {"brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2031},
}


PURCHASE = Purchase(uuid4(), uuid4(), Origin.CHECKOUT, "custom", 500, "usd", AMOUNT)
ORDER = CheckoutOrder(PURCHASE, "cus_1", "Credits", "https://a.test", "https://b.test", 1)


@pytest.fixture
def canaries() -> Canaries:
    return Canaries()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of our own: what libraries leave there is seen."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setattr("stripe.enable_telemetry", True)
    monkeypatch.setattr("stripe._telemetry_id._loaded", False)
    monkeypatch.setattr("stripe._telemetry_id._cached_id", None)
    return tmp_path


@asynccontextmanager
async def answering(
    answer: Callable[[web.Request], Awaitable[web.Response]],
) -> AsyncIterator[StripePayments]:
    """Stripe, or whoever stands before it."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    payments = StripePayments(StripeSettings("sk_test_x", ("whsec_x",), url))
    try:
        yield payments
    finally:
        await payments.close()
        await runner.cleanup()


@asynccontextmanager
async def echoing(canaries: Canaries) -> AsyncIterator[StripePayments]:
    """Stripe with one saved card, and no for everything else."""

    async def answer(request: web.Request) -> web.Response:
        if request.path.endswith("/payment_methods"):
            listed = {"object": "list", "data": [CARD], "has_more": False, "url": request.path}
            return web.json_response(listed)
        words = ("type", "code", "decline_code", "message", "param", "doc_url")
        # A text where Stripe has a word; a word is kept, as the code that it is taken for.
        error = {word: f"Not {canaries.plant(f'error: {word}')}" for word in words}
        return web.json_response({"error": error}, status=402)

    async with answering(answer) as payments:
        yield payments


async def charged(pool: Pool, payments: StripePayments) -> None:
    """An account whose balance is low has its card charged."""
    account = uuid4()
    async with pool.connection() as connection:
        for statement in (
            "INSERT INTO account (account_id, name) VALUES (%s, 'test')",
            "INSERT INTO stripe_customer (account_id, customer_id) VALUES (%s, 'cus_1')",
        ):
            await connection.execute(statement, (account,))

    async def decide(_: AsyncConnection, __: AutoTopUp, now: datetime) -> AutoTopUp:
        return AutoTopUp(now, AMOUNT, AMOUNT, AMOUNT)

    await AutoTopUps(pool).change(account, decide)
    customers = Customers(pool, payments, lambda: datetime.now(UTC))

    async def book(_: str) -> bool:
        raise AssertionError("nothing was paid")

    await TopUpRunner(AutoTopUps(pool), payments, customers, book).run()


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def rows(pool: Pool) -> dict[str, bytes]:
    """Every column with all its values."""
    found = {}
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = 'public'"
        )
        for table, column in await cursor.fetchall():
            query = sql.SQL("SELECT string_agg({}::text, ' ') FROM {}").format(
                sql.Identifier(column), sql.Identifier(table)
            )
            ((text,),) = await (await connection.execute(query)).fetchall()
            found[f"{table}.{column}"] = (text or "").encode()
    return found


async def test_no_word_of_stripes_errors_comes_into_a_row(
    database_url: str, canaries: Canaries, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with open_pool(database_url, name="test") as pool, echoing(canaries) as payments:
        await charged(pool, payments)
        kept = await rows(pool)

    said = "".join(capfd.readouterr()).encode()
    assert kept["top_up.state"] == b"failed"
    assert {name: found for name, data in kept.items() if (found := canaries.found_in(data))} == {}
    assert canaries.found_in(said) == set()


ASKED: tuple[Callable[[StripePayments], Awaitable[object]], ...] = (
    lambda payments: payments.payment("pi_1"),
    lambda payments: anext(payments.payments_since(0)),
    lambda payments: payments.refunded_since(0),
    lambda payments: payments.create_customer(uuid4(), "key"),
    lambda payments: payments.create_checkout(ORDER, "key"),
    lambda payments: payments.checkout("cs_1"),
    lambda payments: payments.cards("cus_1"),
    lambda payments: payments.charge_card(PURCHASE, "cus_1", "pm_1", "key"),
)


@pytest.mark.parametrize("status", [200, 400, 402, 404])
@pytest.mark.parametrize(
    "body",
    [
        '{"error": "CANARY"}',
        '{"error": ["CANARY"]}',
        '{"error": {"code": 7, "message": "CANARY"}}',
        '{"error": {"message": "CANARY", "payment_intent": {"object": "CANARY"}}}',
        '{"data": [{"object": "CANARY"}], "object": "list"}',
        '["CANARY"]',
        '"CANARY"',
        "null",
        "{}",
        "<html><title>404</title>CANARY</html>",
        "",
    ],
)
async def test_what_is_no_answer_of_stripes_counts_as_none(
    canaries: Canaries, home: Path, body: str, status: int
) -> None:
    """A proxy's page, for example: what was asked for may have happened."""
    text = body.replace("CANARY", canaries.plant("answer"))

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=text, status=status, content_type="application/json")

    async with answering(answer) as payments:
        for asked in ASKED:
            with pytest.raises(PaymentServiceUnavailable) as away:
                await asked(payments)
            assert away.value.args == ()
            assert away.value.__suppress_context__


async def test_a_no_whose_payment_cannot_be_read_is_no_answer(home: Path) -> None:
    async def answer(_: web.Request) -> web.Response:
        error = {"code": "card_declined", "payment_intent": {"object": "payment_intent"}}
        return web.json_response({"error": error}, status=402)

    async with answering(answer) as payments:
        with pytest.raises(PaymentServiceUnavailable):
            await payments.charge_card(PURCHASE, "cus_1", "pm_1", "key")


async def test_a_code_that_is_a_text_says_only_that_it_was_refused(
    canaries: Canaries, home: Path
) -> None:
    async with echoing(canaries) as payments:
        with pytest.raises(PaymentRefused) as refused:
            await payments.charge_card(PURCHASE, "cus_1", "pm_1", "key")
        with pytest.raises(GatewayError) as told, stripe_answers():
            await payments.checkout("cs_1")

    assert (refused.value.code, refused.value.args) == ("refused", ("refused",))
    assert told.value.metadata == {"code": "refused"}


def test_a_failure_that_stripe_calls_by_a_text_is_still_a_failure(canaries: Canaries) -> None:
    intent = {"id": "pi_1", "amount": 1, "currency": "usd", "status": "x", "created": 1}
    failed = payment_of({**intent, "last_payment_error": {"code": f"No {canaries.plant('code')}"}})

    assert failed.failure_code == "refused"
    assert payment_of(intent).failure_code == ""


async def test_stripes_client_leaves_no_file_and_tells_nothing_of_the_machine(
    canaries: Canaries, home: Path
) -> None:
    async with echoing(canaries) as payments:
        with pytest.raises(PaymentRefused):
            await payments.payment("pi_1")

    assert files(home) == []
    assert stripe.enable_telemetry is False


@pytest.mark.parametrize("level", ["debug", "info"])
def test_stripes_log_is_refused_at_start(level: str) -> None:
    """It prints what is posted and what is answered: pages, e-mails, cards."""
    with pytest.raises(UnsafeEnvironment):
        refuse_tracing({"STRIPE_LOG": level})
