"""Simulated Vidu's tasks over plain HTTP, as it has no SDK: lives, lists, callbacks, faults."""

import base64
import hmac
import io
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest
from aiohttp import web
from fix_simulator import until
from PIL import Image

from simulator import Fault, Knobs
from tests.simulator.video_callers import FAST, LINK, calling_vidu, data_url
from tests.simulator.video_callers import VIDU as NAME
from tests.simulator.video_callers import VIDU_KEY as KEY
from tests.simulator.video_callers import ViduCaller as Caller


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    async with calling_vidu() as opened:
        yield opened


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        ("text2video", {}, (1280, 720, 5, True)),
        (
            "text2video",
            {"resolution": "540p", "aspect_ratio": "3:4", "duration": 1, "audio": False},
            (608, 816, 1, False),
        ),
        ("img2video", {"images": [data_url((480, 640))], "duration": 1}, (832, 1108, 1, True)),
        (
            "start-end2video",
            {"images": [data_url((300, 300))] * 2, "duration": 1, "prompt": ""},
            (960, 960, 1, True),
        ),
        (
            "reference2video",
            {"model": "viduq3", "images": [LINK], "aspect_ratio": "1:1", "duration": 3},
            (720, 720, 3, True),
        ),
    ],
)
async def test_the_video_is_real_and_as_asked(
    caller: Caller, kind: str, fields: Any, expected: tuple[int, int, int, bool]
):
    assert await caller.video(await caller.made(kind, **fields)) == expected


async def test_what_is_made_tells_its_settings_and_its_price(caller: Caller):
    status, made = await caller.submit(
        "img2video", images=[LINK], payload="ours", seed=7, resolution="540p", duration=4
    )

    assert status == 200
    assert made["created_at"].endswith("Z")
    assert (
        made.items()
        >= {
            "type": "img2video",
            "state": "created",
            "model": "viduq3-pro",
            "prompt": "a fox",
            "images": [LINK],
            "payload": "ours",
            "seed": 7,
            "credits": 36,
            "watermark": False,
            "off_peak": False,
        }.items()
    )


async def test_a_task_waits_runs_and_ends(caller: Caller):
    caller.simulator.configure(Knobs(queue_ms=60_000))
    queued = await caller.task(await caller.made(payload="first"))
    caller.simulator.configure(Knobs(queue_ms=0, run_ms=60_000))
    running = await caller.task(await caller.made())
    caller.simulator.configure(FAST)
    done = await caller.task(await caller.made())

    assert [each["state"] for each in (queued, running, done)] == [
        "queueing",
        "processing",
        "success",
    ]
    assert (queued["payload"], queued["creations"]) == ("first", [])
    assert done["creations"][0].keys() == {"id", "url", "cover_url", "watermarked_url"}
    cover = await caller.client.get(done["creations"][0]["cover_url"])
    assert Image.open(io.BytesIO(cover.content)).size == (1280, 720)
    status, refused = await caller.send("GET", "/tasks/1/creations")
    assert (status, refused["reason"]) == (404, "TaskNotFound")


async def test_only_a_queued_task_is_cancelled(caller: Caller):
    caller.simulator.configure(Knobs(queue_ms=60_000))
    queued = await caller.made()
    caller.simulator.configure(Knobs(queue_ms=0, run_ms=60_000))
    running = await caller.made()

    async def cancel(task_id: str, named: str = "") -> tuple[int, Any]:
        return await caller.send("POST", f"/tasks/{task_id}/cancel", {"id": named or task_id})

    assert (await cancel(queued, "1"))[0] == 400
    assert await cancel(queued) == (200, {})
    cancelled = await caller.task(queued)
    assert (cancelled["state"], cancelled["err_code"], cancelled["credits"]) == (
        "failed",
        "UserCancelled",
        0,
    )
    for task_id, expected in ((queued, (409, "Conflict")), (running, (409, "Conflict"))):
        status, body = await cancel(task_id)
        assert (status, body["reason"]) == expected
    assert (await cancel("1"))[1]["reason"] == "TaskNotFound"


async def test_the_list_has_pages_and_times_and_shows_the_payload(caller: Caller):
    ids = [await caller.made(payload=f"mark-{number}") for number in range(3)]

    async def listed(query: str) -> tuple[list[str], str]:
        status, body = await caller.send("GET", f"/tasks?{query}")
        assert status == 200
        return [task["id"] for task in body["tasks"]], body["next_page_token"]

    _, body = await caller.send("GET", "/tasks")
    assert [task["payload"] for task in body["tasks"]] == ["mark-2", "mark-1", "mark-0"]
    assert {"model", "credits", "state", "created_at"} <= body["tasks"][0].keys()
    assert await listed("pager.page=0&pager.pagesz=2") == ([ids[2], ids[1]], "1")
    assert await listed("pager.page=1&pager.pagesz=2") == ([ids[0]], "")
    assert await listed("created_at.from=2999-01-01T00:00:00Z") == ([], "")
    assert await listed("created_at.to=2999-01-01T00:00:00Z&created_at.from=2020-01-01") == (
        ids[::-1],
        "",
    )
    for query, reason in (
        ("pager.pagesz=101", "PageSizeOutOfRange"),
        ("pager.page=x", "PageSizeOutOfRange"),
        ("created_at.from=yesterday", "FieldInvalid"),
    ):
        status, body = await caller.send("GET", f"/tasks?{query}")
        assert (status, body["reason"]) == (400, reason)


async def test_credits_are_taken_for_tasks_that_have_not_failed(caller: Caller):
    _, before = await caller.send("GET", "/credits?show_detail=true")
    await caller.made(duration=2)
    await caller.simulator.set_fault(NAME, Fault("job_fails", times=1))
    await caller.made(duration=2)
    _, after = await caller.send("GET", "/credits")

    spent = before["remains"][0]["credit_remain"] - after["remains"][0]["credit_remain"]
    assert spent == 40


async def test_spent_credits_are_a_400(caller: Caller):
    await caller.simulator.set_fault(NAME, Fault("status", status=400, code="CreditInsufficient"))
    status, body = await caller.submit()

    assert (status, body["code"], body["reason"]) == (400, 400, "CreditInsufficient")


async def test_moderation_refuses_at_the_start_or_at_the_end(caller: Caller):
    status, body = await caller.submit(prompt="moderation_blocked")
    assert (status, body["reason"]) == (400, "TaskPromptPolicyViolation")
    assert caller.simulator.calls.newest()[-1].outcome == "moderated"
    failed = await caller.task(await caller.made(prompt="moderation_blocked_output"))
    assert (failed["state"], failed["err_code"], failed["creations"], failed["credits"]) == (
        "failed",
        "CreationPolicyViolation",
        [],
        0,
    )


async def test_jobs_fail_hang_and_are_too_many_as_told(caller: Caller):
    await caller.simulator.set_fault(NAME, Fault("job_fails", times=1))
    failed = await caller.task(await caller.made())
    await caller.simulator.set_fault(NAME, Fault("job_hangs", times=1))
    hanging = await caller.task(await caller.made())
    caller.simulator.configure(Knobs(run_ms=60_000, max_unfinished=1))
    status, refused = await caller.submit()

    assert (failed["state"], failed["err_code"]) == ("failed", "InternalServiceFailure")
    assert hanging["state"] == "processing"
    assert (status, refused["reason"]) == (429, "QuotaExceeded")


@pytest.mark.parametrize(
    ("variant", "shown"),
    [
        ("no_data", []),
        ("no_image", [{"id": "1"}]),
        ("null_image", [{"id": "1", "url": None}]),
    ],
)
async def test_an_empty_success_says_nothing(caller: Caller, variant: str, shown: object):
    task_id = await caller.made()
    await caller.simulator.set_fault(NAME, Fault("empty", variant=variant))
    status, body = await caller.submit()

    assert (status, not body.get("task_id")) == (200, True)
    assert (await caller.task(task_id))["creations"] == shown
    assert caller.simulator.books()[NAME].made == 2


async def test_a_lost_submission_is_found_by_its_payload(caller: Caller):
    await caller.simulator.set_fault(NAME, Fault("lost"))
    with pytest.raises(httpx.RemoteProtocolError):
        await caller.submit(payload="mark")
    _, body = await caller.send("GET", "/tasks")

    assert [task["payload"] for task in body["tasks"]] == ["mark"]


@asynccontextmanager
async def receiver(
    *statuses: int,
) -> AsyncIterator[tuple[str, list[tuple[Mapping[str, str], Any]]]]:
    """Take callbacks, answering with *statuses*, then 200."""
    told: list[tuple[Mapping[str, str], Any]] = []
    answers = iter(statuses)

    async def take(request: web.Request) -> web.Response:
        told.append((request.headers, await request.json()))
        return web.Response(status=next(answers, 200))

    application = web.Application()
    application.router.add_post("/hook/{name}", take)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook/a?b=2%20c&a=1", told
    finally:
        await runner.cleanup()


def signature(key: str, headers: Mapping[str, str]) -> str:
    """What Vidu's page says the signature of a call to that receiver is."""
    named = headers["X-HMAC-SIGNED-HEADERS"].split(";")
    lines = ["POST", "/hook/a", "a=1&b=2%20c", headers["X-HMAC-ACCESS-KEY"], headers["Date"]]
    text = "\n".join(lines) + "\n" + "".join(f"{name}:{headers[name]}\n" for name in named)
    return base64.b64encode(hmac.digest(key.encode(), text.encode(), "sha256")).decode()


async def test_callbacks_tell_of_running_and_the_end_and_are_signed(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("simulator.callbacks.RETRY_SECONDS", 0.01)
    caller.simulator.configure(Knobs(queue_ms=30, run_ms=30))
    async with receiver(500) as (url, told):
        task_id = await caller.made(callback_url=url, payload="mark")
        await until(lambda: len(told) == 3)

    states = sorted(body["state"] for _, body in told)
    assert states == ["processing", "processing", "success"]
    assert told[-1][1]["payload"] == "mark"
    assert told[-1][1]["id"] == task_id
    for headers, _ in told:
        assert headers["X-HMAC-ALGORITHM"] == "hmac-sha256"
        assert headers["X-HMAC-ACCESS-KEY"] == "vidu"
        assert headers["X-HMAC-SIGNATURE"] == signature(KEY, headers)
        assert headers["X-HMAC-SIGNATURE"] != signature("other", headers)
        sent_at = parsedate_to_datetime(headers["Date"]).timestamp()
        assert abs(sent_at - time.time()) < 60
