"""The official xAI SDK, unmodified, against simulated xAI behind a gRPC face.

The face translates and keeps nothing, so what the SDK sees is what the simulator answers over REST.
"""

import asyncio
import base64
import inspect
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import grpc
import httpx
import pytest
from PIL import Image
from video_callers import data_url, shown
from xai_grpc_face import xai_grpc_face
from xai_sdk import AsyncClient, Client
from xai_sdk.proto import deferred_pb2
from xai_sdk.video import VideoGenerationError

from simulator import Fault, Knobs, SimulatedChannel, Simulator
from tests.films import film

pytestmark = pytest.mark.prove

NAME, KEY = "xai-a", "xai-simulated-key-0123456789"
IMAGE, VIDEO, FRAMES = "grok-imagine-image", "grok-imagine-video", "grok-imagine-video-1.5"
AT_ONCE = Knobs(queue_ms=0, run_ms=0)
# The SDK takes an interval of zero for none given.
OFTEN = {"interval": timedelta(milliseconds=10), "timeout": timedelta(seconds=10)}
DONE, PENDING = deferred_pb2.DeferredStatus.DONE, deferred_pb2.DeferredStatus.PENDING


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK reads keys from the environment; gRPC and requests, proxies."""
    names = ("xai_api_key", "xai_management_key", "http_proxy", "https_proxy", "all_proxy")
    for name in (*names, "grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator([SimulatedChannel(NAME, KEY, "xai")]) as opened:
        opened.configure(AT_ONCE)
        yield opened


@pytest.fixture
async def address(simulator: Simulator) -> AsyncIterator[str]:
    async with xai_grpc_face(simulator.base_url(NAME)) as opened:
        yield opened


class Sdk:
    """Either client of the SDK; the synchronous one is called in a thread."""

    def __init__(self, kind, address: str, key: str = KEY, **options) -> None:
        self._client = kind(key, api_host=address, use_insecure_channel=True, timeout=20, **options)
        self.image, self.video = self._client.image, self._client.video

    async def call(self, method, *arguments, **named):
        found = await asyncio.to_thread(method, *arguments, **named)
        return await found if inspect.isawaitable(found) else found

    async def refusal(self, method, *arguments, **named) -> tuple[grpc.StatusCode, str]:
        """Give status and words of a call that must fail."""
        with pytest.raises(grpc.RpcError) as caught:
            await self.call(method, *arguments, **named)
        return caught.value.code(), caught.value.details()

    async def picture(self, response) -> tuple[str, tuple[int, int]]:
        """Give format and size of an image, fetched by the SDK where it is behind a link."""
        data = await self.call(lambda: response.image)
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            return image.format, image.size

    async def close(self) -> None:
        await self.call(self._client.close)


@asynccontextmanager
async def opened(*arguments, **named) -> AsyncIterator[Sdk]:
    sdk = Sdk(*arguments, **named)
    try:
        yield sdk
    finally:
        await sdk.close()


@pytest.fixture(params=[Client, AsyncClient], ids=["sync", "async"])
async def sdk(request: pytest.FixtureRequest, address: str) -> AsyncIterator[Sdk]:
    async with opened(request.param, address) as client:
        yield client


@pytest.fixture
async def one(address: str) -> AsyncIterator[Sdk]:
    """The asynchronous client alone, where both would prove the same."""
    async with opened(AsyncClient, address) as client:
        yield client


async def film_of(response) -> tuple[int, int, float, bool]:
    async with httpx.AsyncClient(trust_env=False) as anybody:
        return await shown(anybody, response.url)


@pytest.mark.parametrize("form", ["url", "base64"])
async def test_the_sdk_gets_an_image_behind_a_link_or_inline_with_its_cost(sdk: Sdk, form: str):
    response = await sdk.call(
        sdk.image.sample, "a fox", IMAGE, image_format=form, aspect_ratio="9:19.5", resolution="1k"
    )

    assert await sdk.picture(response) == ("JPEG", (688, 1504))
    assert (response.model, response.respect_moderation) == (IMAGE, True)
    assert response.cost_usd == pytest.approx(0.02)
    if form == "url":
        assert response.url.startswith("http://127.0.0.1:")
    else:
        assert response.base64.startswith("data:image/jpeg;base64,")


async def test_the_sdk_gets_a_batch_of_two_different_images(sdk: Sdk):
    first, second = await sdk.call(
        sdk.image.sample_batch, "a fox", IMAGE, 2, aspect_ratio="16:9", quality="low", user="u-1"
    )

    assert first.url != second.url
    assert [await sdk.picture(item) for item in (first, second)] == [("JPEG", (1360, 768))] * 2


async def test_the_sdk_edits_an_image_in_the_images_own_shape(simulator: Simulator, sdk: Sdk):
    response = await sdk.call(
        sdk.image.sample,
        "make it blue",
        IMAGE,
        image_url=data_url((640, 480)),
        image_format="base64",
    )

    assert await sdk.picture(response) == ("JPEG", (1184, 880))
    assert simulator.calls.newest()[-1].path == "/v1/images/edits"


async def test_the_sdk_edits_several_images_by_link_and_by_file(one: Sdk):
    sources = {"image_urls": [data_url()], "image_file_ids": ["file-0123"]}
    response = await one.call(one.image.sample, "both", IMAGE, aspect_ratio="1:1", **sources)

    assert await one.picture(response) == ("JPEG", (1024, 1024))


async def test_the_sdk_polls_a_video_to_its_end(simulator: Simulator, sdk: Sdk):
    simulator.configure(Knobs(queue_ms=60, run_ms=60))
    response = await sdk.call(
        sdk.video.generate,
        "a fox runs",
        VIDEO,
        duration=2,
        aspect_ratio="2:3",
        resolution="720p",
        generate_audio=False,
        **OFTEN,
    )

    assert await film_of(response) == (720, 1088, 2.0, False)
    assert (response.model, response.duration, response.respect_moderation) == (VIDEO, 2, True)
    assert response.cost_usd == pytest.approx(2 * 0.07)
    polls = [
        call.status for call in simulator.calls.newest() if call.path.startswith("/v1/videos/")
    ]
    assert 202 in polls


async def test_the_sdk_makes_a_video_of_an_image(sdk: Sdk):
    response = await sdk.call(
        sdk.video.generate, "it moves", VIDEO, image_url=data_url((48, 64)), duration=1, **OFTEN
    )

    assert await film_of(response) == (480, 640, 1.0, True)


async def test_the_sdk_starts_a_video_and_gets_it_by_its_id(simulator: Simulator, sdk: Sdk):
    simulator.configure(Knobs(queue_ms=60_000))
    queued = await sdk.call(sdk.video.start, "a fox runs", VIDEO, duration=1)
    pending = await sdk.call(sdk.video.get, queued.request_id)
    assert (pending.status, pending.HasField("response")) == (PENDING, False)

    simulator.configure(Knobs(queue_ms=0, run_ms=60_000))
    running = await sdk.call(sdk.video.start, "a fox runs", VIDEO, duration=1)
    pending = await sdk.call(sdk.video.get, running.request_id)
    assert (pending.status, pending.response.progress) == (PENDING, 1)

    simulator.configure(AT_ONCE)
    started = await sdk.call(sdk.video.start, "a fox runs", VIDEO, duration=1)
    done = await sdk.call(sdk.video.get, started.request_id)
    assert (done.status, done.response.video.duration) == (DONE, 1)
    assert await film_of(done.response.video) == (848, 480, 1.0, True)


async def test_the_sdk_pins_frames_and_gives_references(one: Sdk):
    frames = {
        "image_url": data_url((48, 64)),
        "last_frame_url": data_url(),
        "keyframes": [{"image_file_id": "file-0123", "timestamp": 0.5}],
    }
    pinned = await one.call(one.video.generate, "", FRAMES, duration=1, **frames, **OFTEN)
    assert (await film_of(pinned))[:2] == (480, 640)

    references = {
        "reference_image_urls": [data_url((64, 64))],
        "reference_audios": [{"voice_id": "ara"}],
    }
    led = await one.call(one.video.generate, "a fox", FRAMES, duration=1, **references, **OFTEN)
    assert (await film_of(led))[:2] == (480, 480)


async def test_the_sdk_edits_and_extends_a_video(one: Sdk):
    url = "data:video/mp4;base64," + base64.b64encode(film(size=(96, 64))).decode()
    edited = await one.call(one.video.generate, "at night", VIDEO, video_url=url, **OFTEN)
    extended = await one.call(one.video.extend, "it leaves", VIDEO, url, duration=1, **OFTEN)

    assert await film_of(edited) == (96, 64, 1.0, True)
    assert await film_of(extended) == (96, 64, 2.0, True)


@pytest.mark.parametrize("kind", [Client, AsyncClient], ids=["sync", "async"])
async def test_a_wrong_key_is_an_invalid_argument_as_over_rest(address: str, kind):
    async with opened(kind, address, "xai-wrong") as sdk:
        for method, model in ((sdk.image.sample, IMAGE), (sdk.video.generate, VIDEO)):
            code, words = await sdk.refusal(method, "a fox", model)
            assert code == grpc.StatusCode.INVALID_ARGUMENT
            assert words.startswith("Incorrect API key provided.")


async def test_a_refused_prompt_says_that_it_was_moderated(sdk: Sdk):
    for method, model in ((sdk.image.sample, IMAGE), (sdk.video.generate, VIDEO)):
        code, words = await sdk.refusal(method, "moderation_blocked", model)
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        assert words == "The prompt was rejected by content moderation."


async def test_a_refused_result_is_an_image_without_url_or_a_failing_poll(sdk: Sdk):
    images = await sdk.call(sdk.image.sample_batch, "moderation_blocked_one", IMAGE, 2)
    assert [item.respect_moderation for item in images] == [False, True]
    with pytest.raises(ValueError, match="did not respect moderation rules"):
        _ = images[0].url

    code, words = await sdk.refusal(sdk.video.generate, "moderation_blocked_output", VIDEO, **OFTEN)
    assert (code, words) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "Generated video rejected by content moderation.",
    )
    hidden = await sdk.call(sdk.video.generate, "moderation_blocked_hidden", VIDEO, **OFTEN)
    with pytest.raises(ValueError, match="did not respect moderation rules"):
        _ = hidden.url


async def test_a_failed_video_raises_the_sdks_own_error_with_its_code(
    simulator: Simulator, sdk: Sdk
):
    await simulator.set_fault(NAME, Fault("job_fails", code="render_failed"))
    with pytest.raises(VideoGenerationError) as caught:
        await sdk.call(sdk.video.generate, "a fox runs", VIDEO, **OFTEN)

    assert caught.value.code == "render_failed"
    assert caught.value.message == "The video could not be generated."


async def test_the_rate_limit_is_an_exhausted_resource(simulator: Simulator, sdk: Sdk):
    simulator.configure(Knobs(requests_per_minute=1, queue_ms=0, run_ms=0))
    await sdk.call(sdk.video.start, "a fox runs", VIDEO)

    for method, model in ((sdk.image.sample, IMAGE), (sdk.video.start, VIDEO)):
        code, words = await sdk.refusal(method, "a fox", model)
        assert (code, words) == (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "Too many requests. Please slow down.",
        )


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        (Fault("status", status=401), "UNAUTHENTICATED", "Incorrect API key provided"),
        (Fault("status", status=403, code="out_of_credits"), "PERMISSION_DENIED", "available credits"),
        (Fault("status", status=404, code="nested"), "NOT_FOUND", "was not found"),
        (Fault("status", status=422), "INVALID_ARGUMENT", "Failed to deserialize"),
        (Fault("status", status=429, code="plain"), "RESOURCE_EXHAUSTED", "Too many requests"),
        (Fault("status", status=500), "INTERNAL", "An internal error occurred"),
    ],
)  # fmt: skip
async def test_an_error_arrives_as_its_status_with_xais_words(
    simulator: Simulator, one: Sdk, fault: Fault, code: str, words: str
):
    await simulator.set_fault(NAME, fault)
    for method, model in ((one.image.sample, IMAGE), (one.video.start, VIDEO)):
        found, said = await one.refusal(method, "a fox", model)
        assert found.name == code
        assert words in said


@pytest.mark.parametrize(
    "fault", [Fault("status", status=503), Fault("status", status=502), Fault("reset")]
)
async def test_what_is_unavailable_says_so_to_a_client_that_does_not_retry(
    simulator: Simulator, address: str, fault: Fault
):
    await simulator.set_fault(NAME, fault)
    once = [("grpc.enable_retries", 0)]
    async with opened(AsyncClient, address, channel_options=once) as sdk:
        code, _ = await sdk.refusal(sdk.image.sample, "a fox", IMAGE)

    assert code == grpc.StatusCode.UNAVAILABLE
    assert simulator.calls.counts()[NAME] == 1


async def test_the_sdk_retries_what_was_unavailable_once(simulator: Simulator, sdk: Sdk):
    await simulator.set_fault(NAME, Fault("status", status=503, times=1))
    await sdk.call(sdk.image.sample, "a fox", IMAGE)

    assert [call.status for call in simulator.calls.newest()] == [503, 200]


async def test_an_unknown_model_or_request_is_not_found(sdk: Sdk):
    assert (await sdk.refusal(sdk.video.get, "no-such-request"))[0] == grpc.StatusCode.NOT_FOUND
    assert (await sdk.refusal(sdk.image.sample, "a fox", "grok-9"))[0] == grpc.StatusCode.NOT_FOUND


async def test_the_face_refuses_to_store_rather_than_forget_it(simulator: Simulator, one: Sdk):
    options = {"storage_options": {"filename": "fox.jpg"}}
    code, _ = await one.refusal(one.image.sample, "a fox", IMAGE, **options)

    assert code == grpc.StatusCode.UNIMPLEMENTED
    assert simulator.calls.counts()[NAME] == 0
