"""The official WaveSpeed SDK, unmodified, against the simulated WaveSpeed."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from typing import Any

import av
import httpx
import pytest
from PIL import Image
from wavespeed import Client

from simulator import Fault, Knobs, SimulatedChannel, Simulator

pytestmark = pytest.mark.prove

KEY = "wavespeed-simulated-key"
IMAGE = "google/nano-banana-pro/text-to-image"
VIDEO = "bytedance/seedance-2.0/text-to-video"
SECONDS = 30.0

Run = Callable[..., Any]


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator([SimulatedChannel("wavespeed-a", KEY, "wavespeed")]) as opened:
        opened.configure(Knobs(queue_ms=0, run_ms=0))
        yield opened


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK reads its key, and `requests` its proxies, from the environment."""
    for name in ("WAVESPEED_API_KEY", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


async def aside(run: Run, *given: Any, **named: Any) -> Any:
    """In a thread: the SDK blocks."""
    return await asyncio.wait_for(asyncio.to_thread(run, *given, **named), SECONDS)


@pytest.fixture
def client(simulator: Simulator) -> Client:
    return Client(
        api_key=KEY,
        base_url=simulator.base_url("wavespeed-a"),
        max_connection_retries=1,
        retry_interval=0.01,
    )


async def fetched(url: str) -> bytes:
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(url)
    assert answer.status_code == 200
    return answer.content


async def test_an_image_is_made(client: Client) -> None:
    asked = {"prompt": "a fox", "aspect_ratio": "16:9", "resolution": "1k", "output_format": "jpeg"}
    made = await aside(client.run, IMAGE, asked, poll_interval=0.01)

    (url,) = made["outputs"]
    with Image.open(io.BytesIO(await fetched(url))) as image:
        assert (image.format, image.size) == ("JPEG", (1360, 768))


async def test_a_video_is_made(client: Client, simulator: Simulator) -> None:
    simulator.configure(Knobs(queue_ms=20, run_ms=20))
    asked = {"prompt": "a fox", "aspect_ratio": "9:16", "resolution": "480p", "duration": 4}
    made = await aside(client.run, VIDEO, asked, poll_interval=0.01)

    (url,) = made["outputs"]
    with av.open(io.BytesIO(await fetched(url))) as video:
        pictures = video.streams.video[0].codec_context
        assert (pictures.width, pictures.height) == (480, 854)
        assert video.duration == 4_000_000


async def test_seedream_takes_pixels(client: Client) -> None:
    asked = {"prompt": "a fox", "size": "2304*1728"}
    made = await aside(client.run, "bytedance/seedream-v5.0-lite", asked, poll_interval=0.01)

    with Image.open(io.BytesIO(await fetched(made["outputs"][0]))) as image:
        assert image.size == (2304, 1728)


async def test_a_prediction_can_be_read_again(client: Client) -> None:
    request_id, _ = await aside(client._submit, IMAGE, {"prompt": "a fox"})
    result = await aside(client.get_result, request_id)

    assert result["code"] == 200
    assert (result["data"]["id"], result["data"]["status"]) == (request_id, "completed")
    assert result["data"]["has_nsfw_contents"] == [False]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "HTTP 400.*prompt is required"),
        ({"prompt": "a fox", "resolution": "9k"}, "HTTP 400.*resolution is not one of"),
        ({"prompt": 7}, "HTTP 400.*prompt is invalid"),
    ],
)
async def test_a_wrong_input_is_refused(client: Client, asked: dict[str, Any], words: str) -> None:
    with pytest.raises(RuntimeError, match=words):
        await aside(client.run, IMAGE, asked)


async def test_a_wrong_key_and_an_unknown_model_are_refused(
    client: Client, simulator: Simulator
) -> None:
    stranger = Client(api_key="wrong", base_url=simulator.base_url("wavespeed-a"))
    with pytest.raises(RuntimeError, match="HTTP 401"):
        await aside(stranger.run, IMAGE, {"prompt": "a fox"})
    with pytest.raises(RuntimeError, match="HTTP 404"):
        await aside(client.run, "nobody/nothing", {"prompt": "a fox"})
    with pytest.raises(ValueError, match="API key is required"):
        await aside(Client(base_url="http://127.0.0.1:1").run, IMAGE, {"prompt": "a fox"})


@pytest.mark.parametrize("status", [402, 403, 429, 500, 503])
async def test_a_submission_that_fails_is_sent_once(
    client: Client, simulator: Simulator, status: int
) -> None:
    await simulator.set_fault("wavespeed-a", Fault("status", status=status))
    with pytest.raises(RuntimeError, match=f"HTTP {status}"):
        await aside(client.run, IMAGE, {"prompt": "a fox"}, max_retries=3)

    assert len(simulator.calls.newest()) == 1


async def test_a_lost_submission_is_not_sent_again(client: Client, simulator: Simulator) -> None:
    await simulator.set_fault("wavespeed-a", Fault("lost"))
    with pytest.raises(RuntimeError, match="did not return a response"):
        await aside(client.run, IMAGE, {"prompt": "a fox"}, max_retries=3)

    assert simulator.books()["wavespeed-a"].made == 1


async def test_a_look_that_fails_is_sent_again(client: Client, simulator: Simulator) -> None:
    await simulator.set_fault("wavespeed-a", Fault("status", status=503, on="poll", times=1))
    made = await aside(client.run, IMAGE, {"prompt": "a fox"}, poll_interval=0.01)

    assert len(made["outputs"]) == 1


async def test_a_failed_prediction_says_why(client: Client, simulator: Simulator) -> None:
    with pytest.raises(RuntimeError, match="flagged as potentially sensitive"):
        await aside(client.run, IMAGE, {"prompt": "moderation_blocked"})
    await simulator.set_fault("wavespeed-a", Fault("job_fails"))
    with pytest.raises(RuntimeError, match="Prediction failed"):
        await aside(client.run, IMAGE, {"prompt": "a fox"})


async def test_a_prediction_that_never_ends_times_out(client: Client, simulator: Simulator) -> None:
    await simulator.set_fault("wavespeed-a", Fault("job_hangs"))
    with pytest.raises(TimeoutError, match="timed out"):
        await aside(client.run, IMAGE, {"prompt": "a fox"}, timeout=0.2, poll_interval=0.05)
