"""POST /v1/images/generations, answered whole."""

import asyncio
import base64

import httpx
import openai
import pytest

from tests.bridge.scripted_core import (
    CREATED,
    GENERATION_ID,
    GOOD_KEY,
    WAIT,
    FakeCore,
    accepted,
    attempt,
    failed,
    picture,
    status,
    success,
)
from tests.fix_bridge import Bridge

URL = "/v1/images/generations"
ASK = {"model": "gpt-image-2", "prompt": "a red square"}


async def test_the_sdk_gets_the_image_as_base64_from_a_gpt_image_model(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    data = picture()
    fake_core.script = success(data)

    answer = await bridge.openai.images.generate(**ASK)

    assert answer.data is not None
    assert base64.b64decode(answer.data[0].b64_json or "") == data
    assert answer.data[0].url is None
    assert answer.created == CREATED
    assert answer.usage is not None
    assert answer.usage.total_tokens == 115
    assert answer.usage.input_tokens_details.image_tokens == 5
    assert (answer.size, answer.quality, answer.background) == ("1024x1024", "high", "opaque")
    start = fake_core.calls[0].start
    assert start is not None
    assert start.detached
    assert start.spec.model == "gpt-image-2"
    assert start.spec.parameters.prompt == "a red square"
    assert start.spec.inline_outputs
    assert start.spec.endpoint == URL


async def test_every_answer_has_the_headers_of_the_contract(bridge: Bridge) -> None:
    answer = await bridge.http.post(URL, json=ASK)

    headers = answer.headers
    assert headers["content-type"] == "application/json"
    assert headers["x-request-id"].startswith("req_")
    assert len(headers["x-request-id"]) == 36
    assert headers["x-reapi-generation"] == GENERATION_ID
    assert headers["x-reapi-channel"] == "openai-a"
    assert headers["x-reapi-attempts"] == "1"
    assert headers["x-reapi-credits"] == "7.5"
    assert headers["x-ratelimit-limit-requests"] == "60"
    assert headers["x-ratelimit-remaining-requests"] == "59"
    assert headers["x-ratelimit-reset-requests"] == "1s"
    assert headers["openai-version"] == "2020-10-01"
    assert headers["openai-processing-ms"].isdigit()


async def test_core_learns_the_key_and_the_request_id_of_the_answer(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    answer = await bridge.http.post(URL, json=ASK, headers={"baggage": "user=ann"})

    metadata = fake_core.calls[0].metadata
    assert metadata["authorization"] == f"Bearer {GOOD_KEY}"
    assert metadata["x-request-id"] == answer.headers["x-request-id"]
    assert "baggage" not in metadata


@pytest.mark.parametrize(
    ("model", "asked", "inline"),
    [
        ("gpt-image-2", None, True),
        ("chatgpt-image-1", None, True),
        ("flux-3", None, False),
        ("gpt-image-2", "url", False),
        ("flux-3", "b64_json", True),
    ],
)
async def test_the_response_format_is_honoured_for_every_model(
    bridge: Bridge, fake_core: FakeCore, model: str, asked: str | None, inline: bool
) -> None:
    body = {**ASK, "model": model, "response_format": asked}

    answer = (await bridge.http.post(URL, json=body)).json()

    assert set(answer["data"][0]) == ({"b64_json"} if inline else {"url"})
    assert fake_core.calls[0].start.spec.inline_outputs is inline


async def test_several_images_come_in_order_whatever_their_size(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    pictures = [picture(size=(4, 4)), b"\x89" * 3_000_001, picture(size=(9, 9)), b"x" * 70_000]
    fake_core.script = success(*pictures)

    answer = await bridge.http.post(URL, json={**ASK, "n": 4})

    decoded = [base64.b64decode(item["b64_json"]) for item in answer.json()["data"]]
    assert decoded == pictures
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert fake_core.calls[0].start.spec.parameters.output_count == 4


async def test_every_field_reaches_the_contract_and_null_means_absent(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    body = {
        **ASK,
        "n": None,
        "size": "1536x1024",
        "quality": "low",
        "background": "transparent",
        "output_format": "webp",
        "output_compression": 80,
        "moderation": "low",
        "user": "ann",
        "safety_identifier": "hash-of-ann",
        "seed": 2**40,
        "negative_prompt": "blue",
        "style": "vivid",
        "partial_images": None,
        "loras": [{"path": "a", "scale": 0.5, "on": True, "nothing": None}],
    }

    await bridge.http.post(URL, json=body)

    found = fake_core.calls[0].start.spec.parameters
    assert not found.HasField("output_count")
    assert (found.size, found.quality, found.background) == ("1536x1024", "low", "transparent")
    assert (found.output_format, found.output_compression, found.moderation) == ("webp", 80, "low")
    assert (found.end_user_id, found.seed, found.negative_prompt) == ("hash-of-ann", 2**40, "blue")
    assert set(found.extras) == {"style", "loras"}
    lora = found.extras["loras"].list.items[0].object.fields
    assert (lora["path"].text, lora["scale"].number, lora["on"].flag) == ("a", 0.5, True)
    assert "nothing" not in lora


WRONG_FIELDS = [
    ({"n": "2"}, "n", "invalid_type"),
    ({"n": 1.0}, "n", "invalid_type"),
    ({"n": True}, "n", "invalid_type"),
    ({"n": 2**40}, "n", "invalid_value"),
    ({"prompt": 5}, "prompt", "invalid_type"),
    ({"prompt": None}, "prompt", "missing_required_parameter"),
    ({"model": None}, "model", "missing_required_parameter"),
    ({"size": {"w": 1}}, "size", "invalid_type"),
    ({"stream": "true"}, "stream", "invalid_type"),
    ({"response_format": "png"}, "response_format", "invalid_value"),
    ({"partial_images": 4}, "partial_images", "invalid_value"),
    ({"svg": "x"}, "svg", "invalid_type"),
    ({"odd": [None]}, "odd[0]", "invalid_type"),
    ({"odd": {"a": {"b": 2**64 - 1}}}, "odd.a.b", "invalid_value"),
]


async def test_a_wrong_field_is_named_and_nothing_is_started(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    for change, param, code in WRONG_FIELDS:
        answer = await bridge.http.post(URL, json={**ASK, **change})

        error = answer.json()["error"]
        assert (answer.status_code, error["param"], error["code"]) == (400, param, code)
        assert error["type"] == "invalid_request_error"
        assert fake_core.calls[-1].start is None
        await asyncio.wait_for(fake_core.calls[-1].cancelled.wait(), WAIT)


async def test_deep_nesting_is_refused(bridge: Bridge) -> None:
    nested: object = 1
    for _ in range(40):
        nested = [nested]

    answer = await bridge.http.post(URL, json={**ASK, "odd": nested})

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_type"


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        (b"{", "application/json", "malformed_request"),
        (b"", "application/json", "malformed_request"),
        (b"[]", "application/json", "malformed_request"),
        (b'{"prompt": "\xff"}', "application/json", "malformed_request"),
        (b'{"prompt": "\\ud800"}', "application/json", "malformed_request"),
        (b"a=b", "application/x-www-form-urlencoded", "unsupported_content_type"),
    ],
)
async def test_a_body_that_is_no_json_object_is_refused_without_repeating_it(
    bridge: Bridge, body: bytes, content_type: str, code: str
) -> None:
    answer = await bridge.http.post(URL, content=body, headers={"content-type": content_type})

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == code
    assert bridge.defects == []


async def test_a_failed_generation_is_an_error_of_its_reason_with_all_headers(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    fake_core.script = [
        accepted(),
        attempt(1),
        attempt(2, "openai-b"),
        failed(status("CONTENT_POLICY_VIOLATION", "Refused.", stage="output")),
    ]

    with pytest.raises(openai.BadRequestError) as caught:
        await bridge.openai.images.generate(**ASK)

    assert caught.value.code == "moderation_blocked"
    assert caught.value.type == "image_generation_user_error"
    headers = caught.value.response.headers
    assert headers["x-reapi-generation"] == GENERATION_ID
    assert headers["x-reapi-credits"] == "0"
    assert headers["x-ratelimit-limit-requests"] == "60"
    assert "x-should-retry" not in headers


async def test_a_generation_that_outlives_the_limit_is_answered_504_and_runs_on(
    start_bridge, fake_core: FakeCore
) -> None:
    forever = asyncio.Event()
    fake_core.script = [accepted(), attempt(), forever.wait]
    bridge = await start_bridge(sync_seconds=0.2)

    answer = await bridge.http.post(URL, json=ASK)

    assert answer.status_code == 504, bridge.defects
    assert answer.json()["error"]["code"] == "still_running"
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["x-reapi-generation"] == GENERATION_ID
    assert answer.headers["x-reapi-channel"] == "openai-a"
    assert fake_core.calls[0].start.detached


async def test_a_core_that_dies_after_accepting_is_a_503_with_the_generation(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    import grpc

    fake_core.script = [accepted(), grpc.StatusCode.UNAVAILABLE]

    answer = await bridge.http.post(URL, json=ASK)

    assert answer.status_code == 503
    assert answer.headers["x-reapi-generation"] == GENERATION_ID
    assert "gRPC" not in answer.text


async def test_an_idempotency_key_and_a_retry_count_reach_core(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    headers = {"Idempotency-Key": "key-1", "x-stainless-retry-count": "2"}

    await bridge.http.post(URL, json=ASK, headers=headers)

    spec = fake_core.calls[0].start.spec
    assert (spec.request_id, spec.retry_number) == ("key-1", 2)


@pytest.mark.parametrize("key", ["", "k" * 256])
async def test_a_bad_idempotency_key_is_named(bridge: Bridge, key: str) -> None:
    answer = await bridge.http.post(URL, json=ASK, headers={"Idempotency-Key": key})

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "Idempotency-Key"


async def test_a_routing_header_narrows_the_channels(bridge: Bridge, fake_core: FakeCore) -> None:
    header = {"x-reapi-routing": "only=a, b; exclude=c;region=eu"}

    await bridge.http.post(URL, json=ASK, headers=header)
    wrong = await bridge.http.post(URL, json=ASK, headers={"x-reapi-routing": "fast"})

    routing = fake_core.calls[0].start.spec.routing
    assert list(routing.only_channels) == ["a", "b"]
    assert (list(routing.excluded_channels), list(routing.regions)) == (["c"], ["eu"])
    assert wrong.json()["error"]["param"] == "x-reapi-routing"


async def test_a_sandbox_generation_says_so(bridge: Bridge, fake_core: FakeCore) -> None:
    fake_core.script[-1].completed.generation.sandbox = True

    answer = await bridge.http.post(URL, json=ASK)

    assert answer.headers["x-reapi-sandbox"] == "true"


async def test_the_route_is_also_served_without_its_prefix(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    answer = await bridge.http.post("/images/generations", json=ASK)

    assert answer.status_code == 200
    assert fake_core.calls[0].start.spec.endpoint == URL


async def test_the_synchronous_sdk_works_too(bridge: Bridge, fake_core: FakeCore) -> None:
    def use() -> tuple[str | None, list[str]]:
        http = httpx.Client(trust_env=False, verify=False)
        with openai.OpenAI(
            api_key=GOOD_KEY, base_url=f"{bridge.url}/v1", http_client=http
        ) as client:
            image = client.images.generate(**ASK, response_format="url")
            events = [event.type for event in client.images.generate(**ASK, stream=True)]
        assert image.data is not None
        return image.data[0].url, events

    url, events = await asyncio.to_thread(use)

    assert url == "http://media.test/media/tasks/x/y/0.png"
    assert events == ["image_generation.completed"]


async def test_fifty_requests_at_once_are_all_answered(bridge: Bridge) -> None:
    answers = await asyncio.gather(*(bridge.http.post(URL, json=ASK) for _ in range(50)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.headers["x-request-id"] for answer in answers}) == 50
