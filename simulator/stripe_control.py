"""The controls of the simulated Stripe over HTTP, below `/_stripe`.

Wrong controls are refused as the simulator's others are, and what Stripe itself refuses with 409.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, fields
from typing import Final, Literal

from aiohttp import web

from simulator.json_object import ControlError, JsonObject, one_of, within
from simulator.listener import is_loopback_url
from simulator.stripe import FakeStripe
from simulator.stripe_cards import CARDS, card_of
from simulator.stripe_disputes import REASONS
from simulator.stripe_errors import StripeError, Thing
from simulator.stripe_faults import parse_stripe_fault
from simulator.stripe_refunds import FAILURES, STATUSES
from simulator.stripe_webhooks import AT_ONCE, ATTEMPTS, Chaos, Endpoint

Handler = Callable[[web.Request, object], Awaitable[object]]

MANNERS: Final = ("genuine", "stale", "forged")
# A century: no test looks further ahead.
LONGEST_SECONDS: Final = 100 * 366 * 86_400
MAX_AMOUNT: Final = 99_999_999
MAX_DELAY_SECONDS: Final = 86_400


class StripeControl:
    """The routes below `/_stripe`; every body and answer is JSON."""

    def __init__(self, stripe: FakeStripe) -> None:
        self._stripe = stripe

    def add_to(self, application: web.Application) -> None:
        """Add the routes to the control port's."""
        routes: tuple[tuple[str, str, Handler], ...] = (
            ("GET", "", self._describe),
            ("GET", "/objects", self._objects),
            ("GET", "/ledger", self._ledger),
            ("GET", "/faults", self._list_faults),
            ("POST", "/faults", self._put_fault),
            ("DELETE", "/faults", self._clear_faults),
            ("PUT", "/webhook", self._put_webhook),
            ("DELETE", "/webhook", self._delete_webhook),
            ("PUT", "/chaos", self._put_chaos),
            ("DELETE", "/chaos", self._put_chaos),
            ("GET", "/deliveries", self._deliveries),
            ("DELETE", "/deliveries", self._lose),
            ("POST", "/drain", self._drain),
            ("POST", "/events/{id}/deliver", self._deliver),
            ("POST", "/sessions/{id}/pay", self._pay),
            ("POST", "/payment_intents/{id}/authenticate", self._authenticate),
            ("POST", "/refunds", self._refund),
            ("POST", "/refunds/{id}/finish", self._finish_refund),
            ("POST", "/refunds/{id}/fail", self._fail_refund),
            ("POST", "/disputes", self._open_dispute),
            ("POST", "/disputes/{id}/win", self._win),
            ("POST", "/disputes/{id}/lose", self._lose_dispute),
            ("POST", "/clock", self._advance),
            ("PUT", "/settings", self._put_settings),
        )
        for method, path, handler in routes:
            application.router.add_route(method, f"/_stripe{path}", _answering(handler))

    async def _describe(self, _request: web.Request, _body: object) -> Thing:
        webhooks = self._stripe.webhooks
        return {
            "url": self._stripe.url,
            "now": self._stripe.books.now(),
            "webhook_url": webhooks.endpoint and webhooks.endpoint.url,
            "waiting": webhooks.waiting,
            "counts": dict(webhooks.counts),
            "calls": dict(self._stripe.calls),
        }

    async def _objects(self, _request: web.Request, _body: object) -> Thing:
        return self._stripe.dashboard.objects()

    async def _ledger(self, _request: web.Request, _body: object) -> Thing:
        return {"payments": self._stripe.dashboard.ledger()}

    async def _list_faults(self, _request: web.Request, _body: object) -> Thing:
        return {"faults": [fault.as_json() for fault in self._stripe.faults.waiting()]}

    async def _put_fault(self, request: web.Request, body: object) -> Thing:
        self._stripe.faults.put(parse_stripe_fault(body))
        return await self._list_faults(request, body)

    async def _clear_faults(self, request: web.Request, body: object) -> Thing:
        self._stripe.faults.clear()
        return await self._list_faults(request, body)

    async def _put_webhook(self, request: web.Request, body: object) -> Thing:
        given = JsonObject(body, ("url", "secrets", "events", "hold"))
        url = given.text("url")
        if not is_loopback_url(url):
            raise ControlError("url", "the simulator posts to loopback addresses only")
        secrets = given.texts("secrets")
        if not secrets:
            raise ControlError("secrets", "required")
        kinds = given.texts("events", ("*",))
        endpoint = Endpoint(url, secrets, kinds, given.flag("hold"))
        self._stripe.webhooks.configure(endpoint)
        return await self._describe(request, body)

    async def _delete_webhook(self, request: web.Request, body: object) -> Thing:
        self._stripe.webhooks.configure(None)
        return await self._describe(request, body)

    async def _put_chaos(self, _request: web.Request, body: object) -> Thing:
        given = JsonObject(body, tuple(known.name for known in fields(Chaos)))
        seconds = given.integer("delay_seconds", 30)
        within("delay_seconds", seconds, 0, MAX_DELAY_SECONDS)
        chaos = Chaos(
            seed=given.integer("seed", 0),
            lose=given.fraction("lose"),
            duplicate=given.fraction("duplicate"),
            reorder=given.fraction("reorder"),
            delay=given.fraction("delay"),
            delay_seconds=seconds,
            stale=given.fraction("stale"),
            forge=given.fraction("forge"),
        )
        self._stripe.webhooks.chaos = chaos
        return asdict(chaos)

    async def _deliveries(self, _request: web.Request, _body: object) -> Thing:
        return {"deliveries": list(self._stripe.webhooks.record)}

    async def _lose(self, _request: web.Request, _body: object) -> Thing:
        return {"lost": self._stripe.webhooks.forget()}

    async def _drain(self, _request: web.Request, body: object) -> Thing:
        given = JsonObject(body, ("attempts", "at_once"))
        attempts, at_once = given.integer("attempts", ATTEMPTS), given.integer("at_once", 1)
        within("attempts", attempts, 1, ATTEMPTS)
        within("at_once", at_once, 1, AT_ONCE)
        counts = await self._stripe.webhooks.drain(attempts, at_once)
        return {"counts": counts, "waiting": self._stripe.webhooks.waiting}

    async def _deliver(self, request: web.Request, body: object) -> Thing:
        manner = JsonObject(body, ("manner",)).text("manner", "genuine")
        one_of("manner", manner, MANNERS)
        event = self._stripe.books.find("event", request.match_info["id"])
        return {"status": await self._stripe.webhooks.deliver(event, manner)}

    async def _pay(self, request: web.Request, body: object) -> Thing:
        given = JsonObject(body, ("card", "authenticate"))
        card = card_of(given.text("card", "visa"))
        if card is None:
            raise ControlError("card", f"expected a test card's number or {', '.join(CARDS)}")
        genuine = given.flag("authenticate") if given.has("authenticate") else None
        session_id = request.match_info["id"]
        paid = self._stripe.dashboard.pay(session_id, card, is_genuine=genuine)
        no = paid.decline
        return {"status": paid.status, "decline_code": None if no is None else no.decline_code}

    async def _authenticate(self, request: web.Request, body: object) -> Thing:
        genuine = JsonObject(body, ("genuine",)).flag("genuine", default=True)
        return self._stripe.dashboard.authenticate(request.match_info["id"], is_genuine=genuine)

    async def _refund(self, _request: web.Request, body: object) -> Thing:
        given = JsonObject(body, ("payment", "amount", "status"))
        status = given.text_or_none("status")
        if status is not None:
            one_of("status", status, STATUSES)
        return self._stripe.dashboard.refund(given.text("payment"), _amount(given), status)

    async def _finish_refund(self, request: web.Request, _body: object) -> Thing:
        return self._stripe.dashboard.finish_refund(request.match_info["id"])

    async def _fail_refund(self, request: web.Request, body: object) -> Thing:
        reason = JsonObject(body, ("reason",)).text("reason", "unknown")
        one_of("reason", reason, FAILURES)
        return self._stripe.dashboard.fail_refund(request.match_info["id"], reason)

    async def _open_dispute(self, _request: web.Request, body: object) -> Thing:
        given = JsonObject(body, ("payment", "amount", "reason", "inquiry"))
        reason = given.text("reason", "fraudulent")
        one_of("reason", reason, REASONS)
        return self._stripe.dashboard.open_dispute(
            given.text("payment"), _amount(given), reason, is_inquiry=given.flag("inquiry")
        )

    async def _win(self, request: web.Request, _body: object) -> Thing:
        return self._ended(request, "won")

    async def _lose_dispute(self, request: web.Request, _body: object) -> Thing:
        return self._ended(request, "lost")

    def _ended(self, request: web.Request, status: Literal["won", "lost"]) -> Thing:
        return self._stripe.dashboard.end_dispute(request.match_info["id"], status)

    async def _advance(self, _request: web.Request, body: object) -> Thing:
        seconds = JsonObject(body, ("advance_seconds",)).integer("advance_seconds", 0)
        within("advance_seconds", seconds, 0, LONGEST_SECONDS)
        return {"now": self._stripe.dashboard.advance(seconds)}

    async def _put_settings(self, _request: web.Request, body: object) -> Thing:
        percent = JsonObject(body, ("tax_percent",)).integer("tax_percent", 0)
        within("tax_percent", percent, 0, 100)
        self._stripe.books.tax_percent = percent
        return {"tax_percent": percent}


def _amount(given: JsonObject) -> int | None:
    amount = given.integer("amount", None)
    if amount is not None:
        within("amount", amount, 1, MAX_AMOUNT)
    return amount


def _answering(
    handler: Handler,
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Give the aiohttp handler: JSON in, an empty body for an empty object, JSON out."""

    async def answer(request: web.Request) -> web.StreamResponse:
        text = await request.read()
        try:
            body = json.loads(text) if text else {}
        except ValueError:
            raise ControlError("body", "not valid JSON") from None
        try:
            return web.json_response(await handler(request, body))
        except StripeError as error:
            status = 404 if error.status == 404 else 409
            said = {"field": error.param or "id", "message": error.message}
            return web.json_response({"error": said}, status=status)

    return answer
