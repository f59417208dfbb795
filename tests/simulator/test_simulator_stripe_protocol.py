"""The simulated Stripe's protocol: parameters, errors, idempotency, faults on demand."""

import asyncio
import inspect
from collections.abc import AsyncIterator

import httpx
import pytest
import stripe
from stripe.params import (
    CustomerCreateParams,
    PaymentIntentCreateParams,
    RefundCreateParams,
)
from stripe.params.checkout import SessionCreateParams, SessionCreateParamsPaymentIntentData

from simulator import stripe_checkout, stripe_customers, stripe_payments, stripe_refunds
from simulator.stripe import FakeStripe
from simulator.stripe_faults import StripeFault
from tests.fix_simulator import until
from tests.simulator.stripe_caller import SECRET_KEY, WARNED, Shop

pytestmark = [pytest.mark.prove, pytest.mark.filterwarnings(WARNED)]

KEY = {"idempotency_key": "a key of ours"}


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with FakeStripe(SECRET_KEY) as fake:
        opened = Shop(fake)
        yield opened
        await opened.http.close_async()


@pytest.fixture
async def raw(shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {SECRET_KEY}"}
    async with httpx.AsyncClient(base_url=shop.fake.url, headers=headers, timeout=5) as opened:
        yield opened


@pytest.mark.parametrize(
    ("taken", "params"),
    [
        (stripe_checkout._CREATED, SessionCreateParams),
        (
            {*stripe_checkout._PASSED_ON, "setup_future_usage", "metadata"},
            SessionCreateParamsPaymentIntentData,
        ),
        (stripe_payments._CREATED, PaymentIntentCreateParams),
        (set(stripe_refunds._CREATED), RefundCreateParams),
        (stripe_customers._FIELDS, CustomerCreateParams),
    ],
)
def test_only_parameters_of_this_version_of_the_api_are_taken(taken, params):
    assert taken - inspect.get_annotations(params).keys() == set()


@pytest.mark.parametrize(
    ("path", "form", "code", "param"),
    [
        ("/v1/payment_intents", {"currency": "usd"}, "parameter_missing", "amount"),
        ("/v1/payment_intents", {"amount": "x", "currency": "usd"}, "parameter_invalid_integer", "amount"),
        ("/v1/payment_intents", {"amount": "49", "currency": "usd"}, "amount_too_small", "amount"),
        ("/v1/payment_intents", {"amount": "50", "currency": "usd", "cutomer": "c"}, "parameter_unknown", "cutomer"),
        ("/v1/payment_intents", {"amount": "50", "currency": "usd", "customer": "cus_x"}, "resource_missing", "customer"),
        ("/v1/payment_intents", {"amount": "50", "currency": "usd", "payment_method_types[]": "card"}, "parameter_unknown", "payment_method_types"),
        ("/v1/checkout/sessions", {"mode": "payment", "success_url": "http://x"}, "parameter_missing", "line_items"),
        ("/v1/checkout/sessions", {"mode": "payment", "line_items[0][price_data][colour]": "red"}, "parameter_unknown", "line_items[0][price_data][colour]"),
        ("/v1/checkout/sessions", {"mode": "subscription"}, None, "mode"),
        ("/v1/refunds", {"payment_intent": "pi_x"}, "resource_missing", "payment_intent"),
        ("/v1/customers", {"metadata[" + "k" * 41 + "]": "v"}, None, "metadata"),
        ("/v1/customers", {"address": "here"}, None, "address"),
    ],
)  # fmt: skip
async def test_a_wrong_parameter_is_refused_by_name_and_changes_nothing(
    raw: httpx.AsyncClient, shop: Shop, path, form, code, param
):
    for _ in range(2):
        answer = await raw.post(path, data=form, headers={"idempotency-key": "k"})

        error = answer.json()["error"]
        assert (answer.status_code, error["type"]) == (400, "invalid_request_error")
        assert (error.get("code"), error["param"]) == (code, param)
        assert answer.headers["request-id"].startswith("req_")
        assert "idempotent-replayed" not in answer.headers
    assert shop.events() == []


async def test_a_wrong_key_url_version_or_id_is_refused(raw: httpx.AsyncClient, shop: Shop):
    wrong = await raw.get("/v1/customers", headers={"authorization": "Bearer sk_test_other"})
    none = await raw.get("/v1/customers", headers={"authorization": ""})
    nowhere = await raw.get("/v1/subscriptions")
    old = await raw.get("/v1/customers", headers={"stripe-version": "2020-08-27"})
    lost = await raw.get("/v1/customers/cus_nobody")

    assert [each.status_code for each in (wrong, none, nowhere, old, lost)] == [
        401,
        401,
        404,
        400,
        404,
    ]
    assert lost.json()["error"]["code"] == "resource_missing"
    assert "sk_test_other" not in wrong.text
    with pytest.raises(stripe.InvalidRequestError, match="No such"):
        await shop.v1.checkout.sessions.retrieve_async("cs_test_nobody")
    customer = await shop.customer()
    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        await shop.v1.customers.retrieve_async(customer.id, {"expand": ["colour"]})


async def test_the_same_key_and_parameters_give_the_first_answer_again(shop: Shop):
    first = await shop.v1.customers.create_async({"email": "a@example.com"}, KEY)
    again = await shop.v1.customers.create_async({"email": "a@example.com"}, KEY)

    assert again.id == first.id
    assert again.last_response.headers["idempotent-replayed"] == "true"
    assert shop.kinds() == ["customer.created"]
    with pytest.raises(stripe.IdempotencyError, match="same parameters"):
        await shop.v1.customers.create_async({"email": "b@example.com"}, KEY)
    with pytest.raises(stripe.IdempotencyError, match="same endpoint"):
        await shop.v1.payment_intents.create_async({"amount": 100, "currency": "usd"}, KEY)
    shop.fake.dashboard.advance(24 * 3_600)
    assert (await shop.v1.customers.create_async({"email": "a@example.com"}, KEY)).id != first.id


async def test_a_decline_is_replayed_and_charges_once(shop: Shop):
    customer, method = await shop.saved("declined_later")
    asked = {
        "amount": 500,
        "currency": "usd",
        "customer": customer.id,
        "payment_method": method.id,
        "confirm": True,
        "off_session": True,
    }
    intents = set()
    for _ in range(2):
        with pytest.raises(stripe.CardError) as raised:
            await shop.v1.payment_intents.create_async(asked, KEY)
        intents.add(raised.value.error.payment_intent.id)

    assert len(intents) == 1
    assert len(shop.events("charge.failed")) == 1


@pytest.mark.parametrize("done", [False, True])
async def test_a_500_is_replayed_under_its_key_whether_the_work_was_done_or_not(shop: Shop, done):
    shop.fake.faults.put(StripeFault("status", "/v1/customers", "POST", done=done))
    for _ in range(2):
        with pytest.raises(stripe.APIError) as raised:
            await shop.v1.customers.create_async({}, KEY)
        assert raised.value.http_status == 500

    assert raised.value.headers["idempotent-replayed"] == "true"
    assert len((await shop.v1.customers.list_async()).data) == int(done)


@pytest.mark.parametrize(("status", "kind"), [(409, stripe.APIError), (429, stripe.RateLimitError)])
async def test_a_conflict_and_a_rate_limit_come_before_anything_is_done(shop: Shop, status, kind):
    fault = StripeFault("status", "/v1/customers", status=status, retry_after=3)
    shop.fake.faults.put(fault)
    with pytest.raises(kind) as raised:
        await shop.v1.customers.create_async({}, KEY)

    assert raised.value.headers["retry-after"] == "3"
    assert (await shop.v1.customers.create_async({}, KEY)).id
    assert shop.kinds() == ["customer.created"]


@pytest.mark.parametrize("kind", ["hang", "reset"])
@pytest.mark.parametrize("done", [False, True])
async def test_a_lost_answer_is_had_by_asking_again_under_the_same_key(shop: Shop, kind, done):
    shop.fake.faults.put(StripeFault(kind, "/v1/payment_intents", "POST", done=done))
    asked = {"amount": 500, "currency": "usd"}
    lost = asyncio.create_task(shop.v1.payment_intents.create_async(asked, KEY))
    await until(lambda: not shop.fake.faults.waiting())
    if kind == "hang":
        lost.cancel()
    (outcome,) = await asyncio.gather(lost, return_exceptions=True)
    assert isinstance(outcome, stripe.APIConnectionError | asyncio.CancelledError)
    assert len(shop.events()) == int(done)
    again = await shop.v1.payment_intents.create_async(asked, KEY)

    assert ("idempotent-replayed" in again.last_response.headers) == done
    assert [each["data"]["object"]["id"] for each in shop.events()] == [again.id]


async def test_a_twin_in_flight_is_refused_and_the_first_is_done_even_if_its_caller_leaves(
    shop: Shop,
):
    shop.fake.faults.put(StripeFault("slow", "/v1/customers", delay_ms=60_000))
    first = asyncio.create_task(shop.v1.customers.create_async({}, KEY))
    await until(lambda: not shop.fake.faults.waiting())
    with pytest.raises(stripe.APIError) as raised:
        await shop.v1.customers.create_async({}, KEY)
    assert (raised.value.http_status, raised.value.error.code) == (409, "idempotency_key_in_use")
    assert shop.events() == []
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await until(lambda: bool(shop.events()))

    assert (await shop.v1.customers.create_async({}, KEY)).id
    assert shop.kinds() == ["customer.created"]


async def test_faults_meet_the_path_method_and_count_they_say(shop: Shop):
    shop.fake.faults.put(StripeFault("status", "/v1/customers", "POST", skip=1, times=2))
    outcomes = []
    for _ in range(4):
        await shop.v1.customers.list_async()
        try:
            await shop.v1.customers.create_async({})
            outcomes.append(200)
        except stripe.APIError as error:
            outcomes.append(error.http_status)

    assert outcomes == [200, 500, 500, 200]


async def test_nothing_of_a_card_is_kept_but_brand_and_last_four(shop: Shop, raw):
    number = "4242" * 4
    form = {"type": "card", "card[number]": number, "card[cvc]": "987", "card[exp_month]": "1"}
    made = await raw.post("/v1/payment_methods", data=form)

    assert made.json()["card"]["last4"] == "4242"
    assert number not in repr(shop.fake.dashboard.objects()) + repr(vars(shop.fake.books))
