"""Simulated Ark's tasks over plain HTTP: lives, lists, faults, callbacks, results."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import av
import pytest
from aiohttp import web
from fix_simulator import ArkCaller, until
from PIL import Image

from simulator import Fault, Knobs, Simulator
from simulator.ark_tasks import available

FAST = Knobs(queue_ms=0, run_ms=0)
HANGING = Knobs(queue_ms=0, run_ms=60_000)


async def test_a_queued_task_is_cancelled_a_running_one_is_not_a_finished_one_is_forgotten(
    ark: Simulator, ark_caller: ArkCaller
):
    ark.configure(Knobs(queue_ms=60_000))
    _, queued = await ark_caller.submit()
    ark.configure(HANGING)
    _, running = await ark_caller.submit()
    ark.configure(FAST)
    _, finished = await ark_caller.submit()

    async def delete(task):
        status, body = await ark_caller.send("DELETE", f"{ark_caller.tasks}/{task['id']}")
        return status, body.get("error", {}).get("code")

    assert await delete(queued) == (200, None)
    assert await delete(queued) == (409, "InvalidAction.CancelledTaskDeletion")
    assert await delete(running) == (409, "InvalidAction.RunningTaskDeletion")
    assert await delete(finished) == (200, None)
    assert await delete(finished) == (404, "ResourceNotFound")
    _, listed = await ark_caller.send("GET", ark_caller.tasks)
    assert [task["status"] for task in listed["items"]] == ["running", "cancelled"]
    # Whatever the protocol forgets, the record of what was made does not.
    _, jobs = await ark_caller.control("GET", "/_jobs?channel=ark-a")
    assert [job["deleted"] for job in jobs["jobs"]["ark-a"]] == [False, False, True]


async def test_pages_and_filters_of_the_list(ark: Simulator, ark_caller: ArkCaller):
    ark.configure(FAST)
    ids = [(await ark_caller.submit())[1]["id"] for _ in range(5)]

    async def listed(query: str):
        status, body = await ark_caller.send("GET", f"{ark_caller.tasks}?{query}")
        assert status == 200
        return body["total"], [task["id"] for task in body["items"]]

    assert await listed("page_num=2&page_size=2") == (5, [ids[2], ids[1]])
    assert await listed("page_num=9") == (5, [])
    assert await listed("filter.status=running") == (0, [])
    assert await listed(f"filter.task_ids={ids[0]}&filter.task_ids={ids[3]}") == (
        2,
        [ids[3], ids[0]],
    )
    for wrong in ("page_size=0", "page_num=x", "page_size=501", "filter.status=done"):
        status, body = await ark_caller.send("GET", f"{ark_caller.tasks}?{wrong}")
        assert (status, body["error"]["code"]) == (400, "InvalidParameter")


async def test_the_video_is_real_and_as_asked(ark: Simulator, ark_caller: ArkCaller):
    ark.configure(FAST)
    _, made = await ark_caller.submit(resolution="480p", ratio="9:16", duration=4)
    task = await ark_caller.ended(made["id"])
    async with ark_caller.session.get(task["content"]["video_url"]) as response:
        data = await response.read()
        assert (response.status, response.content_type) == (200, "video/mp4")

    with av.open(io.BytesIO(data)) as video:
        assert video.duration == 4_000_000
        (pictures,), (sound,) = video.streams.video, video.streams.audio
        assert (pictures.width, pictures.height) == (480, 864)
        assert (pictures.codec_context.name, sound.codec_context.name) == ("mpeg4", "aac")


@pytest.mark.parametrize(
    ("sent", "status", "first", "length"),
    [
        ("bytes=0-7", 206, 0, 8),
        ("bytes=-4", 206, -4, 4),
        ("bytes=100-", 206, 100, None),
        ("bytes=99999999-", 416, None, 0),
        ("bytes=5-2", 416, None, 0),
        ("bytes=0-1,4-5", 200, 0, None),
        ("chars=0-1", 200, 0, None),
    ],
)
async def test_results_can_be_read_in_ranges(
    ark: Simulator, ark_caller: ArkCaller, sent, status, first, length
):
    ark.configure(FAST)
    _, made = await ark_caller.submit(resolution="480p", duration=4)
    url = (await ark_caller.ended(made["id"]))["content"]["video_url"]
    async with ark_caller.session.get(url) as response:
        whole = await response.read()
    async with ark_caller.session.head(url) as response:
        assert response.content_length == len(whole)
        assert response.headers["accept-ranges"] == "bytes"
        assert await response.read() == b""
    async with ark_caller.session.get(url, headers={"range": sent}) as response:
        part = await response.read()

    assert response.status == status
    if first is None:
        assert response.headers["content-range"] == f"bytes */{len(whole)}"
        assert part == b""
    else:
        assert part == whole[first:][:length]


async def test_links_expire_and_cannot_be_made_up(ark: Simulator, ark_caller: ArkCaller):
    ark.configure(Knobs(queue_ms=0, run_ms=0, link_seconds=0))
    _, made = await ark_caller.submit()
    expired = (await ark_caller.ended(made["id"]))["content"]["video_url"]
    longer = expired.replace("X-Tos-Expires=0", "X-Tos-Expires=900")
    for url, code in ((expired, "AccessDenied"), (longer, "SignatureDoesNotMatch")):
        async with ark_caller.session.get(url) as response:
            assert (response.status, response.content_type) == (403, "application/xml")
            assert f"<Code>{code}</Code>" in await response.text()


async def test_moderation_refuses_at_the_start_or_at_the_end(ark: Simulator, ark_caller: ArkCaller):
    ark.configure(FAST)
    status, body = await ark_caller.submit("moderation_blocked")
    assert (status, body["error"]["code"]) == (400, "InputTextSensitiveContentDetected")
    assert ark.calls.newest()[-1].outcome == "moderated"
    _, made = await ark_caller.submit("moderation_blocked_output")
    task = await ark_caller.ended(made["id"])
    assert (task["status"], task["error"]["code"]) == (
        "failed",
        "OutputVideoSensitiveContentDetected",
    )
    assert "content" not in task


async def test_a_job_can_be_made_to_fail_or_to_hang(ark: Simulator, ark_caller: ArkCaller):
    ark.configure(FAST)
    await ark.set_fault("ark-a", Fault("job_fails", times=1))
    _, failing = await ark_caller.submit()
    _, second = await ark_caller.submit()
    await ark.set_fault("ark-a", Fault("job_fails", code="ServerOverloaded"))
    _, overloaded = await ark_caller.submit()
    await ark.set_fault("ark-a", Fault("job_hangs"))
    _, hanging = await ark_caller.submit()

    async def told(task):
        _, body = await ark_caller.send("GET", f"{ark_caller.tasks}/{task['id']}")
        return body["status"], body["error"] and body["error"]["code"]

    assert await told(failing) == ("failed", "InternalServiceError")
    assert await told(second) == ("succeeded", None)
    assert await told(overloaded) == ("failed", "ServerOverloaded")
    assert await told(hanging) == ("running", None)
    assert [call.fault for call in ark.calls.newest() if call.method == "POST"] == [
        "job_fails",
        None,
        "job_fails",
        "job_hangs",
    ]


async def test_a_lost_submit_makes_the_job_and_the_list_finds_it_by_its_marks(
    ark: Simulator, ark_caller: ArkCaller
):
    await ark.set_fault("ark-a", Fault("lost"))
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await ark_caller.submit(seed=4711, safety_identifier="mark")
    # The fault is still there: what only reads is answered all the same.
    _, listed = await ark_caller.send("GET", ark_caller.tasks)

    (task,) = listed["items"]
    assert (task["seed"], task["safety_identifier"]) == (4711, "mark")
    _, jobs = await ark_caller.control("GET", "/_jobs")
    (job,) = jobs["jobs"]["ark-a"]
    assert job["marks"] == {"seed": 4711, "safety_identifier": "mark"}
    _, counted = await ark_caller.control("GET", "/_calls/count")
    assert counted["routes"]["ark-a"] == {
        f"POST {ark_caller.tasks}": 1,
        f"GET {ark_caller.tasks}": 1,
    }
    assert ark.calls.newest()[0].made == 1


@pytest.mark.parametrize(
    ("variant", "answered"),
    [("no_data", {}), ("no_image", {"id": ""}), ("null_image", {"id": None})],
)
async def test_an_empty_submit_makes_a_job_and_does_not_say_which(
    ark: Simulator, ark_caller: ArkCaller, variant, answered
):
    await ark.set_fault("ark-a", Fault("empty", variant=variant, times=1))
    assert await ark_caller.submit() == (200, answered)
    assert ark.books()["ark-a"].made == 1


async def test_an_empty_poll_has_succeeded_without_a_video(ark: Simulator, ark_caller: ArkCaller):
    ark.configure(FAST)
    _, made = await ark_caller.submit()
    contents = []
    for variant in ("no_data", "no_image", "null_image"):
        await ark.set_fault("ark-a", Fault("empty", variant=variant))
        task = await ark_caller.ended(made["id"])
        contents.append(task.get("content"))

    assert task["status"] == "succeeded"
    assert contents == [None, {}, {"video_url": None}]


async def test_a_fault_can_be_of_one_operation_only(ark: Simulator, ark_caller: ArkCaller):
    ark.configure(FAST)
    await ark.set_fault("ark-a", Fault("status", status=500, on="poll", times=1))
    status, made = await ark_caller.submit()
    assert status == 200
    path = f"{ark_caller.tasks}/{made['id']}"
    assert (await ark_caller.send("GET", path))[0] == 500
    status, task = await ark_caller.send("GET", path)
    assert status == 200
    # A fault of every operation leaves the results alone; one of files meets nothing else.
    await ark.set_fault("ark-a", Fault("status", status=500))
    async with ark_caller.session.get(task["content"]["video_url"]) as response:
        assert response.status == 200
    await ark.set_fault("ark-a", Fault("cut", after=100, on="file"))
    assert (await ark_caller.send("GET", path))[0] == 200
    with pytest.raises(aiohttp.ClientPayloadError):
        async with ark_caller.session.get(task["content"]["video_url"]) as response:
            await response.read()


async def test_too_many_unfinished_jobs_are_refused(ark: Simulator, ark_caller: ArkCaller):
    ark.configure(Knobs(run_ms=60_000, max_unfinished=2))
    answers = [await ark_caller.submit() for _ in range(3)]

    assert [status for status, _ in answers] == [200, 200, 429]
    assert answers[-1][1]["error"]["code"] == "QuotaExceeded"
    _, counted = await ark_caller.control("GET", "/_jobs/count")
    assert counted["channels"]["ark-a"]["made"] == 2
    assert counted["channels"]["ark-b"]["made"] == 0


async def test_without_pyav_a_task_is_refused_with_what_to_install(
    ark: Simulator, ark_caller: ArkCaller, monkeypatch: pytest.MonkeyPatch
):
    assert available()
    monkeypatch.setattr("simulator.ark_tasks.available", lambda: False)
    status, body = await ark_caller.submit()

    assert status == 501
    assert "pip install" in body["error"]["message"]


@asynccontextmanager
async def receiver(*statuses: int) -> AsyncIterator[tuple[str, list[dict]]]:
    """Take callbacks, answering with *statuses*, then 200."""
    told: list[dict] = []
    answers = iter(statuses)

    async def take(request: web.Request) -> web.Response:
        told.append(json.loads(await request.read()))
        return web.Response(status=next(answers, 200))

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


async def test_a_callback_is_told_of_every_change(ark: Simulator, ark_caller: ArkCaller):
    ark.configure(Knobs(queue_ms=30, run_ms=30))
    async with receiver() as (url, told):
        _, made = await ark_caller.submit(callback_url=url, return_last_frame=True)
        await until(lambda: len(told) == 3)
        (job,) = ark.books()["ark-a"].all()
        await until(lambda: job.notified == 3)

    assert [body["status"] for body in told] == ["queued", "running", "succeeded"]
    assert told[-1] == await ark_caller.ended(made["id"])


async def test_a_callback_that_fails_is_tried_again_and_a_cancelled_task_is_silent(
    ark: Simulator, ark_caller: ArkCaller, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("simulator.callbacks.RETRY_SECONDS", 0.01)
    ark.configure(Knobs(queue_ms=60_000))
    async with receiver(500, 302) as (url, told):
        _, made = await ark_caller.submit(callback_url=url)
        await until(lambda: len(told) == 3)
        await ark_caller.send("DELETE", f"{ark_caller.tasks}/{made['id']}")
        (job,) = ark.books()["ark-a"].all()
        callbacks = ark._jobs["ark-a"]._tasks.callbacks
        await until(lambda: not callbacks._posting)
        # A minute passes.
        callbacks._heap[0].at = 0.0
        callbacks._wake.set()
        await until(lambda: not callbacks._heap and not callbacks._posting)

    assert [body["status"] for body in told] == ["queued"] * 3
    assert job.notified == 1


async def test_callbacks_go_to_loopback_only(ark: Simulator, ark_caller: ArkCaller):
    status, _ = await ark_caller.submit(callback_url="http://192.0.2.1/hook")
    assert status == 200
    assert ark._jobs["ark-a"]._tasks.callbacks._heap == []


async def test_two_thousand_jobs_in_flight_cost_no_task_each(ark: Simulator, ark_caller: ArkCaller):
    ark.configure(Knobs(queue_ms=0, run_ms=60_000, max_running=1_000))
    before = len(asyncio.all_tasks())

    async def submit_many() -> None:
        for _ in range(250):
            assert (await ark_caller.submit(callback_url="http://127.0.0.1:1/hook"))[0] == 200

    started = asyncio.get_running_loop().time()
    await asyncio.gather(*(submit_many() for _ in range(8)))
    assert asyncio.get_running_loop().time() - started < 20
    # Connections kept open, the callbacks' one task and the few that it may have posting.
    assert len(asyncio.all_tasks()) - before < 60
    _, counted = await ark_caller.control("GET", "/_jobs/count")
    counts = counted["channels"]["ark-a"]
    assert (counts["made"], counts["running"], counts["queued"]) == (2_000, 1_000, 1_000)
    _, listed = await ark_caller.send("GET", f"{ark_caller.tasks}?page_size=500")
    assert (listed["total"], len(listed["items"])) == (2_000, 500)


async def test_a_first_frame_decides_an_adaptive_ratio(ark: Simulator, ark_caller: ArkCaller):
    ark.configure(FAST)
    url = {"url": data_url((30, 40))}
    content = [{"type": "image_url", "image_url": url, "role": "first_frame"}]
    _, made = await ark_caller.submit(content=content)

    task = await ark_caller.ended(made["id"])
    assert task["ratio"] == "3:4"


def data_url(size: tuple[int, int]) -> str:
    import base64

    file = io.BytesIO()
    Image.new("RGB", size).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
