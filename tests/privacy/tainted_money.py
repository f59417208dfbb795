"""Money, keys and quotes with a canary wherever somebody types: calls that go as far as they can.

The walk of the contract (`tainted_contract`) sends every field, but a name or an amount that is a
canary ends a call at its first check. Here everything else of a call is right: credits are bought
on a page of the simulated Stripe, codes are redeemed, quotes are used. What is made on the way and
opens something (links, codes, tokens, keys) is guarded: it is looked for too.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from gateway.proof.canaries import Canaries
from gateway.proof.requests import MODEL, Maker, as_json, as_text
from tests.fix_gateway import Gateway
from tests.privacy.echoing import Receiver

NAME = "key name"
"""How the calls begin whose canaries may stand in `api_key.name` (docs/privacy.md)."""
SECONDS = 20.0
_MAC = 40
"""Characters of a quote's token that nobody else has: its signature."""
AMOUNT = 5_000_000
PURCHASE = {"credit_pack": "credit_packs/starter", "save_payment_method": True}
SPEC = {"model": MODEL, "parameters": {"prompt": "CANARY", "end_user_id": "CANARY"}}
WRONG: Mapping[str, tuple[str, str, Mapping[str, Any] | None, int]] = {
    "wrong key: models": ("POST", "api_keys?request_id=", {"allowed_models": ["CANARY"]}, 400),
    "wrong key: networks": ("POST", "api_keys?request_id=", {"allowed_networks": ["CANARY"]}, 400),
    "wrong key: scope": ("POST", "api_keys?request_id=", {"scopes": ["CANARY"]}, 400),
    "wrong key: mask": ("PATCH", "api_keys/000000000000?update_mask=", {}, 400),
    "wrong budget: key": (
        "POST",
        "budgets?request_id=",
        {"api_key": "api_keys/CANARY", "period": "PERIOD_DAY", "limit_micros": "1"},
        404,
    ),
    "wrong budget: list": ("GET", "budgets?api_key=", None, 404),
    "wrong checkout: page": (
        "POST",
        "checkout_sessions?",
        {**PURCHASE, "success_uri": "https://CANARY.example/CANARY"},
        400,
    ),
    "wrong checkout: pack": ("POST", "checkout_sessions?", {"credit_pack": "CANARY"}, 404),
    "wrong code": ("POST", "promo_codes:redeem?", {"code": "CANARY", "request_id": "CANARY"}, 404),
    "wrong card": ("DELETE", "payment_methods/CANARY?request_id=", None, 404),
    "wrong top-up": (
        "PATCH",
        "auto_top_up?request_id=",
        {"payment_method": "payment_methods/CANARY"},
        400,
    ),
    "wrong usage: page": ("GET", "usage?page_token=", None, 400),
    "wrong usage: key": ("GET", "usage?api_keys=", None, 400),
    "usage of a model": ("GET", "usage:summarize?models=", None, 200),
    "wrong statement": ("GET", "statements/CANARY?format=", None, 400),
    "wrong transactions": ("GET", "transactions?page_token=", None, 400),
    "wrong quote": ("POST", "generations:quote?", {"spec": {**SPEC, "quote_token": "CANARY"}}, 400),
    "forged quote": ("POST", "generations?", {"spec": {**SPEC, "quote_token": "rq_CANARY"}}, 400),
}
"""What is refused, or reads nothing, and how."""


class Customer:
    """An account and its operator. *http* asks the gateway; answers are compared by their calls."""

    def __init__(self, gateway: Gateway, canaries: Canaries, http: httpx.AsyncClient) -> None:
        self._gateway = gateway
        self.canaries = canaries
        self._http = http
        _, key = gateway.account("1000")
        self._own = Maker(canaries, key)
        self._operators = Maker(canaries, gateway.demo["admin_token"])
        self.strangers: dict[str, set[str]] = {}
        self.statuses: dict[str, int] = {}
        self.key = key

    async def everything(self) -> None:
        """All of it, one call after the other."""
        await self._buy()
        await self._top_up()
        await self._redeem()
        await self._quote()
        await self._limit()
        for name, (method, path, fields, status) in WRONG.items():
            await self.ask(name, method, path, fields, status)
        for path in ("billing_status", "payments", "payment_methods", "statements", "transactions"):
            await self.ask(path, "GET", f"{path}?")
        for path in ("ledger_entries", "ledger_seals", "usage", "usage:summarize", "budgets"):
            await self.ask(path, "GET", f"{path}?")

    async def told(self, receiver: Receiver, *kinds: str) -> None:
        """Compare what webhooks said, once these kinds of notices are among it."""
        async with asyncio.timeout(SECONDS):
            while any(kind.encode() not in _all(receiver) for kind in kinds):
                await asyncio.sleep(0.1)
        if words := self.canaries.words_in(_all(receiver)):
            self.strangers["a webhook"] = self.canaries.where(words)

    async def ask(
        self,
        name: str,
        method: str,
        path: str,
        fields: Mapping[str, Any] | None = None,
        status: int = 200,
        *,
        operator: bool = False,
    ) -> Any:
        """One call below /api/v1; every CANARY, each header and an unfinished query is planted."""
        maker = self._operators if operator else self._own
        text = "" if fields is None else json.dumps(fields)
        asked = maker.make(name, as_text("application/json", text), f"/api/v1/{path}", method)
        answer = await self._http.request(
            asked.method, asked.path, headers=asked.headers, content=asked.content
        )
        self._compare(name, answer, asked.own)
        assert answer.status_code == status, (name, answer.text)
        return answer.json()

    def _compare(self, name: str, answer: httpx.Response, own: frozenset[str]) -> None:
        words = self.canaries.words_in(repr(answer.headers.raw).encode() + answer.content) - own
        if words:
            self.strangers[name] = self.canaries.where(words)
        self.statuses[name] = answer.status_code

    # ---- Stripe

    async def _buy(self) -> None:
        """On a page, with a card that says no and one that pays; Stripe tells all it was told."""
        for card, state in (("declined", "STATE_OPEN"), ("visa", "STATE_PAID")):
            wanted = {**PURCHASE, "request_id": "CANARY"}
            for uri in ("success_uri", "cancel_uri"):
                wanted[uri] = f"{self._gateway.rest}/{uri}/CANARY?{uri}=CANARY#CANARY"
            made = await self.ask(f"checkout, {card}", "POST", "checkout_sessions?", wanted)
            page = made["checkout_session"]
            self.canaries.guard("a payment page", urlsplit(page["uri"]).path)
            typed = {"card": card, "email": f"{self.canaries.plant('payer')}@example.com"}
            await self._http.post(page["uri"], data=typed)
            await self._until(f"{page['name']}?", "checkout_session", "state", state)
        await self._until("payments?", "payments", "invoice_uri")
        found = (await self.ask("the payment", "GET", "payments?"))["payments"]
        paid = next(each for each in found if each["invoice_uri"])
        self.canaries.guard("an invoice's link", urlsplit(paid["invoice_uri"]).path)
        self.canaries.guard("a receipt's link", urlsplit(paid["receipt_uri"]).path)
        await self._hear()

    async def _hear(self) -> None:
        """Events as Stripe sends them, with all that its objects hold, and such as nobody signed."""
        stripe = f"{self._gateway.demo['simulator_url']}/_stripe"
        objects = (await self._http.get(f"{stripe}/objects")).content
        told = {self.canaries.fields[word] for word in self.canaries.words_in(objects)}
        assert any("success_uri" in field for field in told), "Stripe knows where pages return"
        assert "payer" in told, "and who paid"
        deliveries = (await self._http.get(f"{stripe}/deliveries")).json()["deliveries"]
        assert {each["status"] for each in deliveries} == {200}
        for each in {each["event"]: each for each in deliveries}.values():
            for manner, status in (("genuine", 200), ("stale", 400), ("forged", 400)):
                answer = await self._http.post(
                    f"{stripe}/events/{each['event']}/deliver", json={"manner": manner}
                )
                assert answer.json() == {"status": status}
        for name, signature in (("event", "t=1,v1=CANARY"), ("event of nobody", "CANARY")):
            body = as_text("application/json", json.dumps({"CANARY": {"CANARY": "CANARY"}}))
            headers = {"stripe-signature": signature}
            asked = self._own.make(name, body, "/webhooks/stripe", headers=headers)
            answer = await self._http.post(asked.path, headers=asked.headers, content=asked.content)
            self._compare(name, answer, asked.own)

    async def _top_up(self) -> None:
        """The saved card buys by itself; then it is forgotten."""
        settings = {
            "enabled": True,
            "threshold_micros": str(2 * AMOUNT),
            "amount_micros": str(AMOUNT),
            "monthly_limit_micros": str(AMOUNT),
        }
        await self.ask("top-up", "PATCH", "auto_top_up?request_id=", settings)
        await self._until("auto_top_up?", "auto_top_up", "month_micros", str(AMOUNT))
        (card,) = (await self.ask("cards", "GET", "payment_methods?"))["payment_methods"]
        await self.ask("forget", "DELETE", f"{card['name']}?request_id=")
        low = {"threshold_micros": str(100 * AMOUNT)}  # now nothing buys, and a notice is made
        await self.ask("top-up, changed", "PATCH", "auto_top_up?request_id=", low)

    # ---- the rest

    async def _redeem(self) -> None:
        wanted = {"credited_micros": "7000", "display_name": "CANARY"}
        path = "admin/promo_codes?request_id="
        made = await self.ask("code", "POST", path, wanted, operator=True)
        code, name = made["code"], made["promo_code"]["name"]
        self.canaries.guard("a promotional code", code)
        self.canaries.guard("a promotional code, read", code.replace("-", ""))
        typed = {"code": code.lower(), "request_id": "CANARY"}
        await self.ask("redeem", "POST", "promo_codes:redeem?", typed)
        await self.ask("redeem again", "POST", "promo_codes:redeem?", typed, 409)
        stop = {"request_id": "CANARY"}
        await self.ask("stop", "POST", f"admin/{name}:disable?", stop, operator=True)

    async def _quote(self) -> None:
        """In both dialects and in JSON; each is used, and used again in vain."""
        wanted = {"model": MODEL, "prompt": "CANARY", "user": "CANARY"}
        first = (await self.ask("quote", "POST", "quotes", wanted))["quote_token"]
        second = (await self.ask("quote in JSON", "POST", "generations:quote?", {"spec": SPEC}))[
            "quote_token"
        ]
        for token in (first, second):
            self.canaries.guard("a quote's token", token[:_MAC])
        for status in (200, 400):
            await self._paint(f"quoted, {status}", first, status)
            spec = {**SPEC, "quote_token": second, "request_id": "CANARY"}
            name = f"quoted in JSON, {status}"
            made = await self.ask(name, "POST", "generations?", {"spec": spec}, status)
            if status == 200:
                path = f"{made['generation']['name']}/receipt?"
                await self._until(f"{made['generation']['name']}?", "generation", "end_time")
                await self.ask("receipt", "GET", path)

    async def _paint(self, name: str, token: str, status: int) -> None:
        asked = self._own.make(name, as_json(), headers={"x-reapi-quote": token})
        answer = await self._http.post(asked.path, headers=asked.headers, content=asked.content)
        self._compare(name, answer, asked.own)
        assert answer.status_code == status, (name, answer.text)

    async def _limit(self) -> None:
        """A key with a name and a budget whose alert is told to webhooks."""
        wanted = {"display_name": "CANARY", "allowed_models": [MODEL]}
        made = await self.ask(f"{NAME}, made", "POST", "api_keys?request_id=", wanted)
        key = made["api_key"]["name"]
        self.canaries.guard("a key", made["secret"].split("_")[3])
        await self.ask(
            f"{NAME}, changed", "PATCH", f"{key}?request_id=", {"display_name": "CANARY"}
        )
        limit = {
            "api_key": key,
            "period": "PERIOD_DAY",
            "limit_micros": "10000",
            "alert_percents": [1, 50],
        }
        made_budget = await self.ask("budget", "POST", "budgets?request_id=", limit)
        budget = made_budget["budget"]["name"]
        maker = Maker(self.canaries, made["secret"])
        for name, status in (("within a budget", 200), ("beyond a budget", 429)):
            asked = maker.make(name, as_json())
            answer = await self._http.post(asked.path, headers=asked.headers, content=asked.content)
            self._compare(name, answer, asked.own)
            assert answer.status_code == status, answer.text
        await self.ask("budget, stale", "PATCH", f"{budget}?", {"etag": "CANARY"}, 409)
        wider = {"limit_micros": "20000"}
        await self.ask("budget, changed", "PATCH", f"{budget}?request_id=", wider)
        await self.ask("budget, gone", "DELETE", f"{budget}?request_id=")
        await self.ask("revoked", "POST", f"{key}:revoke?", {"request_id": "CANARY"})

    async def _until(self, path: str, message: str, field: str, value: str = "") -> None:
        """Read until a field of what is found has *value*, or any."""

        def is_there(found: Any) -> bool:
            items = found if isinstance(found, list) else [found]
            return any(item.get(field) == value if value else item.get(field) for item in items)

        await eventually(self.ask, path, lambda found: is_there(found[message]))


def _all(receiver: Receiver) -> bytes:
    return b"".join(head + body for head, body in receiver.received)


async def eventually(ask: Any, path: str, check: Callable[[Any], bool]) -> None:
    """Ask until the answer is as it should be."""
    async with asyncio.timeout(SECONDS):
        while not check(await ask(f"until {path}", "GET", path)):
            await asyncio.sleep(0.1)
