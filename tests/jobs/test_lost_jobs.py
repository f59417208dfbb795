"""Submissions that were sent and not answered: found by their mark, or made elsewhere."""

import asyncio

import pytest

from billing.ledger import Settle, Void
from core.errors import Fault, Phase, UpstreamError
from core.model import AttemptState, GenerationState
from core.providers import JOB_DIALECTS
from core.providers.ark_videos import ArkVideos
from tests.generating import SECONDS, failed_reason, generate, kinds
from tests.jobs.following import commits_of, listed, reached, row_of, video
from tests.scripted_jobs import FAILS, LOST, MADE, PRICE, A, B, Clock

UNANSWERED = [
    (LOST,),
    (UpstreamError(Fault.TIMEOUT, Phase.FIRST_BYTE),),
    ((200, b"<html>"),),
    ((200, {"id": "../admin"}),),
    ((504, {}),),
]
DOWN = UpstreamError(Fault.SERVER_ERROR, Phase.BODY)


@pytest.mark.parametrize("steps", UNANSWERED, ids=str)
async def test_a_job_whose_answer_got_lost_is_found_and_not_made_again(channel, core, steps):
    commits = commits_of(core)
    core.upstream.plan(A, "submit", (MADE, *steps))
    events = await generate(channel, video())
    row, (attempt,) = await row_of(core)

    assert kinds(events) == ["accepted", "attempt", "output", "usage", "completed"]
    assert (core.upstream.count(A, "submit"), core.upstream.count(B, "submit")) == (1, 0)
    assert (row.state, row.fate_unknown_since) == (GenerationState.SUCCEEDED, None)
    assert attempt.state is AttemptState.DONE
    assert attempt.upstream_job_id == "cgt-seedance-a-0"
    assert [type(part) for part in commits].count(Settle) == 1
    assert await core.balance() == (10_000 - 5 * PRICE, 0)


async def test_while_nobody_knows_its_fate_the_row_says_so(channel, core):
    search, look = asyncio.Event(), asyncio.Event()
    core.upstream.plan(A, "submit", (MADE, LOST))
    core.upstream.plan(A, "find", (search,))
    core.upstream.plan(A, "look", (look,))
    running = asyncio.ensure_future(generate(channel, video()))
    await reached(core, A, "find")
    (unknown,) = await listed(core)
    search.set()
    await reached(core, A, "look")
    (known,) = await listed(core)
    look.set()
    await running

    assert unknown.state is GenerationState.RUNNING, "something may run there"
    assert unknown.fate_unknown_since is not None
    assert (known.state, known.fate_unknown_since) == (GenerationState.RUNNING, None)


async def test_what_two_searches_do_not_find_after_a_while_is_made_elsewhere(
    channel, core, clock: Clock
):
    look = asyncio.Event()
    core.upstream.plan(A, "submit", (LOST,))
    core.upstream.plan(A, "find", (), (), (), (lambda: clock.jump(10.0),))
    core.upstream.plan(B, "look", (look,))
    running = asyncio.ensure_future(generate(channel, video()))
    await reached(core, B, "look")
    (row,) = await listed(core)
    look.set()
    events = await running
    _, (first, second) = await row_of(core)

    assert core.upstream.count(A, "find") == 4
    assert row.fate_unknown_since is None, "the job that runs now is known"
    assert events[-1].completed.generation.channel == B
    assert (first.state, first.fault) == (AttemptState.LOST, Fault.LOST)
    assert second.mark.hex == core.upstream.tasks[B][0].mark
    assert await core.balance() == (10_000 - 5 * PRICE, 0)


async def test_a_search_that_fails_is_no_proof_of_anything(channel, core, clock: Clock):
    core.upstream.plan(A, "submit", (MADE, LOST))
    hidden = ((200, {"items": [], "total": 0}),)
    late = (lambda: clock.jump(20.0), DOWN)
    core.upstream.plan(A, "find", hidden, late, hidden, (DOWN,), hidden, ((200, {}),), ())
    events = await generate(channel, video())

    assert events[-1].completed.generation.channel == A
    assert core.upstream.count(A, "find") == 7
    assert core.upstream.count(B, "submit") == 0


async def test_a_job_that_is_listed_late_is_found_all_the_same(channel, core):
    core.upstream.plan(A, "submit", (MADE, LOST))
    hidden = ((200, {"items": [], "total": 0}),)
    core.upstream.plan(A, "find", *[hidden] * 9)
    events = await generate(channel, video())

    assert events[-1].completed.generation.channel == A
    assert core.upstream.count(A, "submit") == 1


@pytest.mark.parametrize("settings", [{"sla_seconds": 1000.0}])
@pytest.mark.parametrize("made", [(MADE,), ()])
async def test_what_cannot_be_found_out_ends_at_the_sla(
    channel, core, clock: Clock, made, settings
):
    commits = commits_of(core)
    core.upstream.plan(A, "submit", (*made, LOST))
    core.upstream.always(A, "find", DOWN)
    core.upstream.plan(A, "find", (DOWN,), (DOWN,), (lambda: clock.jump(1001.0), DOWN))
    events = await generate(channel, video())
    row, (attempt,) = await row_of(core)

    assert failed_reason(events[-1]) == "UPSTREAM_TIMEOUT"
    assert (row.state, row.fate_unknown_since) == (GenerationState.FAILED, None)
    assert attempt.state is AttemptState.LOST
    assert [type(part) for part in commits].count(Void) == 1
    assert core.upstream.count(B, "submit") == 0
    assert await core.balance() == (10_000, 0)


@pytest.mark.parametrize("settings", [{"sla_seconds": 1000.0}])
async def test_a_submission_without_an_answer_in_time_is_lost_too(
    channel, core, clock: Clock, settings
):
    core.upstream.plan(A, "submit", (UpstreamError(Fault.TIMEOUT, Phase.FIRST_BYTE),))
    core.upstream.always(A, "find", lambda: clock.jump(1001.0), DOWN)
    await generate(channel, video())
    _, (attempt,) = await row_of(core)

    assert attempt.state is AttemptState.LOST


class Listless(ArkVideos):
    """Has no list of jobs."""

    def find(self, channel, page):
        return None


@pytest.mark.parametrize("settings", [{"sla_seconds": 0.3}])
async def test_without_a_list_only_the_sla_ends_it(channel, core, monkeypatch, settings):
    monkeypatch.setitem(JOB_DIALECTS, "ark_videos", Listless())
    core.upstream.plan(A, "submit", (MADE, LOST))
    events = await generate(channel, video())

    assert failed_reason(events[-1]) == "UPSTREAM_TIMEOUT"
    assert core.upstream.count(B, "submit") == 0


async def test_a_job_that_was_found_and_fails_is_made_elsewhere_once(channel, core):
    core.upstream.plan(A, "submit", (MADE, LOST))
    core.upstream.lives[A] = ["running", FAILS]
    events = await generate(channel, video())
    _, (first, second) = await row_of(core)

    assert events[-1].completed.generation.channel == B
    assert (first.state, first.fault) == (AttemptState.FAILED, Fault.SERVER_ERROR)
    assert first.upstream_job_id == "cgt-seedance-a-0"
    assert second.state is AttemptState.DONE
    assert core.fleet.health.of(A, "video.generate").load.in_flight == 0


async def test_a_lost_job_is_looked_for_page_by_page(channel, core):
    core.upstream.plan(A, "submit", (MADE, LOST))
    others = [{"id": f"cgt-{n}", "created_at": 4_000_000_000} for n in range(50)]
    page = ((200, {"items": others, "total": 120}),)
    core.upstream.plan(A, "find", page, page, ())
    events = await generate(channel, video())

    assert kinds(events)[-1] == "completed"
    assert core.upstream.count(A, "find") == 3
    assert core.upstream.count(A, "submit") == 1


async def test_pages_from_before_the_submission_are_not_read(channel, core, clock: Clock):
    core.upstream.plan(A, "submit", (LOST,))
    old = ((200, {"items": [{"id": "cgt-0", "created_at": 1_000}], "total": 9_999}),)
    core.upstream.plan(A, "find", (lambda: clock.jump(11.0), *old), old)
    events = await generate(channel, video())

    assert core.upstream.count(A, "find") == 2
    assert events[-1].completed.generation.channel == B


async def test_a_list_without_end_is_no_proof_that_a_job_is_absent(channel, core, clock: Clock):
    core.upstream.plan(A, "submit", (MADE, LOST))
    others = [{"id": f"cgt-{n}", "created_at": 4_000_000_000} for n in range(50)]
    endless = ((200, {"items": others, "total": 1_000_000}),)
    core.upstream.plan(A, "find", (lambda: clock.jump(60.0), *endless), *[endless] * 149, ())
    events = await generate(channel, video())

    assert events[-1].completed.generation.channel == A
    assert core.upstream.count(B, "submit") == 0


async def test_a_cancel_during_the_search_ends_it_when_nothing_is_found(
    channel, core, clock: Clock
):
    commits = commits_of(core)
    gate = asyncio.Event()
    core.upstream.plan(A, "submit", (LOST,))
    core.upstream.plan(A, "find", (lambda: clock.jump(11.0), gate))
    running = asyncio.ensure_future(generate(channel, video()))
    await reached(core, A, "find")
    (id_,) = core.engine._live
    core.engine.wish_to_cancel(id_)
    gate.set()
    events = await running

    assert failed_reason(events[-1]) == "CANCELLED"
    assert core.upstream.count(B, "submit") == 0
    assert [type(part) for part in commits].count(Void) == 1


async def test_a_lost_job_that_was_cancelled_meanwhile_is_cancelled_when_found(channel, core):
    gate = asyncio.Event()
    core.upstream.plan(A, "submit", (MADE, LOST))
    core.upstream.plan(A, "find", (gate,))
    running = asyncio.ensure_future(generate(channel, video()))
    await reached(core, A, "find")
    (id_,) = core.engine._live
    core.engine.wish_to_cancel(id_)
    gate.set()
    events = await asyncio.wait_for(running, SECONDS)
    row, (attempt,) = await row_of(core)

    assert failed_reason(events[-1]) == "CANCELLED"
    assert row.state is GenerationState.CANCELLED
    assert attempt.upstream_job_id == "cgt-seedance-a-0"
    assert core.upstream.tasks[A][0].states == ["cancelled"]
    assert await core.balance() == (10_000, 0)
