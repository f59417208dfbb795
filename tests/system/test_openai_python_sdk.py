"""OpenAI's own Python SDK, unmodified, against the running gateway."""

import asyncio
import base64
import io
import json

import httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from PIL import Image

MODEL = "gpt-image-2"


@pytest.fixture
def gateway(fronted):
    """Every test runs through the gateway's own bridge and through a remote one."""
    return fronted


@pytest.fixture
def client(gateway):
    with OpenAI(base_url=gateway.v1, api_key=gateway.key, max_retries=0) as client:
        yield client


@pytest.fixture
async def async_client(gateway):
    async with AsyncOpenAI(base_url=gateway.v1, api_key=gateway.key, max_retries=0) as client:
        yield client


def picture(size=(64, 64), mode="RGB", kind="PNG") -> bytes:
    stream = io.BytesIO()
    Image.new(mode, size, (200, 30, 30, 0)[: len(mode)]).save(stream, kind)
    return stream.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def test_generate_answers_base64_by_default(client):
    answer = client.images.generate(model=MODEL, prompt="a lighthouse")

    assert opened(base64.b64decode(answer.data[0].b64_json)).format == "PNG"
    assert answer.usage.total_tokens > 0
    assert answer._request_id.startswith("req_")


def test_generate_answers_a_url_that_opens_without_credentials(client, gateway):
    answer = client.images.generate(model=MODEL, prompt="a lighthouse", response_format="url")
    image = httpx.get(answer.data[0].url)

    assert answer.data[0].b64_json is None
    assert image.headers["content-type"] == "image/png"
    assert image.headers["x-content-type-options"] == "nosniff"
    assert opened(image.content).format == "PNG"


def test_the_asked_size_and_format_are_made(client, gateway):
    gateway.settings(image="real")
    answer = client.images.generate(
        model=MODEL, prompt="a tree", size="1536x1024", output_format="webp", quality="low"
    )
    image = opened(base64.b64decode(answer.data[0].b64_json))

    assert (image.size, image.format) == ((1536, 1024), "WEBP")
    assert (answer.size, answer.quality, answer.output_format) == ("1536x1024", "low", "webp")


def test_four_images_are_four_and_charged_as_four(client, gateway):
    _, key = gateway.account("100")
    rich = client.with_options(api_key=key)
    answer = rich.images.generate(model=MODEL, prompt="cats", n=4)

    assert len(answer.data) == 4
    assert gateway.balance(key) == {"credits": "72", "held": "0"}


def test_a_stream_shows_previews_and_ends_with_the_image(client):
    events = list(
        client.images.generate(model=MODEL, prompt="a fox", stream=True, partial_images=2)
    )

    assert [event.type for event in events] == [
        "image_generation.partial_image",
        "image_generation.partial_image",
        "image_generation.completed",
    ]
    assert [event.partial_image_index for event in events[:2]] == [0, 1]
    assert opened(base64.b64decode(events[-1].b64_json))


def test_a_stream_without_previews_is_just_the_image(client):
    events = list(client.images.generate(model=MODEL, prompt="a fox", stream=True))

    assert [event.type for event in events] == ["image_generation.completed"]


@pytest.mark.parametrize("count", [1, 3])
def test_edit_takes_one_image_or_several(client, count):
    images = [("a.png", picture(), "image/png") for _ in range(count)]
    answer = client.images.edit(
        model=MODEL, image=images[0] if count == 1 else images, prompt="make it blue"
    )

    assert opened(base64.b64decode(answer.data[0].b64_json))


def test_edit_takes_a_mask_and_bare_bytes(client):
    answer = client.images.edit(
        model=MODEL, image=picture(), mask=picture(mode="RGBA"), prompt="fill it"
    )

    assert opened(base64.b64decode(answer.data[0].b64_json))


def test_edit_streams(client):
    events = list(
        client.images.edit(
            model=MODEL, image=picture(), prompt="make it blue", stream=True, partial_images=1
        )
    )

    assert [event.type for event in events] == [
        "image_edit.partial_image",
        "image_edit.completed",
    ]


def test_an_upload_of_twenty_megabytes_arrives(client):
    noise = Image.effect_noise((2700, 2600), 90).convert("RGB")
    stream = io.BytesIO()
    noise.save(stream, "PNG", compress_level=0)
    data = stream.getvalue()
    assert len(data) > 20_000_000

    answer = client.images.edit(model=MODEL, image=data, prompt="calm it down")

    assert opened(base64.b64decode(answer.data[0].b64_json))


def test_models_are_listed_and_found(client):
    assert MODEL in [model.id for model in client.models.list()]
    assert client.models.retrieve(MODEL).id == MODEL


ERRORS = [
    ({"model": "no-such"}, openai.NotFoundError, "model_not_found", "model"),
    ({"size": "17x17"}, openai.BadRequestError, "invalid_value", "size"),
    ({"n": 11}, openai.BadRequestError, "invalid_value", "n"),
    ({"extra_body": {"n": "four"}}, openai.BadRequestError, "invalid_type", "n"),
    ({"extra_body": {"sizze": "1024x1024"}}, openai.BadRequestError, "unknown_parameter", "sizze"),
    ({"prompt": ""}, openai.BadRequestError, "missing_required_parameter", "prompt"),
    ({"prompt": "x" * 32_001}, openai.BadRequestError, "invalid_value", "prompt"),
    (
        {"background": "transparent", "output_format": "jpeg"},
        openai.BadRequestError,
        "invalid_value",
        "background",
    ),
    ({"prompt": "moderation_blocked"}, openai.BadRequestError, "moderation_blocked", None),
]


@pytest.mark.parametrize(("changes", "kind", "code", "param"), ERRORS)
def test_every_wrong_request_is_a_typed_error_that_names_the_parameter(
    client, gateway, changes, kind, code, param
):
    _, key = gateway.account("100")
    arguments = {"model": MODEL, "prompt": "a lighthouse", **changes}

    with pytest.raises(kind) as caught:
        client.with_options(api_key=key).images.generate(**arguments)

    assert (caught.value.code, caught.value.param) == (code, param)
    assert caught.value.request_id.startswith("req_")
    assert gateway.balance(key) == {"credits": "100", "held": "0"}


def test_a_wrong_key_is_an_authentication_error(client):
    with pytest.raises(openai.AuthenticationError) as caught:
        client.with_options(api_key="sk-wrong").images.generate(model=MODEL, prompt="x")

    assert caught.value.code == "invalid_api_key"


def test_an_empty_account_is_refused_as_out_of_quota_and_not_retried(gateway):
    seen = []
    http = httpx.Client(event_hooks={"response": [lambda answer: seen.append(answer.status_code)]})
    with (
        OpenAI(base_url=gateway.v1, api_key=gateway.demo["poor_api_key"], http_client=http) as poor,
        pytest.raises(openai.RateLimitError) as caught,
    ):
        poor.images.generate(model=MODEL, prompt="x")

    assert (caught.value.code, caught.value.type) == ("insufficient_quota", "insufficient_quota")
    assert seen == [429]


def test_the_sdk_retries_what_failed_upstream_and_is_charged_once(gateway):
    _, key = gateway.account("100")
    for channel in ("openai-a", "openai-b", "openai-c"):
        gateway.fault(channel, kind="status", status=503, times=2)
    only = {"x-reapi-routing": "only=openai-a,openai-b,openai-c"}
    with OpenAI(base_url=gateway.v1, api_key=key, max_retries=3, default_headers=only) as client:
        client.images.generate(model=MODEL, prompt="x")

    assert gateway.balance(key) == {"credits": "93", "held": "0"}


def test_a_repeated_idempotency_key_buys_nothing_twice(client, gateway):
    _, key = gateway.account("100")
    rich = client.with_options(api_key=key)
    ask = lambda prompt: rich.images.with_raw_response.generate(  # noqa: E731
        model=MODEL, prompt=prompt, extra_headers={"Idempotency-Key": "one"}
    )
    first, again = ask("a cat"), ask("a cat")

    assert first.headers["x-reapi-generation"] == again.headers["x-reapi-generation"]
    assert first.parse().data[0].b64_json == again.parse().data[0].b64_json
    with pytest.raises(openai.UnprocessableEntityError):
        ask("a dog")
    assert gateway.balance(key) == {"credits": "93", "held": "0"}


async def test_fifty_at_once_all_succeed(async_client, gateway):
    _, key = gateway.account("350")
    rich = async_client.with_options(api_key=key)
    answers = await asyncio.gather(
        *(rich.images.generate(model=MODEL, prompt=f"number {i}") for i in range(50))
    )

    assert len(answers) == 50
    assert gateway.balance(key) == {"credits": "0", "held": "0"}


async def test_a_caller_who_leaves_a_stream_leaves_no_hold_behind(async_client, gateway):
    _, key = gateway.account("100")
    gateway.settings(image="tiny", latency_ms=300, partial_interval_ms=200)
    stream = await async_client.with_options(api_key=key).images.generate(
        model=MODEL, prompt="a fox", stream=True, partial_images=3
    )
    async for _ in stream:
        break
    await stream.close()

    async with asyncio.timeout(10):
        while gateway.balance(key)["held"] != "0":
            await asyncio.sleep(0.05)
    assert gateway.balance(key) == {"credits": "93", "held": "0"}


def test_headers_say_who_served_it_and_what_it_cost(client):
    raw = client.images.with_raw_response.generate(model=MODEL, prompt="x")

    assert raw.headers["x-reapi-channel"].startswith("openai-")
    assert raw.headers["x-reapi-attempts"] == "1"
    assert raw.headers["x-reapi-credits"] == "7"
    assert int(raw.headers["x-ratelimit-limit-requests"]) == 60_000
    assert json.loads(raw.text)["data"]
