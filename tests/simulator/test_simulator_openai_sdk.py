"""The official OpenAI SDK, unmodified, against the simulated images API."""

import base64
import io
from collections.abc import AsyncIterator

import openai
import pytest
from openai import AsyncOpenAI
from PIL import Image

from simulator import Fault, Simulator

pytestmark = pytest.mark.prove


@pytest.fixture
async def client(
    simulator: Simulator, simulated_credentials: dict[str, str]
) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        base_url=f"{simulator.base_url('openai-a')}/v1",
        api_key=simulated_credentials["openai-a"],
        max_retries=0,
        timeout=20,
    ) as opened:
        yield opened


def picture(b64_json: str | None) -> Image.Image:
    assert b64_json is not None
    image = Image.open(io.BytesIO(base64.b64decode(b64_json, validate=True)))
    image.load()
    return image


def png(size: tuple[int, int] = (64, 48), mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, 0).save(file, "PNG")
    return file.getvalue()


def upload(data: bytes) -> tuple[str, bytes, str]:
    return ("input.png", data, "image/png")


@pytest.mark.parametrize(
    ("output_format", "size"),
    [("png", "1024x1024"), ("jpeg", "1536x1024"), ("webp", "1024x1536"), ("png", "480x1440")],
)
async def test_a_generated_image_has_the_size_and_format_that_were_asked_for(
    client: AsyncOpenAI, output_format, size
):
    answer = await client.images.generate(
        model="gpt-image-2", prompt="a fox", size=size, output_format=output_format, quality="low"
    )

    assert len(answer.data) == 1
    image = picture(answer.data[0].b64_json)
    assert image.format == output_format.upper()
    assert image.size == tuple(map(int, size.split("x")))
    assert (answer.size, answer.output_format, answer.quality) == (size, output_format, "low")
    assert answer.background == "opaque"
    assert answer.data[0].url is None
    assert answer.data[0].revised_prompt is None


async def test_the_usage_adds_up_and_grows_with_n(client: AsyncOpenAI):
    one = await client.images.generate(model="gpt-image-2", prompt="a fox", quality="medium")
    four = await client.images.generate(model="gpt-image-2", prompt="a fox", n=4, quality="medium")

    assert one.usage.total_tokens == one.usage.input_tokens + one.usage.output_tokens
    assert one.usage.input_tokens_details.text_tokens == one.usage.input_tokens
    assert four.usage.output_tokens == 4 * one.usage.output_tokens
    assert four.usage.output_tokens_details.image_tokens == four.usage.output_tokens
    assert len({item.b64_json for item in four.data}) == 4


async def test_auto_is_answered_with_what_it_came_to(client: AsyncOpenAI):
    answer = await client.images.generate(
        model="gpt-image-2", prompt="a fox", size="auto", quality="auto", background="auto"
    )

    assert (answer.size, answer.quality, answer.background) == ("1024x1024", "medium", "opaque")
    assert picture(answer.data[0].b64_json).size == (1024, 1024)


@pytest.mark.parametrize("output_format", ["png", "webp"])
async def test_a_transparent_background_is_transparent(client: AsyncOpenAI, output_format):
    answer = await client.images.generate(
        model="gpt-image-2",
        prompt="a fox",
        size="512x512",
        background="transparent",
        output_format=output_format,
    )

    assert answer.background == "transparent"
    alpha = picture(answer.data[0].b64_json).getchannel("A")
    assert alpha.getextrema() == (0, 255)


async def test_the_same_request_gives_the_same_image_on_every_channel_and_another_seed_does_not(
    simulator: Simulator, simulated_credentials
):
    async def image_of(running: Simulator, channel: str, prompt: str) -> str | None:
        base_url = f"{running.base_url(channel)}/v1"
        async with AsyncOpenAI(base_url=base_url, api_key=simulated_credentials[channel]) as client:
            answer = await client.images.generate(
                model="gpt-image-2", prompt=prompt, size="256x256"
            )
            return answer.data[0].b64_json

    first = await image_of(simulator, "openai-a", "a fox")
    assert await image_of(simulator, "openai-b", "a fox") == first
    assert len({await image_of(simulator, "openai-a", f"a fox {i}") for i in range(24)}) > 4
    channels = list(simulator._channels.values())
    async with Simulator(channels, seed=7) as other:
        assert await image_of(other, "openai-a", "a fox") != first
    async with Simulator(channels, seed=0) as again:
        assert await image_of(again, "openai-a", "a fox") == first


async def test_a_stream_shows_previews_and_then_the_image(client: AsyncOpenAI):
    stream = await client.images.generate(
        model="gpt-image-2", prompt="a fox", size="512x512", stream=True, partial_images=2
    )
    events = [event async for event in stream]

    assert [event.type for event in events] == [
        "image_generation.partial_image",
        "image_generation.partial_image",
        "image_generation.completed",
    ]
    assert [event.partial_image_index for event in events[:2]] == [0, 1]
    for event in events:
        assert picture(event.b64_json).size == (512, 512)
        assert (event.size, event.output_format) == ("512x512", "png")
        assert event.created_at > 0
    assert len({event.b64_json for event in events}) == 3
    usage = events[-1].usage
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens


async def test_a_stream_without_previews_is_just_the_image_once_per_image(client: AsyncOpenAI):
    stream = await client.images.generate(
        model="gpt-image-2", prompt="a fox", size="256x256", stream=True, n=2
    )

    assert [event.type async for event in stream] == ["image_generation.completed"] * 2


async def test_one_image_is_edited(client: AsyncOpenAI):
    answer = await client.images.edit(
        model="gpt-image-2", image=upload(png()), prompt="add a hat", size="512x512", n=2
    )

    assert len(answer.data) == 2
    assert picture(answer.data[0].b64_json).size == (512, 512)
    assert answer.usage.input_tokens_details.image_tokens > 0


async def test_three_images_and_a_mask_are_edited(client: AsyncOpenAI):
    answer = await client.images.edit(
        model="gpt-image-2",
        image=[upload(png()), upload(png((32, 32))), upload(png((16, 16)))],
        mask=upload(png(mode="RGBA")),
        prompt="put them together",
        output_format="jpeg",
        output_compression=40,
    )
    one = await client.images.edit(
        model="gpt-image-2", image=upload(png()), prompt="put them together"
    )

    assert picture(answer.data[0].b64_json).format == "JPEG"
    tokens = answer.usage.input_tokens_details.image_tokens
    assert tokens == 3 * one.usage.input_tokens_details.image_tokens


async def test_an_edit_streams_events_of_its_own_name(client: AsyncOpenAI):
    stream = await client.images.edit(
        model="gpt-image-2",
        image=upload(png()),
        prompt="add a hat",
        size="256x256",
        stream=True,
        partial_images=1,
    )

    assert [event.type async for event in stream] == [
        "image_edit.partial_image",
        "image_edit.completed",
    ]


@pytest.mark.parametrize(
    ("prompt", "stage", "category"),
    [
        ("please moderation_blocked this", "input", "violence"),
        ("please moderation_blocked_output this", "output", "sexual"),
    ],
)
async def test_a_moderated_prompt_is_refused_with_the_real_body(
    client: AsyncOpenAI, prompt, stage, category
):
    with pytest.raises(openai.BadRequestError) as caught:
        await client.images.generate(model="gpt-image-2", prompt=prompt)

    error = caught.value
    assert (error.type, error.code, error.param) == (
        "image_generation_user_error",
        "moderation_blocked",
        None,
    )
    assert error.body["moderation_details"] == {
        "moderation_stage": stage,
        "categories": [category],
    }
    assert error.request_id is not None
    assert error.request_id in error.body["message"]
    assert f"safety_violations=[{category}]" in error.body["message"]


async def test_a_stream_moderated_at_the_output_ends_in_an_error_after_its_previews(
    client: AsyncOpenAI,
):
    stream = await client.images.generate(
        model="gpt-image-2", prompt="moderation_blocked_output", stream=True, partial_images=1
    )
    first = await anext(stream)
    with pytest.raises(openai.APIError) as caught:
        await anext(stream)

    assert first.type == "image_generation.partial_image"
    assert caught.value.code == "moderation_blocked"


async def test_a_wrong_key_is_refused_as_openai_refuses_it(client: AsyncOpenAI):
    with pytest.raises(openai.AuthenticationError) as caught:
        await client.with_options(api_key="sk-wrong-0123456789").images.generate(
            model="gpt-image-2", prompt="a fox"
        )

    assert caught.value.body == {
        "message": "Incorrect API key provided: sk-************6789. You can find your API key at "
        "https://platform.openai.com/account/api-keys.",
        "type": "invalid_request_error",
        "param": None,
        "code": "invalid_api_key",
    }


async def test_the_key_of_one_channel_is_wrong_on_another(
    simulator: Simulator, client: AsyncOpenAI, simulated_credentials
):
    other = client.with_options(api_key=simulated_credentials["openai-b"])
    with pytest.raises(openai.AuthenticationError):
        await other.images.generate(model="gpt-image-2", prompt="a fox")

    elsewhere = other.with_options(base_url=f"{simulator.base_url('openai-b')}/v1")
    await elsewhere.images.generate(model="gpt-image-2", prompt="a fox", size="16x16")


async def test_an_unknown_model_is_not_found(client: AsyncOpenAI):
    with pytest.raises(openai.NotFoundError) as caught:
        await client.images.generate(model="dall-e-3", prompt="a fox")

    assert caught.value.code == "model_not_found"
    assert caught.value.body["message"] == (
        "The model `dall-e-3` does not exist or you do not have access to it."
    )


async def test_another_route_is_not_found_with_a_null_code(client: AsyncOpenAI):
    with pytest.raises(openai.NotFoundError) as caught:
        await client.models.list()

    assert caught.value.code is None
    assert caught.value.body["message"] == "Invalid URL (GET /v1/models)"


async def test_a_scripted_429_says_when_to_retry_and_the_sdk_then_succeeds(
    simulator: Simulator, client: AsyncOpenAI
):
    await simulator.set_fault("openai-a", Fault("status", status=429, retry_after=0, times=1))
    with pytest.raises(openai.RateLimitError) as caught:
        await client.images.generate(model="gpt-image-2", prompt="a fox", size="16x16")
    headers = caught.value.response.headers
    assert caught.value.code == "rate_limit_exceeded"
    assert headers["retry-after"] == "0"
    assert headers["x-ratelimit-remaining-requests"] == "0"

    await simulator.set_fault("openai-a", Fault("status", status=429, retry_after=0, times=1))
    patient = client.with_options(max_retries=1)
    await patient.images.generate(model="gpt-image-2", prompt="a fox", size="16x16")
    assert simulator.calls.counts()["openai-a"] == 1 + 2


async def test_out_of_quota_is_a_429_of_its_own_without_a_time_to_retry(
    simulator: Simulator, client: AsyncOpenAI
):
    await simulator.set_fault("openai-a", Fault("status", status=429, code="insufficient_quota"))
    with pytest.raises(openai.RateLimitError) as caught:
        await client.images.generate(model="gpt-image-2", prompt="a fox")

    assert (caught.value.type, caught.value.code) == ("insufficient_quota", "insufficient_quota")
    assert "retry-after" not in caught.value.response.headers


async def test_every_answer_carries_openais_headers(client: AsyncOpenAI):
    raw = await client.images.with_raw_response.generate(
        model="gpt-image-2", prompt="a fox", size="16x16"
    )

    assert raw.headers["x-request-id"].startswith("req_")
    assert raw.headers["openai-version"] == "2020-10-01"
    assert int(raw.headers["openai-processing-ms"]) >= 0
    limit = int(raw.headers["x-ratelimit-limit-requests"])
    assert int(raw.headers["x-ratelimit-remaining-requests"]) == limit - 1
    for name in ("reset-requests", "limit-tokens", "remaining-tokens", "reset-tokens"):
        assert raw.headers[f"x-ratelimit-{name}"]
