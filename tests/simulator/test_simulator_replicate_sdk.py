"""Replicate's own Python client, unmodified, against simulated Replicate."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aiohttp
import pytest
from aiohttp import web
from fix_simulator import until
from PIL import Image

from simulator import Fault, Knobs, SimulatedChannel, Simulator

pytestmark = pytest.mark.prove

replicate = pytest.importorskip("replicate")
errors = pytest.importorskip("replicate.exceptions")
standard = pytest.importorskip("standardwebhooks")

TOKEN = "r8_sim0123456789abcdef"
VEO = "google/veo-3.1"
VIDEO = {"prompt": "a fox", "duration": 4, "resolution": "720p", "seed": 7}


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator([SimulatedChannel("replicate-a", TOKEN, "replicate")]) as opened:
        opened.configure(Knobs(queue_ms=0, run_ms=0))
        yield opened


@pytest.fixture
async def client(simulator: Simulator):
    opened = replicate.Client(api_token=TOKEN, base_url=simulator.base_url("replicate-a"))
    opened.poll_interval = 0.01
    yield opened
    await opened._async_client.aclose()


async def made(client, model: str = VEO, **given):
    return await client.models.predictions.async_create(model, input=VIDEO, **given)


async def fetched(url: str) -> bytes:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == 200
        return await response.read()


async def test_running_a_model_gives_its_files(client):
    # The client makes files of https links only, so these stay links.
    links = await client.async_run(
        "openai/gpt-image-2",
        {"prompt": "a fox", "number_of_images": 2, "aspect_ratio": "3:2", "output_format": "png"},
    )

    assert len(links) == 2
    with Image.open(io.BytesIO(await fetched(links[0]))) as image:
        assert (image.format, image.size) == ("PNG", (1536, 1024))


async def test_a_model_of_one_output_gives_one_file(client):
    link = await client.async_run("google/nano-banana-pro", {"prompt": "a fox"})

    with Image.open(io.BytesIO(await fetched(link))) as image:
        assert (image.format, image.size) == ("JPEG", (1024, 1024))


async def test_a_prediction_starts_is_processed_and_succeeds(client, simulator):
    simulator.configure(Knobs(queue_ms=100, run_ms=100))
    prediction = await made(client)
    seen = [prediction.status]
    while seen[-1] in {"starting", "processing"}:
        await prediction.async_reload()
        seen.append(prediction.status)

    # A slow machine may miss a state, never see one out of turn.
    life = ["starting", "processing", "succeeded"]
    assert seen == sorted(seen, key=life.index)
    assert seen[0] == "starting"
    assert seen[-1] == "succeeded"
    assert prediction.metrics["predict_time"] == pytest.approx(0.1)
    assert prediction.input == {"duration": 4, "resolution": "720p", "seed": 7}
    assert (await fetched(prediction.output))[4:8] == b"ftyp"


async def test_waiting_holds_the_answer(client, simulator):
    simulator.configure(Knobs(queue_ms=0, run_ms=150))
    assert (await made(client)).status == "processing"
    assert (await made(client, wait=10)).status == "succeeded"
    simulator.configure(Knobs(queue_ms=0, run_ms=60_000))
    started = asyncio.get_running_loop().time()
    assert (await made(client, wait=1)).status == "processing"
    assert asyncio.get_running_loop().time() - started < 5


async def test_a_version_may_be_the_name_of_the_model(client):
    prediction = await client.predictions.async_create(version=VEO, input=VIDEO)
    await prediction.async_wait()

    assert prediction.status == "succeeded"


async def test_predictions_are_listed_and_cancelled(client, simulator):
    simulator.configure(Knobs(queue_ms=60_000))
    first = await made(client)
    for _ in range(100):
        await made(client)

    page = await client.predictions.async_list()
    assert len(page) == 100
    rest = await client.predictions.async_list(page.next)
    assert [each.id for each in rest] == [first.id]
    assert rest.next is None
    await first.async_cancel()
    assert first.status == "canceled"
    assert (await client.predictions.async_get(first.id)).status == "canceled"


async def test_refusals_are_typed(client, simulator):
    async def refused(**given) -> object:
        with pytest.raises(errors.ReplicateError) as caught:
            await client.models.predictions.async_create(**given)
        return caught.value

    missing = await refused(model=VEO, input={"duration": 4})
    assert (missing.status, missing.title) == (422, "Input validation failed")
    assert missing.detail == "- input: prompt is required"
    wrong = await refused(model=VEO, input=VIDEO | {"duration": 9})
    assert wrong.detail == "- input.duration: Must be less than or equal to 8"
    unknown = await refused(model=VEO, input=VIDEO | {"secret": 1})
    assert "secret" not in unknown.detail
    assert (await refused(model="google/unknown", input={})).status == 404
    await simulator.set_fault("replicate-a", Fault("status", status=402, times=1))
    poor = await refused(model=VEO, input=VIDEO)
    assert (poor.status, poor.title) == (402, "Insufficient credit")
    await simulator.set_fault("replicate-a", Fault("status", status=429, times=1))
    throttled = await refused(model=VEO, input=VIDEO)
    assert throttled.detail.startswith("Request was throttled.")
    stranger = replicate.Client(api_token="x", base_url=simulator.base_url("replicate-a"))
    with pytest.raises(errors.ReplicateError) as caught:
        await stranger.predictions.async_list()
    await stranger._async_client.aclose()
    assert (caught.value.status, caught.value.title) == (401, "Unauthenticated")


async def test_a_flagged_prediction_fails_with_e005(client):
    with pytest.raises(errors.ModelError) as caught:
        await client.async_run(VEO, {"prompt": "moderation_blocked"})

    assert "(E005)" in caught.value.prediction.error


async def test_a_prediction_can_fail_or_succeed_without_an_output(client, simulator):
    await simulator.set_fault("replicate-a", Fault("job_fails", code="E003", times=1))
    failed = await made(client)
    await failed.async_wait()
    assert (failed.status, failed.error[-6:]) == ("failed", "(E003)")
    empty = await made(client)
    await simulator.set_fault("replicate-a", Fault("empty", on="poll"))
    await empty.async_reload()
    assert (empty.status, empty.output) == ("succeeded", None)


async def test_inputs_and_outputs_are_wiped_after_a_while(client, simulator):
    simulator.configure(Knobs(queue_ms=0, run_ms=0, link_seconds=0))
    prediction = await made(client)
    url = f"{simulator.base_url('replicate-a')}/v1/predictions/{prediction.id}"
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(url) as response,
    ):
        shown = await response.json()

    assert (shown["status"], shown["output"], shown["input"]) == ("succeeded", None, {})
    assert shown["data_removed"] is True


@asynccontextmanager
async def receiver() -> AsyncIterator[tuple[str, list[tuple[dict, bytes]]]]:
    """Take webhooks: their headers and bodies."""
    told: list[tuple[dict, bytes]] = []

    async def take(request: web.Request) -> web.Response:
        told.append(
            ({name.lower(): each for name, each in request.headers.items()}, await request.read())
        )
        return web.Response()

    application = web.Application()
    application.router.add_post("/hook", take)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook", told
    finally:
        await runner.cleanup()


async def test_webhooks_are_standard_ones_and_of_the_events_asked_for(client, simulator):
    simulator.configure(Knobs(queue_ms=30, run_ms=30))
    async with receiver() as (url, told):
        prediction = await made(client, webhook=url, webhook_events_filter=["completed"])
        await until(lambda: len(told) == 1)
        other = await made(client, webhook=url)
        await until(lambda: len(told) == 4)
    secret = await client.webhooks.default.async_secret()

    bodies = [standard.Webhook(secret.key).verify(body, headers) for headers, body in told]
    assert [(body["id"], body["status"]) for body in bodies] == [
        (prediction.id, "succeeded"),
        (other.id, "starting"),
        (other.id, "processing"),
        (other.id, "succeeded"),
    ]
    assert json.loads(told[0][1])["output"].startswith(simulator.base_url("replicate-a"))
    created = datetime.fromisoformat(bodies[0]["created_at"])
    assert abs((datetime.now(UTC) - created).total_seconds()) < 60
