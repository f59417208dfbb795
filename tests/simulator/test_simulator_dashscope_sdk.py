"""The official DashScope SDK, unmodified, against simulated DashScope."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Any

import av
import httpx
import pytest

from simulator import Fault, Knobs, SimulatedChannel, Simulator

pytestmark = pytest.mark.prove

NAME, KEY = "dashscope-a", "sk-sim-dashscope-0123456789"
T2V = "happyhorse-1.0-t2v"
FAST = Knobs(queue_ms=0, run_ms=0)
dashscope = pytest.importorskip("dashscope")
aio_session = pytest.importorskip("dashscope.api_entities.aio_session")
http_request = pytest.importorskip("dashscope.api_entities.http_request")
sdk_error = pytest.importorskip("dashscope.common.error")
video_synthesis = pytest.importorskip("dashscope.aigc.video_synthesis")
Synthesis = dashscope.VideoSynthesis


@pytest.fixture
async def upstream(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Simulator]:
    async with Simulator([SimulatedChannel(NAME, KEY, "dashscope")]) as opened:
        opened.configure(FAST)
        url = f"{opened.base_url(NAME)}/api/v1"
        monkeypatch.setattr(dashscope, "base_http_api_url", url)
        monkeypatch.setattr(dashscope, "api_key", KEY)
        yield opened
        # It keeps its connections for the life of the process.
        http_request.close_shared_sync_session()


async def aside(call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call the blocking SDK without blocking the simulator."""
    return await asyncio.wait_for(asyncio.to_thread(call, *arguments, **named), 20)


async def test_a_video_is_made_and_is_as_asked(upstream: Simulator):
    made = await aside(
        Synthesis.async_call,
        T2V,
        "a fox",
        resolution="720P",
        ratio="9:16",
        duration=3,
        seed=7,
        watermark=False,
    )
    assert (made.status_code, made.output.task_status) == (HTTPStatus.OK, "PENDING")
    done = await aside(Synthesis.wait, made)

    assert (done.output.task_status, done.output.task_id) == ("SUCCEEDED", made.output.task_id)
    assert (done.usage["output_video_duration"], done.usage["SR"]) == (3, 720)
    assert done.usage["ratio"] == "9:16"
    async with httpx.AsyncClient() as client:
        file = await client.get(done.output.video_url)
    with av.open(io.BytesIO(file.content)) as video:
        assert (video.streams.video[0].width, video.streams.video[0].height) == (720, 1280)
        assert video.duration == 3_000_000
        assert video.streams.audio
    (job,) = upstream.books()[NAME].all()
    assert job.marks["watermark"] is False


async def test_the_watermark_is_there_unless_it_is_refused(upstream: Simulator):
    await aside(Synthesis.async_call, T2V, "a fox")
    (job,) = upstream.books()[NAME].all()

    assert job.marks["watermark"] is True


async def test_media_are_taken_by_type(upstream: Simulator):
    media = [{"type": "video", "url": "https://example.org/a.mp4"}] + [
        {"type": "reference_image", "url": f"https://example.org/{number}.png"}
        for number in range(5)
    ]
    made = await aside(
        Synthesis.async_call,
        "happyhorse-1.0-video-edit",
        "make it blue",
        media=media,
        audio_setting="origin",
    )
    done = await aside(Synthesis.fetch, made)

    assert done.output.task_status == "SUCCEEDED"
    assert done.usage["duration"] == 2 * done.usage["output_video_duration"] == 10


async def test_tasks_are_listed_and_only_a_pending_one_is_cancelled(upstream: Simulator):
    done = await aside(Synthesis.async_call, T2V, "a fox")
    upstream.configure(Knobs(queue_ms=60_000))
    queued = await aside(Synthesis.async_call, "happyhorse-1.1-t2v", "a fox")

    listed = await aside(Synthesis.list, page_size=1)
    assert (listed.output["total"], listed.output["total_page"]) == (2, 2)
    assert [row["task_id"] for row in listed.output["data"]] == [queued.output.task_id]
    assert listed.output["data"][0]["request_id"] == queued.request_id
    listed = await aside(Synthesis.list, model_name=T2V, status="SUCCEEDED")
    assert [row["task_id"] for row in listed.output["data"]] == [done.output.task_id]
    assert (await aside(Synthesis.cancel, queued)).status_code == HTTPStatus.OK
    assert (await aside(Synthesis.fetch, queued)).output.task_status == "CANCELED"
    refused = await aside(Synthesis.cancel, done)
    assert (refused.status_code, refused.code) == (400, "UnsupportedOperation")


async def test_refusals_are_typed(upstream: Simulator):
    refused = await aside(Synthesis.async_call, T2V, "a fox", duration=2)
    assert (refused.status_code, refused.code) == (400, "InvalidParameter")
    assert refused.request_id
    with pytest.raises(sdk_error.InvalidTask):
        await aside(Synthesis.wait, refused)
    refused = await aside(Synthesis.async_call, T2V, "moderation_blocked")
    assert refused.code == "DataInspectionFailed"
    refused = await aside(Synthesis.async_call, "happyhorse-9", "a fox")
    assert (refused.status_code, refused.code) == (404, "ModelNotFound")
    refused = await aside(Synthesis.async_call, T2V, "a fox", api_key="sk-of-another-region")
    assert (refused.status_code, refused.code) == (401, "InvalidApiKey")
    await upstream.set_fault(NAME, Fault("status", status=429, code="Throttling.AllocationQuota"))
    refused = await aside(Synthesis.async_call, T2V, "a fox")
    assert (refused.status_code, refused.code) == (429, "Throttling.AllocationQuota")


async def test_a_failure_of_the_task_comes_with_the_status_200(upstream: Simulator):
    made = await aside(Synthesis.async_call, T2V, "moderation_blocked_output")
    failed = await aside(Synthesis.wait, made)

    assert (failed.status_code, failed.output.task_status) == (HTTPStatus.OK, "FAILED")
    assert failed.output["code"] == "DataInspectionFailed"
    unknown = await aside(Synthesis.wait, "0385dc79-0000-0000-0000-000000000000")
    assert (unknown.status_code, unknown.output.task_status) == (HTTPStatus.OK, "UNKNOWN")


async def test_the_asynchronous_sdk_speaks_the_same(upstream: Simulator):
    sdk = video_synthesis.AioVideoSynthesis
    try:
        made = await sdk.async_call(T2V, "a fox", duration=3)
        done = await sdk.wait(made)
    finally:
        await aio_session.close_shared_aio_session()

    assert done.output.task_status == "SUCCEEDED"
    assert done.output.video_url.startswith(upstream.base_url(NAME))
