"""What the simulated Stripe posts: signed, at least once, and as badly as it is told to."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import pytest
import stripe
from aiohttp import web

from simulator import SimulatedStripe, Simulator
from simulator.stripe import FakeStripe
from simulator.stripe_webhooks import Chaos, Endpoint
from tests.fix_simulator import until
from tests.simulator.stripe_caller import SECRET_KEY, WARNED, WEBHOOK_SECRET, Shop, misshapen

pytestmark = [pytest.mark.prove, pytest.mark.filterwarnings(WARNED)]


class Receiver:
    """A webhook endpoint that verifies with Stripe's own code."""

    def __init__(self) -> None:
        self.url = ""
        self.secret = WEBHOOK_SECRET
        self.seen: list[stripe.Event] = []
        self.refused = 0
        # Answered before anything is looked at.
        self.failing: list[int] = []

    @property
    def ids(self) -> list[str]:
        return [event.id for event in self.seen]

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.failing:
            return web.Response(status=self.failing.pop())
        try:
            signature = request.headers["stripe-signature"]
            event = stripe.Webhook.construct_event(body, signature, self.secret)
        except stripe.SignatureVerificationError:
            self.refused += 1
            return web.Response(status=400)
        self.seen.append(event)
        return web.Response()


@dataclass
class Steered:
    """A simulator with a Stripe account, steered over HTTP as an outside tool does."""

    shop: Shop
    url: str
    session: aiohttp.ClientSession

    async def send(self, method: str, path: str, data: bytes):
        url = f"{self.url}/_stripe{path}"
        async with self.session.request(method, url, data=data) as answer:
            return answer.status, await answer.json()

    async def control(self, method: str, path: str, body=None):
        status, content = await self.send(method, path, json.dumps(body or {}).encode())
        assert status == 200, content
        return content


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    application = web.Application()
    application.router.add_post("/hook", receiver.take)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield receiver
    await runner.cleanup()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as opened:
        yield opened


@pytest.fixture
async def shop(receiver: Receiver) -> AsyncIterator[Shop]:
    """Its webhooks wait for `drain`."""
    async with FakeStripe(SECRET_KEY) as fake:
        fake.webhooks.configure(Endpoint(receiver.url, (WEBHOOK_SECRET,), is_held=True))
        opened = Shop(fake)
        yield opened
        await opened.http.close_async()


async def test_every_event_arrives_signed_and_typed_in_its_order(shop: Shop, receiver: Receiver):
    intent = await shop.paid(invoice_creation={"enabled": True})
    await shop.v1.refunds.create_async({"payment_intent": intent.id})
    counts = await shop.fake.webhooks.drain()

    assert receiver.ids == [event["id"] for event in shop.events()]
    assert [wrong for event in receiver.seen for wrong in misshapen(event)] == []
    assert counts == {"delivered": len(receiver.seen)}
    made = next(event for event in receiver.seen if event.type == "refund.created")
    assert made.request.id.startswith("req_")
    assert made.data.object.payment_intent == intent.id
    told = await shop.v1.events.list_async({"type": "refund.*", "delivery_success": True})
    assert [event.id for event in told.data] == [made.id]
    assert (await shop.v1.events.retrieve_async(made.id)).pending_webhooks == 0


async def test_an_event_shows_its_object_as_it_then_was(shop: Shop, receiver: Receiver):
    intent = await shop.paid(1_000)
    for amount in (100, 200):
        await shop.v1.refunds.create_async({"payment_intent": intent.id, "amount": amount})
    await shop.fake.webhooks.drain()

    refunded = [event for event in receiver.seen if event.type == "charge.refunded"]
    assert [event.data.object.amount_refunded for event in refunded] == [100, 300]
    assert [event.data.previous_attributes["amount_refunded"] for event in refunded] == [0, 100]


async def test_what_is_refused_comes_again_until_it_is_taken(shop: Shop, receiver: Receiver):
    receiver.failing = [503, 302, 500]
    await shop.customer()
    tried_once = await shop.fake.webhooks.drain(attempts=1)
    waiting = shop.fake.webhooks.waiting
    tried = await shop.fake.webhooks.drain()

    assert (tried_once, waiting) == ({"refused": 1}, 1)
    assert tried == {"refused": 2, "delivered": 1}
    assert [each["attempt"] for each in shop.fake.webhooks.record] == [1, 2, 3, 4]
    assert len(receiver.seen) == 1


async def test_a_receiver_that_is_away_is_given_up_in_the_end(shop: Shop):
    shop.fake.webhooks.configure(Endpoint("http://127.0.0.1:9/", (WEBHOOK_SECRET,), is_held=True))
    await shop.customer()

    assert await shop.fake.webhooks.drain() == {"refused": 16, "given_up": 1}
    assert (await shop.v1.events.list_async()).data[0].pending_webhooks == 1


async def test_chaos_duplicates_reorders_loses_and_forges_the_same_way_for_the_same_seed(
    shop: Shop, receiver: Receiver
):
    chaos = Chaos(7, lose=0.2, duplicate=0.5, reorder=0.5, delay=0.3, stale=0.5, forge=0.5)
    runs = []
    for _ in range(2):
        shop.fake.webhooks.chaos = chaos
        receiver.seen.clear()
        start = len(shop.events())
        for _ in range(20):
            await shop.customer()
        counts = await shop.fake.webhooks.drain(at_once=4)
        places = {event["id"]: at for at, event in enumerate(shop.events()[start:])}
        runs.append((counts, sorted(places[each] for each in receiver.ids)))
        order = [places[each] for each in receiver.ids]
        assert order != sorted(order)
        assert len(set(order)) < min(len(order), 20)
        assert counts["stale_refused"] + counts["forged_refused"] == receiver.refused
        receiver.refused = 0

    assert runs[0] == runs[1]
    assert shop.fake.webhooks.counts["forged_taken"] == 0


async def test_an_event_is_delivered_once_more_on_demand_and_in_a_wrong_manner(
    shop: Shop, receiver: Receiver
):
    await shop.customer()
    await shop.fake.webhooks.drain()
    (event,) = shop.events()
    statuses = [
        await shop.fake.webhooks.deliver(event, manner) for manner in ("genuine", "stale", "forged")
    ]

    assert statuses == [200, 400, 400]
    assert receiver.ids == [event["id"]] * 2


async def test_two_secrets_sign_while_one_is_replaced(shop: Shop, receiver: Receiver):
    secrets = ("whsec_next", WEBHOOK_SECRET)
    shop.fake.webhooks.configure(Endpoint(receiver.url, secrets, is_held=True))
    for secret in secrets:
        receiver.secret = secret
        await shop.customer()
        await shop.fake.webhooks.drain()

    assert (len(receiver.seen), receiver.refused) == (2, 0)


async def test_only_the_kinds_that_are_wanted_are_posted(shop: Shop, receiver: Receiver):
    wanted = Endpoint(receiver.url, (WEBHOOK_SECRET,), ("checkout.session.completed",), True)
    shop.fake.webhooks.configure(wanted)
    await shop.paid()
    await shop.fake.webhooks.drain()

    assert [event.type for event in receiver.seen] == ["checkout.session.completed"]


@pytest.fixture
async def steered() -> AsyncIterator[Steered]:
    async with (
        Simulator([], stripe=SimulatedStripe(SECRET_KEY)) as simulator,
        aiohttp.ClientSession() as session,
    ):
        opened = Steered(Shop(simulator.stripe), simulator.url, session)
        yield opened
        await opened.shop.http.close_async()


async def test_payments_refunds_and_disputes_are_steered_over_http(
    steered: Steered, receiver: Receiver
):
    shop, control = steered.shop, steered.control
    await control("PUT", "/webhook", {"url": receiver.url, "secrets": [WEBHOOK_SECRET]})
    pay = f"/sessions/{(await shop.session()).id}/pay"
    declined = await control("POST", pay, {"card": "4000000000000002"})
    paid = await control("POST", pay, {"card": "authentication", "authenticate": True})
    assert (declined["decline_code"], paid["status"]) == ("generic_decline", "complete")
    await until(lambda: len(receiver.seen) == len(shop.events()))

    (payment,) = (await control("GET", "/ledger"))["payments"]
    intent = payment["payment_intent"]
    refund = await control("POST", "/refunds", {"payment": intent, "amount": 100})
    pending = {"payment": intent, "status": "pending", "amount": 5}
    slow = await control("POST", "/refunds", pending)
    assert (await control("POST", f"/refunds/{slow['id']}/finish"))["status"] == "succeeded"
    await control("POST", f"/refunds/{refund['id']}/fail", {"reason": "declined"})
    dispute = await control("POST", "/disputes", {"payment": intent, "amount": 300})
    await control("POST", f"/disputes/{dispute['id']}/win")

    (payment,) = (await control("GET", "/ledger"))["payments"]
    assert (payment["paid"], payment["refunded"], payment["net"]) == (1_000, 5, 995)


async def test_webhooks_faults_and_time_are_steered_over_http(steered: Steered, receiver: Receiver):
    shop, control = steered.shop, steered.control
    endpoint = {"url": receiver.url, "secrets": ["another"], "hold": True}
    assert (await control("PUT", "/webhook", endpoint))["webhook_url"] == receiver.url
    assert (await control("PUT", "/chaos", {"seed": 3, "duplicate": 1}))["duplicate"] == 1.0
    session = await shop.session()
    await control("POST", "/clock", {"advance_seconds": 86_400})
    (shown,) = (await control("GET", "/objects"))["checkout.session"]
    assert (shown["id"], shown["status"]) == (session.id, "expired")
    drained = await control("POST", "/drain", {"attempts": 1})
    assert drained == {"counts": {"refused": 2}, "waiting": 2}
    assert len((await control("GET", "/deliveries"))["deliveries"]) == 2
    assert await control("DELETE", "/deliveries") == {"lost": 2}
    assert (await control("DELETE", "/chaos"))["duplicate"] == 0.0

    faults = await control("POST", "/faults", {"kind": "status", "status": 429})
    assert faults["faults"][0]["times"] == 1
    assert await control("DELETE", "/faults") == {"faults": []}
    assert await control("PUT", "/settings", {"tax_percent": 7}) == {"tax_percent": 7}
    assert (await control("DELETE", "/webhook"))["webhook_url"] is None


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "field"),
    [
        ("PUT", "/webhook", {"url": "http://example.com/", "secrets": ["x"]}, 400, "url"),
        ("PUT", "/webhook", {"url": "http://127.0.0.1:1/", "secrets": []}, 400, "secrets"),
        ("PUT", "/webhook", b"{", 400, "body"),
        ("PUT", "/chaos", {"lose": 2}, 400, "lose"),
        ("PUT", "/chaos", {"loss": 1}, 400, "loss"),
        ("POST", "/faults", {"kind": "burn"}, 400, "kind"),
        ("POST", "/faults", {"kind": "hang", "times": 0}, 400, "times"),
        ("POST", "/faults", {"kind": "hang", "done": 1}, 400, "done"),
        ("POST", "/sessions/cs_x/pay", {}, 404, "id"),
        ("POST", "/sessions/cs_x/pay", {"card": "gold"}, 400, "card"),
        ("POST", "/disputes", {"payment": "pi_x"}, 404, "id"),
        ("POST", "/disputes", {"payment": "pi_x", "reason": "mood"}, 400, "reason"),
        ("POST", "/refunds", {"payment": "pi_x", "amount": 0}, 400, "amount"),
        ("POST", "/clock", {"advance_seconds": -1}, 400, "advance_seconds"),
        ("POST", "/drain", {"at_once": 0}, 400, "at_once"),
        ("GET", "/nothing", None, 404, "path"),
    ],
)
async def test_a_wrong_control_is_refused_naming_the_field(
    steered: Steered, method, path, body, status, field
):
    data = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
    got, answer = await steered.send(method, path, data)

    assert (got, answer["error"]["field"]) == (status, field)
