"""Images that are jobs at a provider, for models whose other channels leave none."""

import asyncio
from dataclasses import replace

import pytest

from billing.ledger import Settle, Void
from core.engine import jobs
from core.engine.records import NoteJob, SubmitAttempt
from core.errors import Fault, Phase, UpstreamError
from core.model import AttemptState, GenerationState
from core.providers.reading import seed_of
from reapi.v1 import generation_service_pb2 as pb
from tests.fix_core import DELIVERY, PNG, build_core, jpeg
from tests.generating import SECONDS, failed_reason, generate, kinds, start
from tests.jobs.following import commits_of, row_of
from tests.scripted_fal import FAL, MADE, PRO, PRO_SYNC, SYNC, FalQueue, mixed
from tests.scripted_jobs import Clock, Films

DOWN = UpstreamError(Fault.SERVER_ERROR, Phase.BODY, 500)
LOST = UpstreamError(Fault.LOST, Phase.FIRST_BYTE)
PRICE = 7
GEMINI = "gemini-3-pro-image"


@pytest.fixture
def first() -> bool:
    """Whether the channel at fal is tried first."""
    return False


@pytest.fixture
async def core(first, clock: Clock, films: Films, monkeypatch):
    monkeypatch.setattr(jobs, "search_delay", lambda _tries, _chance: 0.002)
    films.always = PNG
    known = mixed(priority=0 if first else 3, sla_seconds=1000.0)
    if first:
        known = _later(known)
    made = build_core(FalQueue(), known, films, clock)
    await made.credit(10_000)
    yield made
    await made.engine.stop(5)


def _later(known):
    routes = {
        model: tuple(
            sorted(
                (
                    one if one.name in (FAL, PRO) else replace(one, priority=one.priority + 1)
                    for one in route
                ),
                key=lambda one: one.priority,
            )
        )
        for model, route in known.routes.items()
    }
    return replace(known, routes=routes)


def image(model: str = "gpt-image-2", count: int = 1, **changes) -> pb.GenerateRequest:
    """Detached: the clock of a test may run ahead of the deadline of its call."""
    asked = start(spec={"model": model, **changes}, detached=True)
    asked.start.spec.parameters.output_count = count
    return asked


async def test_a_call_that_fails_is_followed_by_a_job(channel, core):
    core.upstream.play(SYNC, (DOWN,))
    commits = commits_of(core)
    events = await generate(channel, image())
    row, (failed, done) = await row_of(core)

    assert kinds(events) == ["accepted", "attempt", "attempt", "output", "usage", "completed"]
    assert events[-1].completed.generation.channel == FAL
    assert events[-1].completed.generation.assets[0].media_type == "image/png"
    assert (failed.channel, failed.state, failed.upstream_job_id) == (SYNC, AttemptState.FAILED, "")
    assert (done.channel, done.state, done.upstream_job_id) == (
        FAL,
        AttemptState.DONE,
        "request-0",
    )
    assert (row.state, row.charged_micros, row.duration_ms) == ("succeeded", PRICE * 1000, 0)
    # The attempt is on record before its bytes leave, its job once it is known.
    parts = [type(part) for part in commits]
    assert parts.index(SubmitAttempt) < parts.index(NoteJob) < parts.index(Settle)
    assert await core.balance() == (10_000 - PRICE, 0)


@pytest.mark.parametrize("first", [True])
@pytest.mark.parametrize(
    "result",
    [
        (500, {"detail": "Internal Server Error"}),
        (503, {"detail": "x", "error_type": "runner_disconnected"}),
        (200, {"images": []}),
        (200, {"images": [{"url": None}]}),
    ],
)
async def test_a_job_that_fails_is_followed_by_a_call(channel, core, result, first):
    core.upstream.results = result
    events = await generate(channel, image())
    _, (failed, done) = await row_of(core)

    assert events[-1].completed.generation.channel == SYNC
    assert core.upstream.asked == [SYNC]
    assert (failed.channel, failed.state) == (FAL, AttemptState.FAILED)
    assert (failed.fault, failed.upstream_job_id) == (Fault.SERVER_ERROR, "request-0")
    assert (done.channel, done.upstream_job_id) == (SYNC, "")
    assert await core.balance() == (10_000 - PRICE, 0)


@pytest.mark.parametrize("first", [True])
async def test_a_submission_that_is_refused_is_followed_by_a_call(channel, core, first):
    core.upstream.plans["submit"] = [((403, {"detail": "User is locked. Exhausted balance."}),)]
    events = await generate(channel, image())
    _, (failed, _) = await row_of(core)

    assert events[-1].completed.generation.channel == SYNC
    assert (failed.fault, failed.http_status) == (Fault.QUOTA, 403)


@pytest.mark.parametrize("first", [True])
async def test_a_job_makes_several_images_and_each_is_paid_once(channel, core, first):
    events = await generate(channel, image(count=3))
    done = events[-1].completed.generation

    assert [asset.output_index for asset in done.assets] == [0, 1, 2]
    assert len({asset.uri for asset in done.assets}) == 3
    assert core.upstream.requests[0].input["num_images"] == 3
    assert core.upstream.calls.count("submit") == 1
    assert await core.balance() == (10_000 - 3 * PRICE, 0)


@pytest.mark.parametrize("first", [True])
async def test_images_that_are_missing_are_not_paid(channel, core, films, first):
    gone = UpstreamError(Fault.NOT_FOUND, Phase.BODY, 404)
    films.steps = [PNG, gone, PNG, gone]
    events = await generate(channel, image(count=3))

    assert len(events[-1].completed.generation.assets) == 2
    assert await core.balance() == (10_000 - 2 * PRICE, 0)


@pytest.mark.parametrize("first", [True])
async def test_the_bytes_of_a_hosted_image_come_inline_where_asked(channel, core, first):
    events = await generate(channel, image(inline_outputs=True))
    output = next(event.output for event in events if event.WhichOneof("event") == "output")

    assert output.data == PNG


@pytest.mark.parametrize("first", [True])
async def test_an_image_of_another_type_than_asked_for_is_no_image(channel, core, films, first):
    asked = image()
    asked.start.spec.parameters.output_format = "jpeg"
    films.always = PNG
    core.upstream.play(SYNC, (DELIVERY[0], type(DELIVERY[1])(0, type(DELIVERY[1].data)(jpeg()))))
    events = await generate(channel, asked)
    done = events[-1].completed.generation

    assert (done.channel, done.assets[0].media_type) == (SYNC, "image/jpeg")
    assert core.upstream.requests[0].input["output_format"] == "jpeg"


async def test_previews_are_not_asked_of_a_job(channel, core):
    core.upstream.play(SYNC, (DOWN,))
    events = await generate(channel, image(partial_count=2))

    assert failed_reason(events[-1]) == "UPSTREAM_ERROR"
    assert core.upstream.calls == []


@pytest.mark.parametrize("first", [True])
async def test_a_job_that_was_refused_for_its_content_is_not_made_elsewhere(channel, core, first):
    detail = {"loc": ["body", "prompt"], "msg": "no", "type": "content_policy_violation"}
    core.upstream.results = (422, {"detail": [detail]})
    events = await generate(channel, image())

    assert failed_reason(events[-1]) == "CONTENT_POLICY_VIOLATION"
    assert core.upstream.asked == []
    assert await core.balance() == (10_000, 0)


@pytest.mark.parametrize("first", [True])
async def test_an_outcome_that_cannot_be_read_yet_is_read_again(channel, core, first):
    core.upstream.plans["result"] = [
        (DOWN,),
        ((502, "<html>"),),
        ((400, {"detail": "Request is still in progress"}),),
    ]
    events = await generate(channel, image())

    assert events[-1].completed.generation.channel == FAL
    assert core.upstream.calls.count("result") == 4
    assert core.upstream.calls.count("submit") == 1


@pytest.mark.parametrize("first", [True])
async def test_a_cancelled_image_job_ends_cancelled_once_the_queue_says_so(channel, core, first):
    core.upstream.lives = ["IN_QUEUE"]
    running = asyncio.ensure_future(generate(channel, image()))
    await asyncio.wait_for(core.upstream.reached["look"].wait(), SECONDS)
    row, _ = await row_of(core)
    await core.engine.cancel(core.gate.caller, row.id)
    events = await running

    assert failed_reason(events[-1]) == "CANCELLED"
    assert core.upstream.calls.count("cancel") >= 1
    assert core.upstream.asked == []
    assert await core.balance() == (10_000, 0)


@pytest.mark.parametrize("first", [True])
async def test_a_lost_job_is_found_in_the_history_by_its_seed(channel, core, first):
    core.upstream.plans["submit"] = [(MADE, LOST)]
    core.upstream.page_size = 1
    core.upstream.plans["find"] = [(core.upstream.add,)]
    events = await generate(channel, image(GEMINI))
    row, (attempt,) = await row_of(core)

    assert events[-1].completed.generation.channel == PRO
    assert core.upstream.calls.count("submit") == 1
    # The other one was on the first page.
    assert core.upstream.calls.count("find") == 2
    assert core.upstream.requests[0].input["seed"] == seed_of(attempt.mark, 31)
    assert (row.state, attempt.upstream_job_id) == (GenerationState.SUCCEEDED, "request-0")


@pytest.mark.parametrize("first", [True])
async def test_a_seed_of_the_callers_is_no_mark_so_nothing_is_made_twice(
    channel, core, clock: Clock, first
):
    commits = commits_of(core)
    asked = image(GEMINI)
    asked.start.spec.parameters.seed = 7
    core.upstream.plans["submit"] = [(MADE, LOST)]
    running = asyncio.ensure_future(generate(channel, asked))
    await asyncio.wait_for(core.upstream.reached["submit"].wait(), SECONDS)
    for _ in range(20):
        await asyncio.sleep(0.002)
        clock.jump(5.0)
    assert not running.done()
    clock.jump(1001.0)
    events = await running

    assert core.upstream.requests[0].input["seed"] == 7
    assert failed_reason(events[-1]) == "UPSTREAM_TIMEOUT"
    assert core.upstream.calls.count("find") == 0
    assert core.upstream.asked == []
    assert [type(part) for part in commits].count(Void) == 1
    assert await core.balance() == (10_000, 0)


@pytest.mark.parametrize("first", [True])
async def test_what_the_history_does_not_have_is_made_by_a_call(channel, core, clock: Clock, first):
    core.upstream.plans["submit"] = [(LOST,)]
    core.upstream.plans["find"] = [(), (lambda: clock.jump(10.0),)]
    events = await generate(channel, image(GEMINI))
    _, (lost, done) = await row_of(core)

    assert events[-1].completed.generation.channel == PRO_SYNC
    assert (lost.state, done.state) == (AttemptState.LOST, AttemptState.DONE)


@pytest.mark.parametrize("first", [True])
async def test_where_an_endpoint_takes_no_seed_a_lost_job_is_waited_for(
    channel, core, clock: Clock, first
):
    core.upstream.plans["submit"] = [(MADE, LOST)]
    running = asyncio.ensure_future(generate(channel, image()))
    await asyncio.wait_for(core.upstream.reached["submit"].wait(), SECONDS)
    for _ in range(20):
        await asyncio.sleep(0.002)
    assert not running.done()
    clock.jump(1001.0)
    events = await running

    assert failed_reason(events[-1]) == "UPSTREAM_TIMEOUT"
    assert (core.upstream.calls, core.upstream.asked) == (["submit"], [])
