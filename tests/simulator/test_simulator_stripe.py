"""The simulated Stripe, spoken to by Stripe's own client: objects, payments, refunds, disputes."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
import stripe

from simulator.stripe import FakeStripe
from simulator.stripe_books import API_VERSION
from simulator.stripe_cards import CARDS
from tests.simulator.stripe_caller import SECRET_KEY, WARNED, Shop, misshapen

pytestmark = pytest.mark.filterwarnings(WARNED)

NOW = 1_800_000_000.5


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with FakeStripe(SECRET_KEY, clock=lambda: NOW) as fake:
        opened = Shop(fake)
        yield opened
        await opened.http.close_async()


def test_the_simulator_speaks_the_packages_version_of_the_api():
    assert stripe.api_version == API_VERSION


async def test_every_object_has_the_shape_of_its_typed_class(shop: Shop):
    v1 = shop.v1
    customer = await shop.customer(metadata={"reapi_account": "1"})
    intent = await shop.paid(
        customer=customer.id,
        invoice_creation={"enabled": True},
        payment_intent_data={"setup_future_usage": "off_session", "metadata": {"a": "b"}},
        automatic_tax={"enabled": True},
    )
    await v1.refunds.create_async({"payment_intent": intent.id, "amount": 100})
    dispute = shop.fake.dashboard.open_dispute(intent.id, 900, "fraudulent", is_inquiry=False)
    with pytest.raises(stripe.CardError):
        await v1.payment_intents.create_async(
            {
                "amount": 500,
                "currency": "usd",
                "payment_method": "pm_card_chargeCustomerFail",
                "confirm": True,
            }
        )
    sessions = await v1.checkout.sessions.list_async({"expand": ["data.line_items"]})
    intents = await v1.payment_intents.list_async({"expand": ["data.latest_charge.refunds"]})
    objects = [
        customer,
        *sessions.data,
        *intents.data,
        *(await v1.charges.list_async()).data,
        *(await v1.payment_methods.list_async({"customer": customer.id})).data,
        *(await v1.invoices.list_async({"expand": ["data.payments"]})).data,
        *(await v1.refunds.list_async()).data,
        await v1.disputes.retrieve_async(dispute["id"]),
        *(await v1.events.list_async({"limit": 100})).data,
    ]

    assert {each.object for each in objects} == {
        "charge",
        "checkout.session",
        "customer",
        "dispute",
        "event",
        "invoice",
        "payment_intent",
        "payment_method",
        "refund",
    }
    assert [wrong for each in objects for wrong in misshapen(each)] == []
    assert not any(each.livemode for each in objects if each.object != "refund")


async def test_a_session_is_paid_with_invoice_saved_card_and_metadata(shop: Shop):
    customer = await shop.customer()
    session = await shop.session(
        2_500,
        customer=customer.id,
        client_reference_id="ref",
        metadata={"on": "session"},
        invoice_creation={"enabled": True, "invoice_data": {"metadata": {"on": "invoice"}}},
        payment_intent_data={"setup_future_usage": "off_session", "metadata": {"on": "intent"}},
    )
    assert (session.status, session.payment_status, session.payment_intent) == (
        "open",
        "unpaid",
        None,
    )
    shop.fake.dashboard.pay(session.id, CARDS["visa"])

    paid = await shop.v1.checkout.sessions.retrieve_async(
        session.id, {"expand": ["payment_intent.latest_charge", "invoice.payments", "line_items"]}
    )
    intent, invoice = paid.payment_intent, paid.invoice
    assert (paid.status, paid.payment_status, paid.url) == ("complete", "paid", None)
    assert (paid.metadata["on"], intent.metadata["on"]) == ("session", "intent")
    assert (intent.amount_received, intent.latest_charge.metadata["on"]) == (2_500, "intent")
    assert (invoice.status, invoice.total, invoice.metadata["on"]) == ("paid", 2_500, "invoice")
    assert invoice.payments.data[0].payment.payment_intent == intent.id
    assert invoice.hosted_invoice_url.startswith(shop.fake.url)
    assert paid.line_items.data[0].amount_total == 2_500
    cards = await shop.v1.customers.payment_methods.list_async(customer.id, {"type": "card"})
    assert [card.card.last4 for card in cards.data] == ["4242"]
    assert set(shop.kinds()) == {
        "customer.created",
        "payment_intent.created",
        "payment_method.attached",
        "charge.succeeded",
        "payment_intent.succeeded",
        "charge.updated",
        "invoice.created",
        "invoice.finalized",
        "invoice.paid",
        "invoice.payment_succeeded",
        "checkout.session.completed",
    }


async def test_a_session_without_a_customer_makes_one_for_an_invoice_and_none_without(shop: Shop):
    assert (await shop.paid()).customer is None
    assert (await shop.paid(invoice_creation={"enabled": True})).customer.startswith("cus_")


async def test_tax_is_added_to_what_is_paid(shop: Shop):
    shop.fake.books.tax_percent = 19
    session = await shop.session(1_001, automatic_tax={"enabled": True})

    assert (session.amount_subtotal, session.amount_total) == (1_001, 1_191)
    assert session.total_details.amount_tax == 190


async def test_a_browser_pays_on_the_sessions_page_after_a_decline_and_an_authentication(
    shop: Shop,
):
    session = await shop.session()
    async with aiohttp.ClientSession() as browser:

        async def send(**fields: str):
            async with browser.post(session.url, data=fields, allow_redirects=False) as answer:
                return answer.status, await answer.text(), answer.headers.get("location")

        async with browser.get(session.url) as page:
            assert "Pay 10.00 USD" in await page.text()
        assert "Your card was declined." in (await send(card="declined"))[1]
        assert "The bank asks" in (await send(card="authentication"))[1]
        assert "failed authentication" in (await send(authentication="fail"))[1]
        assert "The bank asks" in (await send(card="authentication"))[1]
        status, _, location = await send(authentication="complete")
        assert status == 303
        assert location == f"http://127.0.0.1/done?session={session.id}&ok=1"
        async with browser.get(session.url) as page:
            assert "no longer available" in await page.text()

    paid = await shop.v1.checkout.sessions.retrieve_async(session.id)
    assert paid.payment_status == "paid"
    assert (
        len((await shop.v1.charges.list_async({"payment_intent": paid.payment_intent})).data) == 2
    )


async def test_a_session_expires_after_a_day_or_when_told_and_can_then_not_be_paid(shop: Shop):
    day, soon = await shop.session(), await shop.session(expires_at=int(NOW) + 1_800)
    told = await shop.v1.checkout.sessions.expire_async((await shop.session()).id)
    shop.fake.dashboard.advance(1_800)
    listed = await shop.v1.checkout.sessions.list_async({"status": "expired"})
    assert {each.id for each in listed.data} == {soon.id, told.id}
    shop.fake.dashboard.advance(86_400)

    assert (await shop.v1.checkout.sessions.retrieve_async(day.id)).status == "expired"
    assert shop.kinds() == ["checkout.session.expired"] * 3
    with pytest.raises(stripe.InvalidRequestError):
        await shop.v1.checkout.sessions.expire_async(day.id)
    with pytest.raises(Exception, match="expired"):
        shop.fake.dashboard.pay(day.id, CARDS["visa"])


async def test_a_saved_card_is_charged_while_nobody_is_there(shop: Shop):
    customer, method = await shop.saved()
    intent = await shop.v1.payment_intents.create_async(
        {
            "amount": 700,
            "currency": "usd",
            "customer": customer.id,
            "payment_method": method.id,
            "allowed_payment_method_types": ["card"],
            "confirm": True,
            "off_session": True,
            "error_on_requires_action": True,
            "expand": ["latest_charge"],
        }
    )

    assert (intent.status, intent.latest_charge.paid) == ("succeeded", True)
    assert intent.latest_charge.payment_method_details.card.last4 == "4242"


@pytest.mark.parametrize(
    ("card", "code", "decline_code"),
    [
        ("declined_later", "card_declined", "generic_decline"),
        ("authentication_always", "authentication_required", "authentication_required"),
        ("authentication", "authentication_required", "authentication_required"),
    ],
)
async def test_a_saved_card_that_says_no_leaves_a_failed_payment(
    shop: Shop, card, code, decline_code
):
    customer, method = await shop.saved(card)
    with pytest.raises(stripe.CardError) as raised:
        await shop.v1.payment_intents.create_async(
            {
                "amount": 700,
                "currency": "usd",
                "customer": customer.id,
                "payment_method": method.id,
                "confirm": True,
                "off_session": True,
            }
        )

    error = raised.value
    assert (error.http_status, error.code, error.error.decline_code) == (402, code, decline_code)
    failed = await shop.v1.payment_intents.retrieve_async(
        error.error.payment_intent.id, {"expand": ["latest_charge"]}
    )
    assert (failed.status, failed.amount_received) == ("requires_payment_method", 0)
    assert (failed.latest_charge.status, failed.latest_charge.failure_code) == ("failed", code)
    assert shop.kinds()[-2:] == ["charge.failed", "payment_intent.payment_failed"]


async def test_a_card_that_was_set_up_needs_no_more_authentication(shop: Shop):
    customer = await shop.customer()
    session = await shop.session(
        customer=customer.id, payment_intent_data={"setup_future_usage": "off_session"}
    )
    paid = shop.fake.dashboard.pay(session.id, CARDS["authentication"], is_genuine=True)
    assert paid.status == "complete"
    (method,) = (await shop.v1.payment_methods.list_async({"customer": customer.id})).data
    again = await shop.v1.payment_intents.create_async(
        {
            "amount": 700,
            "currency": "usd",
            "customer": customer.id,
            "payment_method": method.id,
            "confirm": True,
            "off_session": True,
        }
    )

    assert again.status == "succeeded"


async def test_refunds_add_up_and_never_exceed_the_charge(shop: Shop):
    intent = await shop.paid(1_000)
    part = await shop.v1.refunds.create_async({"payment_intent": intent.id, "amount": 300})
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded"):
        await shop.v1.refunds.create_async({"payment_intent": intent.id, "amount": 701})
    rest = await shop.v1.refunds.create_async({"charge": intent.latest_charge.id})
    with pytest.raises(stripe.InvalidRequestError) as raised:
        await shop.v1.refunds.create_async({"payment_intent": intent.id})

    assert raised.value.code == "charge_already_refunded"
    assert (part.amount, rest.amount, rest.status) == (300, 700, "succeeded")
    charge = await shop.v1.charges.retrieve_async(intent.latest_charge.id, {"expand": ["refunds"]})
    assert (charge.refunded, charge.amount_refunded) == (True, 1_000)
    assert [each.id for each in charge.refunds.data] == [rest.id, part.id]
    assert shop.kinds()[-4:] == ["refund.created", "charge.refunded"] * 2


async def test_a_refund_that_fails_gives_the_money_back_to_the_account(shop: Shop):
    intent = await shop.paid(1_000)
    made = await shop.v1.refunds.create_async({"payment_intent": intent.id, "amount": 300})
    await shop.v1.refunds.update_async(made.id, {"metadata": {"seen": "1"}})
    shop.fake.dashboard.fail_refund(made.id, "lost_or_stolen_card")

    failed = await shop.v1.refunds.retrieve_async(made.id)
    charge = await shop.v1.charges.retrieve_async(intent.latest_charge.id)
    assert (failed.status, failed.failure_reason) == ("failed", "lost_or_stolen_card")
    assert (failed.metadata["seen"], charge.amount_refunded) == ("1", 0)
    assert shop.kinds()[-1] == "refund.failed"
    (entry,) = shop.fake.dashboard.ledger()
    assert (entry["paid"], entry["refunded"], entry["net"]) == (1_000, 0, 1_000)


async def test_a_refund_to_a_card_that_takes_none_succeeds_at_first_and_fails_then(shop: Shop):
    intent = await shop.paid(1_000, "refund_fails")
    made = await shop.v1.refunds.create_async({"payment_intent": intent.id})

    assert (made.status, (await shop.v1.refunds.retrieve_async(made.id)).status) == (
        "succeeded",
        "failed",
    )
    slow = await shop.v1.refunds.create_async(
        {"payment_intent": (await shop.paid(1_000, "refund_pending")).id}
    )
    assert slow.status == "pending"
    shop.fake.dashboard.finish_refund(slow.id)
    assert (await shop.v1.refunds.retrieve_async(slow.id)).status == "succeeded"


async def test_a_refund_that_waits_for_the_customer_can_be_cancelled_and_no_other(shop: Shop):
    intent = await shop.paid(1_000)
    waiting = shop.fake.dashboard.refund(intent.id, 400, "requires_action")
    cancelled = await shop.v1.refunds.cancel_async(waiting["id"])
    done = await shop.v1.refunds.create_async({"payment_intent": intent.id, "amount": 400})

    assert (cancelled.status, done.status) == ("canceled", "succeeded")
    with pytest.raises(stripe.InvalidRequestError):
        await shop.v1.refunds.cancel_async(done.id)
    assert shop.fake.dashboard.ledger()[0]["net"] == 600


@pytest.mark.parametrize(("status", "net"), [("won", 1_000), ("lost", 0)])
async def test_a_dispute_takes_the_money_until_it_is_won(shop: Shop, status, net):
    intent = await shop.paid(1_000)
    opened = shop.fake.dashboard.open_dispute(intent.id, None, "fraudulent", is_inquiry=False)
    assert shop.fake.dashboard.ledger()[0]["net"] == 0
    with pytest.raises(stripe.InvalidRequestError, match="charged back"):
        await shop.v1.refunds.create_async({"payment_intent": intent.id})
    answered = await shop.v1.disputes.update_async(
        opened["id"], {"evidence": {"product_description": "credits"}, "submit": True}
    )
    assert answered.status == "under_review"
    shop.fake.dashboard.end_dispute(opened["id"], status)

    (ended,) = (await shop.v1.disputes.list_async({"payment_intent": intent.id})).data
    assert (ended.status, ended.amount) == (status, 1_000)
    assert sum(each.amount for each in ended.balance_transactions) == net - 1_000
    assert shop.fake.dashboard.ledger()[0]["net"] == net
    won = ["charge.dispute.funds_reinstated"] if status == "won" else []
    assert [kind for kind in shop.kinds() if "dispute" in kind] == [
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.updated",
        "charge.dispute.closed",
        *won,
    ]


async def test_an_inquiry_takes_nothing(shop: Shop):
    intent = await shop.paid(1_000)
    shop.fake.dashboard.open_dispute(intent.id, None, "general", is_inquiry=True)

    assert shop.fake.dashboard.ledger()[0]["net"] == 1_000
    assert "charge.dispute.funds_withdrawn" not in shop.kinds()


async def test_lists_come_newest_first_in_pages_and_by_time(shop: Shop):
    made = []
    for _ in range(5):
        made.append((await shop.paid(customer=(await shop.customer()).id)).id)
        shop.fake.dashboard.advance(10)
    first = await shop.v1.payment_intents.list_async({"limit": 2})
    every = [each.id async for each in first.auto_paging_iter()]
    late = await shop.v1.payment_intents.list_async({"created": {"gte": int(NOW) + 30}})

    assert (first.has_more, every) == (True, made[::-1])
    assert [each.id for each in late.data] == made[:2:-1]
    before = await shop.v1.payment_intents.list_async({"limit": 1, "ending_before": made[2]})
    assert ([each.id for each in before.data], before.has_more) == ([made[3]], True)


async def test_a_deleted_customer_is_gone_but_for_its_id(shop: Shop):
    customer, method = await shop.saved()
    await shop.v1.customers.delete_async(customer.id)

    assert (await shop.v1.customers.retrieve_async(customer.id)).deleted
    assert (await shop.v1.customers.list_async()).data == []
    assert (await shop.v1.payment_methods.retrieve_async(method.id)).customer is None
    with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
        await shop.session(customer=customer.id)
