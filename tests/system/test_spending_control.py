"""Money, budgets and allow-lists say no: in the words of each, once, and nobody is asked upstream."""

import asyncio
from collections import Counter

import httpx
import openai
import pytest
from openai import OpenAI

from tests import books
from tests.traffic import traffic

pytestmark = pytest.mark.prove

PRICE = 7
MICROS = PRICE * 1000
BUSY_MS = 300
ONLY = {"x-reapi-routing": "only=openai-a"}
"""One channel, so that an attempt is a call."""


class Owner:
    """An account with credits: its first key manages, others spend."""

    def __init__(self, gateway, credits_="1000"):
        self.gateway = gateway
        self.account, self.key = gateway.account(credits_)

    def ask(self, method, path, body=None, status=200):
        url = f"{self.gateway.rest}/api/v1/{path}"
        headers = self.gateway.headers(self.key)
        answer = httpx.request(method, url, json=body, headers=headers, timeout=20)
        assert answer.status_code == status, answer.text
        return answer.json()

    def new_key(self, **settings):
        """A key that spends: its name and its text."""
        made = self.ask("POST", "api_keys", settings)
        return made["api_key"]["name"], made["secret"]

    def budget(self, period, images, key=""):
        body = {"period": period, "limit_micros": str(images * MICROS), "api_key": key}
        return self.ask("POST", "budgets", body)["budget"]

    def paint(self, key, model="gpt-image-2"):
        """Ask as programs do, with the SDK and its retries."""
        with OpenAI(
            base_url=self.gateway.v1, api_key=key, max_retries=2, default_headers=ONLY
        ) as client:
            return client.images.with_raw_response.generate(model=model, prompt="a lighthouse")


@pytest.fixture
def owner(gateway):
    return Owner(gateway)


def calls(gateway):
    return gateway.calls().get("openai-a", 0)


def assert_refused(owner, key, status, type_, code, model="gpt-image-2"):
    """The SDK hears it, does not try again, and nothing went upstream."""
    before, held = calls(owner.gateway), owner.gateway.balance(owner.key)
    with pytest.raises(openai.APIStatusError) as refused:
        owner.paint(key, model)
    error = refused.value
    assert (error.status_code, error.type, error.code) == (status, type_, code)
    if status == 429:
        assert error.response.headers["x-should-retry"] == "false"
        assert "retry-after" not in error.response.headers
    assert error.request.headers["x-stainless-retry-count"] == "0"
    assert calls(owner.gateway) == before
    assert owner.gateway.balance(owner.key) == held
    with owner.gateway.database() as connection:
        books.assert_right(connection)
    return error.body


def test_without_credits_nothing_is_asked_upstream(gateway):
    poor = Owner(gateway, str(PRICE - 1))

    body = assert_refused(poor, poor.key, 429, "insufficient_quota", "insufficient_quota")
    assert "credits" in body["message"]


@pytest.mark.parametrize(
    ("period", "of_key", "words"),
    [
        ("PERIOD_DAY", True, "key/day"),
        ("PERIOD_MONTH", True, "key/month"),
        ("PERIOD_TOTAL", False, "account/total"),
    ],
)
def test_a_budget_that_is_spent_refuses_those_that_it_is_about(owner, period, of_key, words):
    name, key = owner.new_key()
    _, other = owner.new_key()
    budget = owner.budget(period, 1, name if of_key else "")
    path = budget["name"]

    assert owner.paint(key).headers["x-reapi-credits"] == str(PRICE)
    spent = owner.ask("GET", path)["budget"]
    assert (spent["spent_micros"], spent["held_micros"]) == (str(MICROS), "0")
    body = assert_refused(owner, key, 429, "insufficient_quota", "budget_exceeded")
    assert words in body["message"]
    if of_key:
        assert owner.paint(other).status_code == 200
    else:
        assert_refused(owner, other, 429, "insufficient_quota", "budget_exceeded")

    owner.ask("PATCH", path, {"limit_micros": str(2 * MICROS)})
    assert owner.paint(key).status_code == 200, "a raised limit holds at once"
    assert_refused(owner, key, 429, "insufficient_quota", "budget_exceeded")
    owner.ask("DELETE", path)
    assert owner.paint(key).status_code == 200


def test_the_tightest_budget_decides(owner):
    name, key = owner.new_key()
    owner.budget("PERIOD_TOTAL", 5)
    tight = owner.budget("PERIOD_DAY", 1, name)
    owner.paint(key)
    assert_refused(owner, key, 429, "insufficient_quota", "budget_exceeded")

    owner.ask("DELETE", tight["name"])
    for _ in range(4):
        owner.paint(key)
    assert_refused(owner, key, 429, "insufficient_quota", "budget_exceeded")


def test_what_fails_gives_its_part_of_the_budget_back(owner, gateway):
    name, key = owner.new_key()
    budget = owner.budget("PERIOD_DAY", 1, name)
    gateway.fault("openai-a", kind="status", status=400, times=1)
    with pytest.raises(openai.BadRequestError):
        owner.paint(key)

    left = owner.ask("GET", budget["name"])["budget"]
    assert (left["spent_micros"], left["held_micros"]) == ("0", "0")
    assert owner.paint(key).status_code == 200


def test_a_key_uses_only_the_models_that_it_may(owner):
    name, key = owner.new_key(allowed_models=["seedream-5.0-lite"])

    body = assert_refused(owner, key, 403, "invalid_request_error", "model_not_allowed")
    assert body["param"] == "model"
    owner.ask("PATCH", name, {"allowed_models": ["gpt-image-2"]})
    assert owner.paint(key).status_code == 200
    assert owner.paint(owner.key).status_code == 200, "a key without a list uses all"


def test_the_task_dialect_hears_the_same_refusals(owner, gateway):
    name, key = owner.new_key()
    owner.budget("PERIOD_DAY", 1, name)
    owner.paint(key)
    before = calls(gateway)
    answer = httpx.post(
        f"{gateway.rest}/api/v1/images/generations",
        json={"model": "gpt-image-2", "prompt": "a lighthouse"},
        headers={**gateway.headers(key), **ONLY},
        timeout=20,
    )

    assert (answer.status_code, answer.headers["x-should-retry"]) == (429, "false")
    assert answer.json()["error"]["code"] == "budget_exceeded"
    assert calls(gateway) == before


def test_another_accounts_budgets_and_keys_are_not_there(owner, gateway):
    other = Owner(gateway)
    name, _ = owner.new_key()
    budget = owner.budget("PERIOD_DAY", 1, name)["name"]
    for method, path, body in (
        ("GET", name, None),
        ("PATCH", name, {}),
        ("POST", f"{name}:revoke", {}),
        ("GET", budget, None),
        ("PATCH", budget, {}),
        ("DELETE", budget, None),
    ):
        answer = other.ask(method, path, body, status=404)
        assert answer["error"]["code"] == "not_found"
    theirs = {"period": "PERIOD_DAY", "limit_micros": "1", "api_key": name}
    other.ask("POST", "budgets", theirs, status=404)
    assert other.ask("GET", f"budgets?api_key={name}")["budgets"] == []
    assert owner.ask("GET", budget)["budget"]["name"] == budget


async def test_of_fifty_requests_at_once_a_budget_for_five_serves_five(owner, gateway):
    name, key = owner.new_key()
    budget = owner.budget("PERIOD_MONTH", 5, name)
    gateway.settings(image="tiny", latency_ms=BUSY_MS)
    before = calls(gateway)
    async with traffic(gateway.rest, key) as client:
        replies = await asyncio.gather(*(client.generate(headers=ONLY) for _ in range(50)))

    assert Counter((reply.status, reply.code) for reply in replies) == {
        (200, None): 5,
        (429, "budget_exceeded"): 45,
    }
    assert {reply.headers["x-should-retry"] for reply in replies if reply.status == 429} == {
        "false"
    }
    assert calls(gateway) == before + 5
    spent = owner.ask("GET", budget["name"])["budget"]
    assert (spent["spent_micros"], spent["held_micros"]) == (str(5 * MICROS), "0")
    with gateway.database() as connection:
        books.assert_right(connection)
        assert books.states(connection, owner.account) == {"succeeded": 5}
