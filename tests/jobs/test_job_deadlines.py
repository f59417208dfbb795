"""Jobs that take too long, and jobs that their provider forgets; the clock is the test's."""

import asyncio

import pytest

from core.errors import Fault, Phase, UpstreamError
from core.model import AttemptState, GenerationState
from tests.generating import SECONDS, failed_reason, generate, kinds
from tests.jobs.following import listed, reached, row_of, video
from tests.scripted_jobs import FAILS, PRICE, A, B, Clock


@pytest.mark.parametrize("settings", [{"job_seconds": 100.0}])
async def test_a_job_that_takes_too_long_is_of_unknown_fate_until_it_ends(
    channel, core, clock: Clock, settings
):
    gate = asyncio.Event()
    core.upstream.plan(A, "look", (lambda: clock.jump(101.0),), (gate,))
    running = asyncio.ensure_future(generate(channel, video()))
    async with asyncio.timeout(SECONDS):
        while core.upstream.count(A, "look") < 2:
            await asyncio.sleep(0.001)
    (row,) = await listed(core)
    gate.set()
    events = await running
    (ended,) = await listed(core)

    assert row.fate_unknown_since is not None
    assert kinds(events)[-1] == "completed"
    assert ended.fate_unknown_since is None


async def test_a_failure_after_a_long_time_leaves_nothing_unknown_about_the_next_job(
    channel, core, clock: Clock
):
    gate = asyncio.Event()
    core.upstream.lives[A] = ["running", FAILS]
    core.upstream.plan(A, "look", (lambda: clock.jump(301.0),))
    core.upstream.plan(B, "look", (gate,))
    running = asyncio.ensure_future(generate(channel, video()))
    await reached(core, B, "look")
    (row,) = await listed(core)
    gate.set()
    await running

    assert row.fate_unknown_since is None


@pytest.mark.parametrize("settings", [{"sla_seconds": 1000.0, "job_seconds": 500.0}])
async def test_the_sla_ends_what_does_not_end(channel, core, clock: Clock, settings):
    core.upstream.lives[A] = ["running"]
    core.upstream.plan(A, "look", (), (lambda: clock.jump(1001.0),))
    events = await generate(channel, video())
    row, (attempt,) = await row_of(core)

    assert failed_reason(events[-1]) == "UPSTREAM_TIMEOUT"
    assert (row.state, attempt.state) == (GenerationState.FAILED, AttemptState.LOST)
    assert attempt.upstream_job_id == "cgt-seedance-a-0"
    assert core.upstream.tasks[B] == []
    assert await core.balance() == (10_000, 0)


@pytest.mark.parametrize("settings", [{"sla_seconds": 1000.0, "job_seconds": 500.0}])
async def test_at_the_sla_one_more_look_finds_what_was_made_meanwhile(
    channel, core, clock: Clock, settings
):
    core.upstream.lives[A] = ["running", "succeeded"]
    core.upstream.plan(A, "look", (lambda: clock.jump(1001.0),))
    events = await generate(channel, video())

    assert kinds(events)[-1] == "completed"
    assert core.upstream.count(A, "look") == 2
    assert await core.balance() == (10_000 - 5 * PRICE, 0)


@pytest.mark.parametrize("missing", [404, 410])
async def test_a_job_that_nobody_knows_any_more_is_made_elsewhere_but_not_at_once(
    channel, core, clock: Clock, missing
):
    gone = ((missing, {"error": {"code": "NotFound"}}),)
    core.upstream.always(A, "look", *gone)
    core.upstream.plan(A, "look", gone, gone, gone, gone, (lambda: clock.jump(31.0), *gone))
    events = await generate(channel, video())

    assert core.upstream.count(A, "look") == 5
    assert events[-1].completed.generation.channel == B
    assert await core.balance() == (10_000 - 5 * PRICE, 0)


async def test_one_look_that_finds_nothing_among_failures_is_no_proof(channel, core, clock: Clock):
    down = (UpstreamError(Fault.SERVER_ERROR, Phase.BODY),)
    gone = ((404, {"error": {"code": "NotFound"}}),)
    core.upstream.plan(A, "look", (lambda: clock.jump(31.0), *down), down, down, gone)
    events = await generate(channel, video())

    assert events[-1].completed.generation.channel == A
    assert core.upstream.tasks[B] == []
