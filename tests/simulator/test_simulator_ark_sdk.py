"""The official BytePlus SDK, unmodified, against simulated Ark."""

import asyncio
import base64
import io
import time
from collections.abc import AsyncIterator
from urllib.request import urlopen

import pytest
from fix_simulator import ARK_CHANNELS
from PIL import Image

from simulator import Fault, Knobs, Simulator

pytestmark = pytest.mark.prove

SEEDREAM = "seedream-5-0-260128"
SEEDANCE = "dreamina-seedance-2-0-260128"
TEXT = [{"type": "text", "text": "a fox"}]
ark_runtime = pytest.importorskip("byteplussdkarkruntime")
errors = pytest.importorskip("byteplussdkarkruntime._exceptions")
group = pytest.importorskip("byteplussdkarkruntime.types.images.images")


@pytest.fixture
async def client(ark: Simulator) -> AsyncIterator[object]:
    async with ark_runtime.AsyncArk(
        base_url=f"{ark.base_url('ark-a')}/api/v3",
        api_key=ARK_CHANNELS[0].credential,
        max_retries=0,
        timeout=20,
    ) as opened:
        yield opened


async def fetched(url: str) -> bytes:
    def read() -> bytes:
        with urlopen(url, timeout=10) as response:
            return response.read()

    return await asyncio.to_thread(read)


def picture(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


async def test_an_image_comes_as_a_link_that_works(client):
    answer = await client.images.generate(
        model=SEEDREAM, prompt="a fox", size="2848x1600", watermark=False
    )

    (item,) = answer.data
    image = picture(await fetched(item.url))
    assert (image.format, image.size, item.size) == ("JPEG", (2848, 1600), "2848x1600")
    assert answer.usage.generated_images == 1
    assert answer.usage.output_tokens == answer.usage.total_tokens == 2848 * 1600 // 256
    assert answer.model == SEEDREAM


async def test_an_image_comes_inline_when_asked(client):
    answer = await client.images.generate(
        model=SEEDREAM, prompt="a fox", size="2K", response_format="b64_json", output_format="png"
    )

    image = picture(base64.b64decode(answer.data[0].b64_json, validate=True))
    assert (image.format, image.size) == ("PNG", (2048, 2048))
    assert answer.data[0].output_format == "png"


async def test_a_group_has_as_many_images_as_it_may(client, ark):
    ark.configure(Knobs(image="tiny"))
    answer = await client.images.generate(
        model=SEEDREAM,
        prompt="a fox",
        sequential_image_generation="auto",
        sequential_image_generation_options=group.SequentialImageGenerationOptions(max_images=3),
    )

    assert len({item.url for item in answer.data}) == 3
    assert answer.usage.generated_images == 3
    assert ark.calls.newest()[-1].made == 3


async def test_a_stream_has_an_event_per_image_and_the_usage_at_the_end(client, ark):
    ark.configure(Knobs(image="tiny"))
    stream = await client.images.generate(
        model=SEEDREAM,
        prompt="a fox",
        stream=True,
        sequential_image_generation="auto",
        sequential_image_generation_options=group.SequentialImageGenerationOptions(max_images=2),
    )
    events = [event async for event in stream]

    assert [event.type for event in events] == [
        "image_generation.partial_succeeded",
        "image_generation.partial_succeeded",
        "image_generation.completed",
    ]
    assert [event.image_index for event in events[:2]] == [0, 1]
    assert picture(await fetched(events[1].url)).format == "JPEG"
    # The SDK types every event as one of an image, so the usage stays a dict.
    assert events[-1].usage["generated_images"] == 2


async def test_the_sdk_takes_a_refused_image_of_a_stream_for_the_end(client):
    # Its stream reader raises at any event with an `error`, this documented one included.
    stream = await client.images.generate(
        model=SEEDREAM, prompt="moderation_blocked_one", stream=True
    )
    with pytest.raises(errors.ArkAPIError) as caught:
        await anext(stream)

    assert caught.value.code == "OutputImageSensitiveContentDetected"


async def test_a_task_is_queued_runs_and_ends_in_a_video(client, ark):
    ark.configure(Knobs(queue_ms=100, run_ms=100))
    made = await client.content_generation.tasks.create(
        model=SEEDANCE,
        content=TEXT,
        resolution="480p",
        ratio="16:9",
        duration=4,
        seed=77,
        safety_identifier="mark",
        return_last_frame=True,
    )
    seen = []
    deadline = time.monotonic() + 10
    while not seen or seen[-1] in {"queued", "running"}:
        assert time.monotonic() < deadline
        task = await client.content_generation.tasks.get(task_id=made.id)
        seen.append(task.status)

    # A slow machine may miss a state, never see one out of turn.
    life = ["queued", "running", "succeeded"]
    assert seen == sorted(seen, key=life.index)
    assert seen[-1] == "succeeded"
    assert made.id.startswith("cgt-")
    assert (made.safety_identifier, task.safety_identifier, task.seed) == ("mark", "mark", 77)
    assert (task.resolution, task.ratio, task.duration) == ("480p", "16:9", 4)
    assert task.usage.completion_tokens == 864 * 480 * 24 * 4 // 1024
    assert (await fetched(task.content.video_url))[4:8] == b"ftyp"
    assert picture(await fetched(task.content.last_frame_url)).size == (864, 480)


async def test_tasks_are_listed_filtered_and_deleted(client, ark):
    ark.configure(Knobs(queue_ms=60_000))
    tasks = client.content_generation.tasks
    first = await tasks.create(model=SEEDANCE, content=TEXT)
    await tasks.create(model="dreamina-seedance-2-0-fast-260128", content=TEXT)

    listed = await tasks.list(page_num=1, page_size=1)
    assert (listed.total, len(listed.items)) == (2, 1)
    listed = await tasks.list(model=SEEDANCE, status="queued", task_ids=[first.id, "cgt-x"])
    assert [item.id for item in listed.items] == [first.id]
    await tasks.delete(task_id=first.id)
    assert (await tasks.get(task_id=first.id)).status == "cancelled"
    with pytest.raises(errors.ArkNotFoundError):
        await tasks.get(task_id="cgt-unknown")


async def test_refusals_are_typed(client, ark):
    with pytest.raises(errors.ArkBadRequestError) as caught:
        await client.images.generate(model=SEEDREAM, prompt="a fox", size="1024x1024")
    assert (caught.value.code, caught.value.param) == ("InvalidParameter", "size")
    with pytest.raises(errors.ArkBadRequestError) as caught:
        await client.images.generate(model=SEEDREAM, prompt="moderation_blocked")
    assert caught.value.code == "InputTextSensitiveContentDetected"
    with pytest.raises(errors.ArkNotFoundError):
        await client.images.generate(model="seedream-9", prompt="a fox")
    await ark.set_fault("ark-a", Fault("status", status=429, times=1))
    with pytest.raises(errors.ArkRateLimitError):
        await client.images.generate(model=SEEDREAM, prompt="a fox")
    client.api_key = "wrong"
    with pytest.raises(errors.ArkAuthenticationError) as caught:
        await client.images.generate(model=SEEDREAM, prompt="a fox")
    assert caught.value.code == "AuthenticationError"
