"""What users read about their money agrees, to the micro: usage, movements, statements, balance."""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.fix_gateway import Gateway

MICROS = 1_000
SECONDS = 20.0
IMAGE, OTHER = "gpt-image-2", "seedream-5.0-lite"
EVERY = {"group_by": ["GROUPING_MODEL", "GROUPING_API_KEY", "GROUPING_DAY"]}


YEAR_ONE = "MDAwMS0wMS0wMVQwMDowMDowMCswMDowMHx8MHx8p6CTFb7ms3Y="
"""A page token of sums of all, well made, that begins in the year 1."""


class User:
    """An account that does something and reads its books."""

    def __init__(self, gateway: Gateway, credits_: str) -> None:
        self.id, self.key = gateway.account(credits_)
        self.client = httpx.Client(
            base_url=gateway.rest, headers=gateway.headers(self.key), timeout=SECONDS
        )

    def generate(self, model: str = IMAGE, **fields: Any) -> httpx.Response:
        body = {"model": model, "prompt": "x", **fields}
        return self.client.post("/v1/images/generations", json=body)

    def get(self, path: str, **query: Any) -> Any:
        answer = self.client.get(f"/api/v1/{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def error(self, path: str, **query: Any) -> tuple[int, str]:
        answer = self.client.get(f"/api/v1/{path}", params=query)
        return answer.status_code, answer.json()["error"]["code"]

    def pages(self, path: str, field: str, size: int = 2, **query: Any) -> list[dict[str, Any]]:
        """All items, page by page."""
        found, token = [], ""
        while True:
            page = self.get(path, page_size=size, page_token=token, **query)
            found += page[field]
            token = page["next_page_token"]
            if not token:
                return found


@pytest.fixture
def user(gateway: Gateway) -> Iterator[User]:
    """One with two models' successes, a failure, two refusals and two grants."""
    made = User(gateway, "1000")
    with made.client:
        for model in (IMAGE, IMAGE, OTHER):
            assert made.generate(model).status_code == 200
        gateway.fault("openai-a", kind="status", status=400, times=1)
        assert made.generate().status_code == 400
        assert made.generate("nothing").status_code in {400, 404}
        assert made.generate(size="7x7").status_code == 400
        admin = gateway.headers(gateway.demo["admin_token"])
        granted = httpx.post(
            f"{gateway.rest}/api/v1/admin/accounts/{made.id}:grant",
            json={"credits": "0.5", "request_id": "second"},
            headers=admin,
            timeout=SECONDS,
        )
        assert granted.status_code == 200, granted.text
        yield made


def test_usage_movements_statement_and_balance_agree(user: User) -> None:
    records = user.pages("usage", "records")
    (total,) = user.get("usage:summarize")["summaries"]
    groups = user.pages("usage:summarize", "summaries", size=1, **EVERY)
    moved = user.pages("transactions", "transactions")
    status = user.get("billing_status")
    (month,) = user.get("statements")["statements"]
    statement = user.get(month["name"])

    charged = sum(int(item["charged_micros"]) for item in records)
    assert Counter(item["state"] for item in records) == {
        "STATE_SUCCEEDED": 3,
        "STATE_FAILED": 1,
    }
    assert charged > 0
    assert int(total["charged_micros"]) == charged
    assert (total["request_count"], total["failed_count"]) == ("4", "1")
    assert sum(int(item["charged_micros"]) for item in groups) == charged
    assert {item["model"] for item in groups} == {IMAGE, OTHER}
    assert {item["api_key"] for item in groups} == {item["api_key"] for item in records}

    spent = -sum(
        int(item["posted_micros"]) for item in moved if item["kind"] == "TRANSACTION_KIND_SETTLE"
    )
    balance = sum(int(item["posted_micros"]) for item in moved)
    assert spent == charged
    assert int(status["balance_micros"]) == int(moved[0]["balance_micros"]) == balance
    assert int(status["available_micros"]) == balance == 1_000_500 - charged
    assert (status["held_micros"], status["debt_micros"]) == ("0", "0")
    assert sum(int(item["held_micros"]) for item in moved) == 0

    assert statement["statement"] == month
    assert (int(month["spent_micros"]), int(month["closing_micros"])) == (charged, balance)
    assert (month["opening_micros"], month["added_micros"]) == ("0", "1000500")
    assert (month["removed_micros"], month["final"]) == ("0", False)
    assert sum(int(line["amount_micros"]) for line in statement["lines"]) == balance
    by_model = {
        line["model"]: -int(line["amount_micros"]) for line in statement["lines"] if line["model"]
    }
    costs = Counter[str]()
    for item in records:
        costs[item["model"]] += int(item["charged_micros"])
    assert by_model == costs


def test_each_movement_names_its_generation_and_the_balance_after_it(user: User) -> None:
    records = {item["generation"]: item for item in user.pages("usage", "records")}
    moved = user.pages("transactions", "transactions")

    balance = 0
    for item in reversed(moved):
        balance += int(item["posted_micros"])
        assert int(item["balance_micros"]) == balance
    used = [item for item in moved if item["kind"] != "TRANSACTION_KIND_GRANT"]
    assert {item["generation"] for item in used} == set(records)
    for item in used:
        record = records[item["generation"]]
        if item["kind"] == "TRANSACTION_KIND_SETTLE":
            assert -int(item["posted_micros"]) == int(record["charged_micros"])
        if item["kind"] == "TRANSACTION_KIND_VOID":
            assert (record["state"], record["error_reason"]) == (
                "STATE_FAILED",
                "UPSTREAM_REJECTED",
            )
    grants = user.pages("transactions", "transactions", kinds="TRANSACTION_KIND_GRANT")
    assert [item["posted_micros"] for item in grants] == ["500", "1000000"]


def test_the_statement_as_csv_opens_and_adds_up(user: User) -> None:
    (month,) = user.get("statements")["statements"]
    found = user.get(month["name"], format="FORMAT_CSV")

    rows = list(csv.DictReader(io.StringIO(found["csv"], newline=""), strict=True))

    assert found["lines"] == []
    assert sum(int(row["amount_micros"]) for row in rows) == int(month["closing_micros"])
    assert Counter(row["kind"] for row in rows) == {"grant": 1, "settle": 2}
    assert {row["model"] for row in rows if row["kind"] == "settle"} == {IMAGE, OTHER}


def test_usage_tells_metadata_by_key_model_and_endpoint(user: User) -> None:
    answer = user.generate()
    newest = user.get("usage", page_size=1)["records"][0]

    assert newest["generation"].endswith(answer.headers["x-reapi-generation"][-32:])
    assert newest["http_request_id"] == answer.headers["x-request-id"]
    assert newest["endpoint"] == "/v1/images/generations"
    assert newest["channel"] == answer.headers["x-reapi-channel"]
    assert newest["kind"] == "KIND_IMAGE"
    assert newest["charged_micros"] == str(int(answer.headers["x-reapi-credits"]) * MICROS)
    key = newest["api_key"]
    assert user.key.split("_")[2] == key.removeprefix("api_keys/")
    failed = user.get("usage", states="STATE_FAILED", api_keys=key, models=IMAGE)["records"]
    assert [item["error_reason"] for item in failed] == ["UPSTREAM_REJECTED"]
    assert user.get("usage", end_time="2026-01-01T00:00:00Z")["records"] == []


def test_another_account_sees_nothing_of_it(gateway: Gateway, user: User) -> None:
    stranger = User(gateway, "0")
    token = user.get("usage", page_size=1)["next_page_token"]
    records = user.get("usage")["records"]
    with stranger.client:
        assert stranger.get("usage")["records"] == []
        assert stranger.get("usage", page_size=1, page_token=token)["records"] == []
        assert stranger.get("usage", api_keys=records[0]["api_key"])["records"] == []
        assert stranger.get("usage:summarize")["summaries"][0]["request_count"] == "0"
        assert stranger.get("transactions")["transactions"] == []
        assert stranger.get("statements")["statements"] == []
        month = f"statements/{datetime.now(UTC):%Y-%m}"
        assert stranger.error(month) == (404, "not_found")


def test_what_cannot_be_meant_is_refused_by_name(user: User) -> None:
    token = user.get("usage", page_size=1)["next_page_token"]
    bad = (400, "invalid_value")

    assert user.error("usage", page_token=token, page_size=1, models=IMAGE) == bad
    assert user.error("transactions", page_token=token) == bad
    assert user.error("usage", page_size=-1) == bad
    assert user.error("usage", api_keys="rk_live_x") == bad
    assert user.error("usage:summarize", group_by="GROUPING_UNSPECIFIED") == bad
    assert user.error("usage:summarize", page_token="forged") == bad
    assert user.error("usage:summarize", page_token=YEAR_ONE) == bad
    assert user.error("transactions", kinds="TRANSACTION_KIND_UNSPECIFIED") == bad
    for month in ("2026-13", "0000-01", "9999-12", "2026-1", "1999-01"):
        assert user.error(f"statements/{month}") == (404, "not_found")
    answer = httpx.get(f"{user.client.base_url}/api/v1/usage", timeout=SECONDS)
    assert answer.status_code == 401
