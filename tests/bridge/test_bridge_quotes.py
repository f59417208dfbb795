"""POST /api/v1/quotes, and requests that carry a quote."""

import base64

import pytest

from reapi.v1 import generation_service_pb2
from tests.bridge.scripted_core import FakeCore, accepted, picture, refuse, status
from tests.fix_bridge import Bridge

QUOTES, IMAGES, VIDEOS = (
    "/api/v1/quotes",
    "/api/v1/images/generations",
    "/api/v1/videos/generations",
)
FIELDS = {"model": "veo-3.1", "prompt": "a wave", "duration": 8, "resolution": "720p", "n": 2}
EXPIRES = 1_900_000_000


@pytest.fixture(autouse=True)
def _an_offer(fake_core: FakeCore) -> None:
    fake_core.offer = generation_service_pb2.QuoteGenerationResponse(
        maximum_micros=8_000_500, quote_token="rq_x", likely_channels=["veo-a", "veo-b"]
    )
    fake_core.offer.expire_time.seconds = EXPIRES
    fake_core.script = [accepted()]


def asked(fake_core: FakeCore) -> generation_service_pb2.QuoteGenerationRequest:
    request = fake_core.requests[-1]
    assert isinstance(request, generation_service_pb2.QuoteGenerationRequest)
    return request


async def test_a_quote_is_asked_with_the_body_of_a_task(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    answer = await bridge.http.post(QUOTES, json=FIELDS)

    assert (answer.status_code, answer.json()) == (
        200,
        {
            "quote_token": "rq_x",
            "model": "veo-3.1",
            "maximum_credits": "8000.5",
            "expires_at": EXPIRES,
            "likely_channels": ["veo-a", "veo-b"],
        },
    )
    assert answer.headers["cache-control"] == "no-store"
    parameters = asked(fake_core).spec.parameters
    assert (parameters.duration.seconds, parameters.output_count) == (8, 2)


async def test_files_of_a_quote_are_links_or_inside_it(bridge: Bridge, fake_core: FakeCore) -> None:
    data = picture()
    inline = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    body = {**FIELDS, "image_urls": [inline, "https://files.example/a.png"]}
    await bridge.http.post(QUOTES, json=body)

    one, other = asked(fake_core).spec.parameters.inputs
    assert (one.inline, other.uri) == (data, "https://files.example/a.png")


async def test_an_error_names_the_field_as_the_caller_called_it(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    why = status("INVALID_PARAMETER", "no", parameter="output_count")
    fake_core.offer = lambda context: refuse(context, why)
    answer = await bridge.http.post(QUOTES, json=FIELDS)

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "n")


async def test_a_bad_key_beats_a_bad_body(bridge: Bridge) -> None:
    bad = {"authorization": "Bearer wrong"}

    assert (await bridge.http.post(QUOTES, content=b"{", headers=bad)).status_code == 401
    assert (await bridge.http.post(QUOTES, content=b"{")).status_code == 400


@pytest.mark.parametrize("url", [IMAGES, VIDEOS, "/v1/images/generations", "/v1/videos"])
@pytest.mark.parametrize("place", ["body", "header"])
async def test_every_dialect_takes_a_quote_in_its_body_or_in_a_header(
    bridge: Bridge, fake_core: FakeCore, url: str, place: str
) -> None:
    body = {"model": "m", "prompt": "p"}
    if place == "body":
        await bridge.http.post(url, json={**body, "quote_token": "rq_1"})
    else:
        await bridge.http.post(url, json=body, headers={"x-reapi-quote": "rq_1"})

    start = fake_core.calls[-1].start
    assert start is not None
    assert start.spec.quote_token == "rq_1"


async def test_a_transcoded_request_takes_it_in_a_header_too(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    body = {"spec": {"model": "m", "parameters": {"prompt": "p"}}}
    await bridge.http.post("/api/v1/generations", json=body, headers={"x-reapi-quote": "rq_1"})

    request = fake_core.requests[-1]
    assert isinstance(request, generation_service_pb2.CreateGenerationRequest)
    assert request.spec.quote_token == "rq_1"


@pytest.mark.parametrize("header", ["rq_2", "q" * 4_097])
async def test_two_quotes_or_none_that_could_be_one_are_refused(
    bridge: Bridge, header: str
) -> None:
    body = {"model": "m", "prompt": "p", "quote_token": "rq_1"}
    if header.startswith("q"):
        del body["quote_token"]
    answer = await bridge.http.post(IMAGES, json=body, headers={"x-reapi-quote": header})

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "quote_token")


async def test_a_quote_that_is_over_is_an_error_of_the_caller(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    fake_core.refusal = status("QUOTE_EXPIRED", "The quote has expired.")
    body = {"model": "m", "prompt": "p", "quote_token": "rq_1"}
    answer = await bridge.http.post(IMAGES, json=body)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "quote_expired")
