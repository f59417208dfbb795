"""`POST /webhooks/stripe`: believed only if it is signed, and never for what it says."""

import hmac
import json
import time
from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest

from billing.ledger import Balance
from simulator.stripe_faults import StripeFault
from tests.paying import WEBHOOK_SECRET, Till, open_till

# Stripe's client hands httpx bytes under a name that httpx is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
async def till(database_url: str) -> AsyncIterator[Till]:
    async with open_till(database_url) as opened:
        yield opened
        assert await opened.discrepancies() == []


@pytest.fixture
async def account(till: Till) -> UUID:
    return await till.account()


def signed(body: bytes, moment: float | None = None, secret: str = WEBHOOK_SECRET) -> str:
    at = int(time.time() if moment is None else moment)
    mark = hmac.new(secret.encode(), b"%d." % at + body, "sha256").hexdigest()
    return f"t={at},v1={mark}"


async def post(till: Till, body: bytes, signature: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as http:
        headers = {"stripe-signature": signature} if signature else {}
        return await http.post(f"{till.url}/webhooks/stripe", content=body, headers=headers)


async def test_a_webhook_without_a_good_signature_is_refused(till: Till, account: UUID) -> None:
    intent = await till.checkout(account)
    event = till.stripe.books.shown(till.stripe.books.all("event")[-1])
    body = json.dumps(event).encode()

    for signature in (
        "",
        "t=1,v1=00",
        signed(body, secret="whsec_of_somebody_else"),
        signed(body + b" "),
        signed(body, time.time() - 301),
        "nonsense",
    ):
        assert (await post(till, body, signature)).status_code == 400, signature
    for broken in (b"", b"[]", b"\xff", b'{"object": "event"}'):
        assert (await post(till, broken, signed(broken))).status_code == 400, broken
    assert (await post(till, b" " * 262_145, "")).status_code == 413
    assert await till.balance(account) == Balance(0, 0)
    assert await till.query("SELECT 1 FROM payment WHERE payment_intent = %s", intent) == []


async def test_an_older_secret_signs_too_while_it_is_replaced(till: Till) -> None:
    body = json.dumps({"id": "evt_1", "object": "event", "type": "customer.created"}).encode()

    assert (await post(till, body, signed(body, secret="whsec_old"))).status_code == 200
    assert (await post(till, body, signed(body))).status_code == 200
    assert await till.query("SELECT 1 FROM stripe_event") == []


async def test_stripe_is_told_to_send_again_while_stripe_does_not_answer(
    till: Till, account: UUID
) -> None:
    await till.checkout(account)
    till.stripe.faults.put(
        StripeFault("status", "/v1/payment_intents", "GET", status=500, times=None)
    )
    paid = next(
        e for e in till.stripe.books.all("event") if e["type"] == "payment_intent.succeeded"
    )

    assert await till.stripe.webhooks.deliver(paid) == 503
    till.stripe.faults.clear()
    assert await till.stripe.webhooks.deliver(paid) == 200
    assert await till.balance(account) == Balance(10_000_000, 0)


async def test_a_payment_that_is_not_ours_is_taken_and_not_booked(till: Till) -> None:
    body = json.dumps(
        {
            "id": "evt_1",
            "object": "event",
            "type": "payment_intent.succeeded",
            "data": {"object": {"object": "payment_intent", "id": "pi_of_somebody_else"}},
        }
    ).encode()

    assert (await post(till, body, signed(body))).status_code == 200
    assert till.oddities == []
