"""Simulated DashScope's tasks over plain HTTP: lives, lists, faults, results."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from simulator import Fault, Knobs
from tests.simulator.video_callers import DASHSCOPE as NAME
from tests.simulator.video_callers import (
    FAST,
    FILM,
    calling_dashscope,
    data_url,
    media,
)
from tests.simulator.video_callers import DashScopeCaller as Caller


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    async with calling_dashscope() as opened:
        yield opened


@pytest.mark.parametrize(
    ("model", "fields", "expected"),
    [
        ("happyhorse-1.0-t2v", {}, (1920, 1080, 5, True)),
        (
            "happyhorse-1.0-t2v",
            {"resolution": "720P", "ratio": "1:1", "duration": 3, "unknown": 1},
            (960, 960, 3, True),
        ),
        (
            "happyhorse-1.0-i2v",
            {
                "prompt": "",
                "media": media("first_frame", url=data_url((480, 640))),
                "resolution": "720P",
            },
            (832, 1108, 5, True),
        ),
        (
            "happyhorse-1.0-video-edit",
            {"media": [FILM, *media("reference_image")], "resolution": "720P"},
            (1280, 720, 5, True),
        ),
        (
            "vidu/viduq3-pro_text2video",
            {"resolution": "540P", "size": "528*960", "duration": 2},
            (528, 960, 2, False),
        ),
        ("vidu/viduq3-turbo_text2video", {"audio": True, "duration": 1}, (1280, 720, 1, True)),
        (
            "vidu/viduq3-turbo_start-end2video",
            {"media": media("image", "image", url=data_url((300, 300))), "duration": 2},
            (960, 960, 2, False),
        ),
        (
            "vidu/viduq3_reference2video",
            {"media": media("image"), "size": "720*960", "duration": 2},
            (720, 960, 2, False),
        ),
    ],
)
async def test_the_video_is_real_and_as_asked(
    caller: Caller, model: str, fields: Any, expected: tuple[int, int, int, bool]
):
    assert await caller.video(await caller.made(model, **fields)) == expected


async def test_the_usage_is_in_the_words_of_the_model(caller: Caller):
    horse = await caller.made(resolution="720P", ratio="4:5", duration=3)
    vidu = await caller.made("vidu/viduq3-pro_text2video", resolution="540P")

    assert (await caller.task(horse))["usage"] == {
        "duration": 3,
        "input_video_duration": 0,
        "output_video_duration": 3,
        "video_count": 1,
        "SR": 720,
        "ratio": "4:5",
    }
    assert (await caller.task(vidu))["usage"] == {
        "duration": 5,
        "output_video_duration": 5,
        "video_count": 1,
        "size": "960*528",
        "fps": 24,
        "audio": False,
        "SR": "540",
    }


async def test_a_task_waits_runs_and_ends(caller: Caller):
    caller.simulator.configure(Knobs(queue_ms=60_000))
    pending = await caller.task(await caller.made())
    caller.simulator.configure(Knobs(queue_ms=0, run_ms=60_000))
    running = await caller.task(await caller.made())
    caller.simulator.configure(FAST)
    done = await caller.task(await caller.made())

    statuses = [each["output"]["task_status"] for each in (pending, running, done)]
    assert statuses == ["PENDING", "RUNNING", "SUCCEEDED"]
    times = {"submit_time", "scheduled_time", "end_time"}
    assert [len(times & each["output"].keys()) for each in (pending, running, done)] == [1, 2, 3]
    assert "orig_prompt" not in done["output"]


async def test_a_size_of_another_resolution_fails_the_task(caller: Caller):
    model = "vidu/viduq3-pro_text2video"
    failed = await caller.task(await caller.made(model, resolution="540P", size="1280*720"))

    assert failed["output"]["task_status"] == "FAILED"
    assert failed["output"]["code"] == "InvalidParameter"


async def test_a_task_is_forgotten_after_a_day(caller: Caller, monkeypatch: pytest.MonkeyPatch):
    task_id = await caller.made()
    monkeypatch.setattr("simulator.dashscope_tasks.KEPT_SECONDS", 0.0)

    assert (await caller.task(task_id))["output"] == {
        "task_id": task_id,
        "task_status": "UNKNOWN",
    }
    status, refused = await caller.send("POST", f"/tasks/{task_id}/cancel")
    assert (status, refused["code"]) == (400, "UnsupportedOperation")


async def test_only_a_pending_task_is_cancelled(caller: Caller):
    caller.simulator.configure(Knobs(queue_ms=60_000))
    pending = await caller.made()
    caller.simulator.configure(Knobs(queue_ms=0, run_ms=60_000))
    running = await caller.made()

    status, body = await caller.send("POST", f"/tasks/{pending}/cancel")
    assert (status, [*body]) == (200, ["request_id"])
    assert (await caller.task(pending))["output"]["task_status"] == "CANCELED"
    for task_id in (pending, running, "nobody"):
        status, body = await caller.send("POST", f"/tasks/{task_id}/cancel")
        assert (status, body["code"]) == (400, "UnsupportedOperation")
    assert (await caller.task(running))["output"]["task_status"] == "RUNNING"


async def test_the_list_has_pages_filters_and_a_day(caller: Caller):
    ids = [await caller.made(duration=3) for _ in range(3)]
    vidu = await caller.made("vidu/viduq3-pro_text2video")

    async def listed(query: str) -> tuple[int, list[str]]:
        status, body = await caller.send("GET", f"/tasks/?{query}")
        assert status == 200
        return body["total"], [row["task_id"] for row in body["data"]]

    assert await listed("page_size=2") == (4, [vidu, ids[2]])
    assert await listed("page_size=2&page_no=2") == (4, [ids[1], ids[0]])
    assert await listed("page_no=9") == (4, [])
    assert await listed("model_name=vidu/viduq3-pro_text2video") == (1, [vidu])
    assert await listed("status=RUNNING") == (0, [])
    assert await listed(f"task_id={ids[1]}") == (1, [ids[1]])
    assert await listed("start_time=20200101000000") == (0, [])
    for wrong in (
        *("page_no=0", "page_no=x", "page_size=101", "status=done", "start_time=yesterday"),
        "start_time=20200101000000&end_time=20200102000001",
        "start_time=20200102000000&end_time=20200101000000",
    ):
        status, body = await caller.send("GET", f"/tasks/?{wrong}")
        assert (status, body["code"]) == (400, "InvalidParameter")


async def test_moderation_refuses_at_the_start_or_at_the_end(caller: Caller):
    status, body = await caller.submit(prompt="moderation_blocked")
    assert (status, body["code"]) == (400, "DataInspectionFailed")
    assert caller.simulator.calls.newest()[-1].outcome == "moderated"
    failed = await caller.task(await caller.made(prompt="moderation_blocked_output"))
    assert failed["output"]["task_status"] == "FAILED"
    assert failed["output"]["message"].startswith("Output data")


async def test_jobs_fail_hang_and_are_too_many_as_told(caller: Caller):
    await caller.simulator.set_fault(NAME, Fault("job_fails", code="ModelUnavailable", times=1))
    failed = await caller.task(await caller.made())
    await caller.simulator.set_fault(NAME, Fault("job_hangs", times=1))
    hanging = await caller.task(await caller.made())
    caller.simulator.configure(Knobs(run_ms=60_000, max_unfinished=1))
    status, refused = await caller.submit()

    assert (failed["output"]["task_status"], failed["output"]["code"]) == (
        "FAILED",
        "ModelUnavailable",
    )
    assert hanging["output"]["task_status"] == "RUNNING"
    assert (status, refused["code"]) == (429, "Throttling")


async def test_the_rate_is_limited_for_what_makes_something(caller: Caller):
    caller.simulator.configure(Knobs(requests_per_minute=1))
    task_id = await caller.made()
    status, refused = await caller.submit()

    assert (status, refused["code"]) == (429, "Throttling.RateQuota")
    await caller.task(task_id)


@pytest.mark.parametrize(
    ("variant", "answered", "shown"),
    [
        ("no_data", None, {}),
        ("no_image", {"task_status": "PENDING", "task_id": ""}, {"video_url": ""}),
        ("null_image", {"task_status": "PENDING", "task_id": None}, {"video_url": None}),
    ],
)
async def test_an_empty_success_says_nothing(caller: Caller, variant: str, answered, shown):
    task_id = await caller.made()
    await caller.simulator.set_fault(NAME, Fault("empty", variant=variant))
    status, body = await caller.submit()
    output = (await caller.task(task_id))["output"]

    assert (status, body.get("output")) == (200, answered)
    assert output["task_status"] == "SUCCEEDED"
    assert {name: output[name] for name in output if name == "video_url"} == shown
    assert caller.simulator.books()[NAME].made == 2


async def test_a_lost_submission_is_in_the_list_but_shows_no_mark(caller: Caller):
    await caller.simulator.set_fault(NAME, Fault("lost", times=1))
    with pytest.raises(httpx.RemoteProtocolError):
        await caller.submit(seed=4711)
    _, listed = await caller.send("GET", "/tasks/")

    assert listed["total"] == 1
    assert "4711" not in json.dumps(listed)
