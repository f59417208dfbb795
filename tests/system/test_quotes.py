"""Binding quotes through a whole gateway: reAPI's dialect, OpenAI's, and transcoded JSON."""

import base64
import time

import httpx
import pytest

from tests import books
from tests.films import film
from tests.following_tasks import ended_task

pytestmark = pytest.mark.prove

QUOTES, IMAGES, VIDEOS = (
    "/api/v1/quotes",
    "/api/v1/images/generations",
    "/api/v1/videos/generations",
)
PICTURE = {"model": "gpt-image-2", "prompt": "a red square", "n": 2, "size": "1024x1024"}
PATIENCE = 20.0
"""Seconds after which a test that waits for something has failed."""


@pytest.fixture
def gateway(fronted):
    """Every test runs through the gateway's own bridge and through remote ones."""
    return fronted


@pytest.fixture
def customer(gateway):
    return gateway.account("100000")


@pytest.fixture
def http(gateway, customer):
    headers = gateway.headers(customer[1])
    with httpx.Client(base_url=gateway.rest, headers=headers, timeout=PATIENCE) as client:
        yield client


def quoted(http, **fields) -> dict[str, object]:
    answer = http.post(QUOTES, json=fields)
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def error(answer: httpx.Response) -> tuple[int, str, str | None]:
    told = answer.json()["error"]
    return answer.status_code, told["code"], told["param"]


def test_a_quoted_task_costs_what_was_quoted_and_only_once(http, gateway, customer):
    quote = quoted(http, **PICTURE)

    assert quote["maximum_credits"] == "14"
    assert 0 < quote["expires_at"] - time.time() <= 900
    assert "openai-a" in quote["likely_channels"]
    answer = http.post(IMAGES, json={**PICTURE, "quote_token": quote["quote_token"]})
    assert answer.status_code == 200, answer.text
    task = ended_task(http, answer.json()["id"], PATIENCE)
    calls = gateway.calls()
    again = http.post(IMAGES, json=PICTURE, headers={"x-reapi-quote": quote["quote_token"]})

    assert task["status"] == "completed"
    assert error(again) == (400, "quote_expired", None)
    assert gateway.calls() == calls
    assert http.get("/api/v1/balance").json() == {"credits": "99986", "held": "0"}
    with gateway.database() as connection:
        books.assert_right(connection)


def test_openais_dialect_carries_a_quote_through_failover(http, gateway):
    quote = quoted(http, **PICTURE)
    gateway.fault("openai-a", kind="status", status=500)
    answer = http.post(
        "/v1/images/generations", json=PICTURE, headers={"x-reapi-quote": quote["quote_token"]}
    )

    assert answer.status_code == 200, answer.text
    assert answer.headers["x-reapi-channel"] != "openai-a"
    assert answer.headers["x-reapi-credits"] == "14"


@pytest.mark.parametrize(
    ("change", "parameter"), [({"n": 3}, "n"), ({"size": "2048x2048"}, "size")]
)
def test_another_request_is_refused_by_its_field_and_nothing_is_asked(
    http, gateway, change, parameter
):
    token = quoted(http, **PICTURE)["quote_token"]
    calls = gateway.calls()
    body = {**PICTURE, **change, "quote_token": token}

    for url in (IMAGES, "/v1/images/generations"):
        assert error(http.post(url, json=body)) == (400, "quote_mismatch", parameter)
    assert gateway.calls() == calls
    assert http.get("/api/v1/balance").json() == {"credits": "100000", "held": "0"}


def test_the_length_of_a_source_is_probed_when_it_is_quoted_and_again_when_it_is_sent(
    http, gateway
):
    def enhancing(seconds: int) -> dict[str, object]:
        data = base64.b64encode(film(size=(320, 240), seconds=seconds)).decode()
        return {
            "model": "enhance-video-1.0",
            "video_urls": [f"data:video/mp4;base64,{data}"],
            "upscale_factor": "2",
        }

    quote = quoted(http, **enhancing(2))
    calls = gateway.calls()
    longer = http.post(VIDEOS, json={**enhancing(3), "quote_token": quote["quote_token"]})

    assert quote["maximum_credits"] == "180"
    assert error(longer)[:2] == (400, "quote_mismatch")
    assert gateway.calls() == calls
    same = http.post(VIDEOS, json={**enhancing(2), "quote_token": quote["quote_token"]})
    assert same.status_code == 200, same.text
    assert ended_task(http, same.json()["id"], PATIENCE)["status"] == "completed"


def test_the_contract_in_json_quotes_and_creates(http):
    spec = {"model": "gpt-image-2", "parameters": {"prompt": "a red square"}}
    quote = http.post("/api/v1/generations:quote", json={"spec": spec}).json()

    assert quote["maximum_micros"] == "7000"
    carried = {"spec": {**spec, "quote_token": quote["quote_token"]}}
    first = http.post("/api/v1/generations", json=carried)
    assert first.status_code == 200, first.text
    assert first.json()["generation"]["quoted_micros"] == "7000"
    assert error(http.post("/api/v1/generations", json=carried))[1] == "quote_expired"


def test_a_repeated_request_with_its_key_is_a_replay(http):
    token = quoted(http, **PICTURE)["quote_token"]
    body, headers = {**PICTURE, "quote_token": token}, {"idempotency-key": f"once-{token[-20:]}"}
    first, again = (http.post(IMAGES, json=body, headers=headers) for _ in range(2))

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json()["id"] == again.json()["id"]


def test_another_account_cannot_use_it(http, gateway):
    token = quoted(http, **PICTURE)["quote_token"]
    _, other = gateway.account("1000")
    body = {**PICTURE, "quote_token": token}
    answer = httpx.post(f"{gateway.rest}{IMAGES}", json=body, headers=gateway.headers(other))

    assert error(answer) == (400, "quote_mismatch", "quote_token")
    assert gateway.balance(other) == {"credits": "1000", "held": "0"}
