"""Buying credits, end to end: the gateway, its REST, and the simulated Stripe with its pages."""

import asyncio
from contextlib import ExitStack
from typing import Any
from uuid import uuid4

import httpx
import pytest

from billing.checkout import MAXIMUM_OPEN
from tests.patience import wait_until

pytestmark = pytest.mark.prove


PACK = {"credit_pack": "credit_packs/starter"}
PRICE = 5_000_000
IMAGE = 7_000
"""Micro-dollars of one image of `gpt-image-2`."""
SECONDS = 20.0


class Account:
    """A new account, as its owner uses it."""

    def __init__(self, gateway: Any) -> None:
        self.gateway = gateway
        self.id, self.key = gateway.account()
        self.http = httpx.Client(
            base_url=gateway.rest, headers=gateway.headers(self.key), timeout=60
        )
        self.stripe = httpx.Client(
            base_url=f"{gateway.demo['simulator_url']}/_stripe", timeout=SECONDS
        )

    def ask(self, method: str, path: str, status: int = 200, **body: Any) -> Any:
        answer = self.http.request(method, f"/api/v1/{path}", json=body or None)
        assert answer.status_code == status, answer.text
        return answer.json()

    def control(self, method: str, path: str, /, **body: Any) -> Any:
        answer = self.stripe.request(method, path, json=body or None)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def checkout(self, **wanted: Any) -> Any:
        return self.ask("POST", "checkout_sessions", **wanted)["checkout_session"]

    def pay(self, page: Any, card: str = "visa", *, authenticate: bool = False) -> None:
        """What a browser does on the page."""
        session = page["uri"].rsplit("/", 1)[-1].split("#")[0]
        if authenticate:
            assert self.control("POST", f"sessions/{session}/pay", card=card, authenticate=True)
            return
        answer = httpx.post(page["uri"], data={"card": card}, timeout=SECONDS)
        assert answer.status_code == 303, answer.text

    def read(self, page: Any) -> Any:
        return self.ask("GET", page["name"])["checkout_session"]

    def buy(self, **wanted: Any) -> Any:
        page = self.checkout(**(wanted or PACK))
        self.pay(page)
        return self.read(page)

    @property
    def status(self) -> Any:
        return self.ask("GET", "billing_status")

    @property
    def balance(self) -> int:
        return int(self.status.get("balance_micros", 0))

    @property
    def payments(self) -> list[Any]:
        found: list[Any] = self.ask("GET", "payments").get("payments", [])
        return found

    @property
    def charges(self) -> list[Any]:
        """The payments of this account at Stripe."""
        return [
            found
            for found in self.control("GET", "objects")["payment_intent"]
            if found["metadata"].get("reapi_account") == self.id
        ]

    def top_up(self, **settings: Any) -> Any:
        settings = {
            "enabled": True,
            "threshold_micros": str(PRICE - IMAGE),
            "amount_micros": str(PRICE),
            "monthly_limit_micros": str(10 * PRICE),
            **settings,
        }
        return self.ask("PATCH", "auto_top_up", **settings)["auto_top_up"]

    @property
    def auto(self) -> Any:
        return self.ask("GET", "auto_top_up")["auto_top_up"]

    def generate(self) -> httpx.Response:
        body = {"model": "gpt-image-2", "prompt": "a boat"}
        return self.http.post("/v1/images/generations", json=body)


@pytest.fixture
def accounts(gateway):
    """What makes accounts."""
    with ExitStack() as stack:

        def make() -> Account:
            made = Account(gateway)
            stack.enter_context(made.http)
            stack.enter_context(made.stripe)
            return made

        yield make


@pytest.fixture
def account(accounts):
    made = accounts()
    yield made
    made.control("DELETE", "faults")


def test_packs_are_listed_with_their_prices_cheapest_first(account) -> None:
    packs = account.ask("GET", "credit_packs")["credit_packs"]

    assert packs[0] == {
        "name": "credit_packs/starter",
        "display_name": "5,000 credits",
        "price_micros": "5000000",
        "currency_code": "USD",
        "credited_micros": "5000000",
    }
    prices = [int(pack["price_micros"]) for pack in packs]
    assert prices == sorted(prices)
    paged = account.ask("GET", "credit_packs?page_size=1")
    token = paged["next_page_token"]
    second = account.ask("GET", f"credit_packs?page_size=1&page_token={token}")["credit_packs"]
    assert [*paged["credit_packs"], *second] == packs[:2]


def test_a_pack_that_is_paid_on_the_page_is_credited_once_with_invoice_and_receipt(account) -> None:
    page = account.checkout(**PACK)
    assert (page["state"], page["price_micros"]) == ("STATE_OPEN", "5000000")
    assert account.read(page)["uri"] == page["uri"]
    account.pay(page)

    wait_until(lambda: account.read(page)["state"] == "STATE_PAID", SECONDS)
    paid = [account.read(page) for _ in range(3)][-1]

    assert paid["state"] == "STATE_PAID"
    assert "uri" not in paid or not paid["uri"]
    assert account.balance == PRICE
    (payment,) = account.payments
    assert payment["name"] == paid["payment"]
    wait_until(lambda: account.ask("GET", payment["name"])["payment"].get("invoice_uri"), SECONDS)
    found = account.ask("GET", payment["name"])["payment"]
    assert found["state"] == "STATE_SUCCEEDED"
    assert found["origin"] == "ORIGIN_CHECKOUT"
    assert found["product"] == "5,000 credits"
    assert (found["paid_micros"], found["currency_code"]) == ("5000000", "USD")
    assert found["stripe_customer"].startswith("cus_")
    assert found["stripe_invoice"].startswith("in_")
    for link in (found["invoice_uri"], found["receipt_uri"]):
        assert httpx.get(link, timeout=SECONDS).status_code == 200
    assert account.balance == PRICE


def test_a_payment_is_credited_by_the_webhook_alone(account) -> None:
    account.pay(account.checkout(amount_micros="12340000"))

    wait_until(lambda: account.balance == 12_340_000, SECONDS)

    assert account.payments[0]["product"] == "Credits"


@pytest.mark.parametrize("amount", ["4990000", "5000001", "10000010000", "-5000000"])
def test_amounts_that_are_not_sold_are_refused(account, amount) -> None:
    refused = account.ask("POST", "checkout_sessions", 400, amount_micros=amount)

    assert "amount_micros" in refused["error"]["message"]


def test_unknown_packs_foreign_pages_and_foreign_checkouts_are_refused(account, accounts) -> None:
    account.ask("POST", "checkout_sessions", 404, credit_pack="credit_packs/none")
    account.ask("POST", "checkout_sessions", 400)
    for uri in (
        "https://evil.example/",
        "javascript:alert(1)",
        f"{account.gateway.rest}@evil.example/",
    ):
        account.ask("POST", "checkout_sessions", 400, **PACK, success_uri=uri)
    home = f"{account.gateway.rest}/billing?paid=1"
    page = account.checkout(**PACK, success_uri=home)
    accounts().ask("GET", page["name"], 404)
    accounts().ask("GET", f"payments/{uuid4().hex}", 404)


def test_the_same_request_opens_one_page_and_another_under_its_id_is_refused(account) -> None:
    first, again = (account.checkout(**PACK, request_id="r1") for _ in range(2))

    assert (first["name"], first["uri"]) == (again["name"], again["uri"])
    account.ask("POST", "checkout_sessions", 422, amount_micros="6000000", request_id="r1")
    assert account.checkout(**PACK, request_id="r2")["name"] != first["name"]


def test_who_opens_page_after_page_is_told_how_to_go_on(account) -> None:
    pages = [account.checkout(**PACK, request_id=f"r{number}") for number in range(MAXIMUM_OPEN)]

    refused = account.ask("POST", "checkout_sessions", 409, **PACK)["error"]

    assert refused["code"] == "conflict"
    assert "Pay one" in refused["message"]
    assert account.checkout(**PACK, request_id="r0")["uri"] == pages[0]["uri"]
    account.pay(pages[0])
    wait_until(lambda: account.balance == PRICE, SECONDS)
    assert account.checkout(**PACK)["uri"]


def test_while_stripe_is_away_it_says_so_and_nothing_is_made_twice_when_it_is_back(account) -> None:
    account.control(
        "POST",
        "faults",
        kind="reset",
        path="/v1/checkout/sessions",
        method="POST",
        done=True,
        times=6,
    )
    for _ in range(2):
        answer = account.http.post("/api/v1/checkout_sessions", json={**PACK, "request_id": "r1"})
        assert answer.status_code == 503, answer.text
        assert answer.json()["error"]["code"] == "payment_service_away"
        assert int(answer.headers["retry-after"]) > 0

    page = account.checkout(**PACK, request_id="r1")

    objects = account.control("GET", "objects")
    ours = [
        found
        for found in objects["checkout.session"]
        if found["metadata"].get("reapi_account") == account.id
    ]
    assert len(ours) == 1
    customers = [c for c in objects["customer"] if c["metadata"].get("reapi_account") == account.id]
    assert len(customers) == 1
    account.pay(page)
    assert account.read(page)["state"] == "STATE_PAID"
    assert account.balance == PRICE


def test_a_saved_card_is_listed_charged_once_below_the_threshold_and_forgotten(account) -> None:
    account.buy(**PACK, save_payment_method=True)
    (card,) = account.ask("GET", "payment_methods")["payment_methods"]
    assert (card["brand"], card["last_four"], card["preferred"]) == ("visa", "4242", True)
    assert account.top_up(threshold_micros=str(PRICE - 10 * IMAGE))["enabled"] is True

    async def spend() -> list[int]:
        limits = httpx.Limits(max_connections=50)
        async with httpx.AsyncClient(
            base_url=account.gateway.rest, headers=account.http.headers, timeout=60, limits=limits
        ) as client:
            body = {"model": "gpt-image-2", "prompt": "a boat"}
            asked = [client.post("/v1/images/generations", json=body) for _ in range(50)]
            return [answer.status_code for answer in await asyncio.gather(*asked)]

    assert asyncio.run(spend()) == [200] * 50
    wait_until(lambda: account.balance > PRICE, SECONDS)

    assert account.balance == 2 * PRICE - 50 * IMAGE
    assert sorted(payment["origin"] for payment in account.payments) == [
        "ORIGIN_AUTO_TOP_UP",
        "ORIGIN_CHECKOUT",
    ]
    assert len(account.charges) == 2
    wait_until(lambda: account.auto.get("month_micros") == str(PRICE), SECONDS)
    account.ask("DELETE", card["name"])
    assert account.ask("GET", "payment_methods").get("payment_methods", []) == []
    assert (account.auto["enabled"], account.auto["failure_code"]) == (False, "no_payment_method")
    account.ask("DELETE", card["name"], 404)


def test_a_card_whose_deletion_broke_off_is_forgotten_by_the_repeat(account) -> None:
    account.buy(**PACK, save_payment_method=True)
    assert account.top_up(threshold_micros="1")["enabled"] is True
    (card,) = account.ask("GET", "payment_methods")["payment_methods"]
    path = f"/v1/payment_methods/{card['name'].partition('/')[2]}/detach"
    account.control("POST", "faults", kind="reset", path=path, method="POST", done=True, times=3)
    again = f"{card['name']}?request_id=r1"
    account.ask("DELETE", again, 503)
    assert (account.auto["enabled"], account.auto["failure_code"]) == (False, "no_payment_method")
    account.control("DELETE", "faults")

    for _ in range(2):
        account.ask("DELETE", again)

    assert account.ask("GET", "payment_methods").get("payment_methods", []) == []
    account.ask("DELETE", f"{card['name']}?request_id=r2", 404)


def test_the_monthly_limit_ends_it_however_low_the_balance_is(account) -> None:
    account.buy(**PACK, save_payment_method=True)
    account.top_up(threshold_micros=str(100 * PRICE), monthly_limit_micros=str(PRICE))
    wait_until(lambda: account.balance == 2 * PRICE, SECONDS)
    with account.gateway.database() as rows:
        rows.execute("UPDATE top_up SET minute = minute - 1")

    seen = len(account.charges)
    account.generate()
    wait_until(lambda: account.balance == 2 * PRICE - IMAGE, SECONDS)
    asyncio.run(asyncio.sleep(2.5))  # a look of the loop, which finds nothing to do

    assert (len(account.charges), seen) == (2, 2)
    assert account.auto["enabled"] is True


def test_a_card_that_wants_its_owner_turns_it_off_and_says_why(account) -> None:
    page = account.checkout(**PACK, save_payment_method=True)
    account.pay(page, "authentication_always", authenticate=True)
    assert account.read(page)["state"] == "STATE_PAID"
    account.top_up(threshold_micros=str(2 * PRICE))

    wait_until(lambda: account.auto.get("failure_code"), SECONDS)

    assert account.auto["failure_code"] == "authentication_required"
    assert account.auto["enabled"] is False
    assert account.balance == PRICE
    wait_until(lambda: len(account.payments) == 2, SECONDS)
    assert {payment["origin"]: payment["state"] for payment in account.payments} == {
        "ORIGIN_CHECKOUT": "STATE_SUCCEEDED",
        "ORIGIN_AUTO_TOP_UP": "STATE_FAILED",
    }


def test_auto_top_up_needs_a_card_sound_amounts_and_the_current_etag(account) -> None:
    refused = account.ask("PATCH", "auto_top_up", 400, enabled=True, threshold_micros="1")
    assert refused["error"]["param"].startswith("auto_top_up.")
    sound = {
        "threshold_micros": "1",
        "amount_micros": str(PRICE),
        "monthly_limit_micros": str(PRICE),
    }
    refused = account.ask("PATCH", "auto_top_up", 400, enabled=True, **sound)
    assert "saved card" in refused["error"]["message"]
    off = account.ask("PATCH", "auto_top_up", **sound)["auto_top_up"]
    assert off.get("enabled", False) is False
    account.ask("PATCH", "auto_top_up", **sound, etag=off["etag"])
    stale = account.http.patch("/api/v1/auto_top_up", json={**sound, "etag": off["etag"]})
    assert stale.status_code == 409, stale.text
    account.buy(**PACK, save_payment_method=True)
    account.ask("PATCH", "auto_top_up", 400, payment_method="payment_methods/pm_none", enabled=True)
    assert account.top_up()["enabled"] is True
    off = account.ask("PATCH", "auto_top_up?update_mask=enabled", enabled=False)["auto_top_up"]
    assert off.get("enabled", False) is False


def test_a_debt_blocks_spending_and_the_next_payment_pays_it(account) -> None:
    account.buy()
    assert account.generate().status_code == 200
    account.control("POST", "refunds", payment=account.charges[0]["id"])
    wait_until(lambda: int(account.status.get("debt_micros", 0)) == IMAGE, SECONDS)

    refused = account.generate()
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "account_in_debt"
    account.buy()

    assert account.balance == PRICE - IMAGE
    assert int(account.status.get("debt_micros", 0)) == 0
    assert account.generate().status_code == 200


def test_a_promotional_code_gives_each_account_its_credits_once(account, accounts) -> None:
    admin = account.gateway.headers(account.gateway.demo["admin_token"])
    with httpx.Client(base_url=account.gateway.rest, headers=admin, timeout=SECONDS) as operator:
        wanted = {"display_name": "spring", "credited_micros": "3000000", "redemption_limit": 2}
        made = operator.post("/api/v1/admin/promo_codes", json=wanted).json()
        name, code = made["promo_code"]["name"], made["code"].lower().replace("-", " ")

        given = account.ask("POST", "promo_codes:redeem", code=code, request_id="r1")
        again = account.ask("POST", "promo_codes:redeem", code=code, request_id="r1")
        assert given["transaction"] == again["transaction"]
        assert given["transaction"]["kind"] == "TRANSACTION_KIND_PROMOTION"
        assert given["transaction"]["balance_micros"] == "3000000"
        account.ask("POST", "promo_codes:redeem", 409, code=code)
        accounts().ask("POST", "promo_codes:redeem", code=code)
        last = accounts()
        last.ask("POST", "promo_codes:redeem", 409, code=code)
        assert operator.post(f"/api/v1/admin/{name}:disable", json={}).json()["promo_code"][
            "disabled"
        ]
        last.ask("POST", "promo_codes:redeem", 404, code=code)
        (found, *_) = operator.get("/api/v1/admin/promo_codes").json()["promo_codes"]
    assert (found["display_name"], found["redemption_count"]) == ("spring", 2)
    assert account.balance == 3_000_000
