"""Whoever waits for the next look is woken early by a hint, and by none that is used up."""

import asyncio
from uuid import uuid4

import pytest

from core.engine.events import Live
from tests.generating import SECONDS, generate, kinds
from tests.jobs.following import reached, video
from tests.scripted_jobs import A

LONG = 600.0


async def test_a_pause_ends_by_itself():
    await asyncio.wait_for(Live(uuid4(), uuid4(), 1).pause(0.001), SECONDS)


async def test_a_hint_ends_a_pause():
    live = Live(uuid4(), uuid4(), 1)
    pausing = asyncio.ensure_future(live.pause(LONG))
    await asyncio.sleep(0)
    live.nudge()

    await asyncio.wait_for(pausing, SECONDS)


async def test_a_hint_before_a_pause_counts_for_one():
    live = Live(uuid4(), uuid4(), 1)
    live.nudge()
    live.nudge()
    await asyncio.wait_for(live.pause(LONG), SECONDS)
    second = asyncio.ensure_future(live.pause(LONG))
    await asyncio.sleep(0)

    assert not second.done()
    second.cancel()


@pytest.mark.parametrize("settings", [{"poll_seconds": LONG}])
async def test_a_hint_during_a_look_leads_to_another_at_once(channel, core, settings):
    gate = asyncio.Event()
    core.upstream.lives[A] = ["running", "succeeded"]
    core.upstream.plan(A, "look", (gate,))
    running = asyncio.ensure_future(generate(channel, video()))
    async with asyncio.timeout(SECONDS):
        while not core.upstream.tasks[A]:
            await asyncio.sleep(0.001)
    (id_,) = core.engine._live
    core.engine.hint(id_)
    await reached(core, A, "look")
    core.engine.hint(id_)
    gate.set()
    events = await running

    assert kinds(events)[-1] == "completed"
    assert core.upstream.count(A, "look") == 2
