"""What a job made is brought home, as often as it takes; what cannot be had is not charged."""

import asyncio

import pytest

from billing.ledger import Settle, Void
from core.body import Body
from core.errors import Fault, Phase, UpstreamError
from core.log import Defect
from core.model import Acknowledged, AttemptState, Final, Hosted, Report
from tests.fix_core import PNG
from tests.generating import SECONDS, failed_reason, generate, kinds, start
from tests.jobs.following import commits_of, row_of, video
from tests.scripted_jobs import LOST, MADE, PRICE, A, B, Films

GONE = UpstreamError(Fault.NOT_FOUND, Phase.BODY, 404)
CUT = UpstreamError(Fault.LOST, Phase.BODY)


def defects(core):
    return [event for event in core.emitted if isinstance(event, Defect)]


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.TIMEOUT, Fault.SERVER_ERROR, Fault.NOT_FOUND])
async def test_a_download_that_fails_is_tried_again_and_nothing_is_made_again(
    channel, core, films: Films, fault
):
    films.steps = [UpstreamError(fault, Phase.BODY)] * (1 if fault is Fault.NOT_FOUND else 8)
    events = await generate(channel, video())

    assert kinds(events)[-1] == "completed"
    assert set(films.fetched) == {A}
    assert core.upstream.count(A, "submit") == 1
    assert len(core.store.objects) == 1


async def test_a_film_that_is_gone_is_made_elsewhere(channel, core, films: Films):
    films.steps = [GONE, GONE]
    events = await generate(channel, video())
    _, (first, second) = await row_of(core)

    assert films.fetched == [A, A, B]
    assert events[-1].completed.generation.channel == B
    assert (first.state, first.fault) == (AttemptState.FAILED, Fault.NOT_FOUND)
    assert second.state is AttemptState.DONE
    assert await core.balance() == (10_000 - 5 * PRICE, 0)


@pytest.mark.parametrize("lost", [(), (MADE, LOST)], ids=["answered", "lost"])
@pytest.mark.parametrize(
    "step", [CUT, UpstreamError(Fault.TIMEOUT, Phase.BODY), b"<html>", PNG], ids=str
)
async def test_a_film_that_cannot_be_had_is_made_elsewhere_and_not_searched_for(
    channel, core, films: Films, step, lost
):
    core.upstream.plan(A, "submit", lost)
    films.steps = [step] * 9
    events = await generate(channel, video())

    assert defects(core) == []
    assert films.fetched == [A] * 9 + [B]
    assert core.upstream.count(A, "find") == len(lost[1:])
    assert events[-1].completed.generation.channel == B
    assert await core.balance() == (10_000 - 5 * PRICE, 0)


async def test_films_that_cannot_be_had_anywhere_cost_nothing(channel, core, films: Films):
    films.always = CUT
    events = await generate(channel, video())

    assert defects(core) == []
    assert failed_reason(events[-1]) == "UPSTREAM_ERROR"
    assert (core.store.objects, await core.balance()) == ({}, (10_000, 0))


async def test_a_store_that_is_full_for_a_moment_is_tried_again(channel, core):
    put, fails = core.store.put_stream, [OSError("disk full")] * 3

    async def failing(name, chunks):
        if fails:
            raise fails.pop()
        return await put(name, chunks)

    core.store.put_stream = failing
    events = await generate(channel, video())

    assert kinds(events)[-1] == "completed"
    assert len(core.upstream.tasks[A]) == 1


async def test_a_store_that_stays_full_voids(channel, core):
    commits = commits_of(core)

    async def failing(name, chunks):
        raise OSError("disk full")

    core.store.put_stream = failing
    events = await generate(channel, video())
    _, (attempt,) = await row_of(core)

    assert failed_reason(events[-1]) == "STORAGE_UNAVAILABLE"
    assert attempt.state is AttemptState.FAILED
    assert [type(part) for part in commits].count(Void) == 1
    assert core.upstream.count(B, "submit") == 0
    assert await core.balance() == (10_000, 0)


def nobody_else(core):
    """What the first channel does not make is made nowhere."""
    for name in ("openai-b", "openai-c"):
        core.upstream.play(name, (UpstreamError(Fault.SERVER_ERROR),))


def group(count):
    url = Body("http://127.0.0.1:1/1.png")
    return [Hosted(number, url) for number in range(count)]


def images(count):
    asked = start(spec={"model": "gpt-image-2"})
    asked.start.spec.parameters.output_count = count
    return asked


async def test_a_garbled_image_beside_a_hosted_one_costs_neither_the_caller_nor_the_other(
    channel, core, films: Films
):
    films.always = PNG
    garbled = Final(1, Body(b"<html>"))
    core.upstream.play("openai-a", (Acknowledged(200), *group(1), garbled, Report()))
    nobody_else(core)
    events = await generate(channel, images(2))

    assert events[-1].completed.generation.delivered_count == 1
    assert len(core.store.objects) == 1


async def test_an_image_that_cannot_be_had_is_made_by_another_channel_in_its_place(
    channel, core, films: Films
):
    films.always, films.steps = PNG, [PNG, GONE, PNG, GONE]
    core.upstream.play("openai-a", (Acknowledged(200), *group(3), Report()))
    events = await generate(channel, images(3))
    outputs = [e.output.output_index for e in events if e.WhichOneof("event") == "output"]

    assert core.upstream.asked == ["openai-a", "openai-b"]
    assert [ask.count for ask in core.upstream.asks] == [3, 1]
    assert outputs == [0, 1, 2]
    assert len(core.store.objects) == 3
    assert await core.balance() == (10_000 - 21, 0)


async def test_of_hosted_images_those_that_can_be_had_are_delivered_and_charged(
    channel, core, films: Films
):
    commits = commits_of(core)
    films.always, films.steps = PNG, [PNG, GONE, PNG, GONE]
    core.upstream.play("openai-a", (Acknowledged(200), *group(3), Report()))
    nobody_else(core)
    events = await generate(channel, images(3))
    done = events[-1].completed.generation

    assert (done.delivered_count, done.requested_count, done.charged_micros) == (2, 3, 14_000)
    assert [e.output.output_index for e in events if e.WhichOneof("event") == "output"] == [0, 2]
    assert [part.amount_micros for part in commits if isinstance(part, Settle)] == [14_000]
    assert len(core.store.objects) == 2


async def test_a_call_whose_images_cannot_be_had_is_made_elsewhere(channel, core, films: Films):
    films.always = CUT
    core.upstream.play("openai-a", (Acknowledged(200), *group(2), Report()))
    core.upstream.play("openai-b", (Final(0, Body(PNG)), Final(1, Body(PNG)), Report()))
    events = await generate(channel, images(2))

    assert core.upstream.asked == ["openai-a", "openai-b"]
    assert films.fetched == ["openai-a"] * 6, "soon, for a call leaves nothing to be found"
    assert kinds(events)[-1] == "completed"


async def test_a_stream_that_breaks_after_some_hosted_images_delivers_those(
    channel, core, films: Films
):
    films.always = PNG
    core.upstream.play("openai-a", (Acknowledged(200), *group(2), CUT))
    nobody_else(core)
    events = await generate(channel, images(3))

    assert events[-1].completed.generation.delivered_count == 2
    assert await core.balance() == (10_000 - 14, 0)


async def test_a_process_that_stops_while_it_copies_removes_what_it_has(
    channel, core, films: Films
):
    films.always, films.steps = PNG, [PNG, asyncio.Event()]
    core.upstream.play("openai-a", (Acknowledged(200), *group(2), Report()))
    running = asyncio.ensure_future(generate(channel, images(2)))
    async with asyncio.timeout(SECONDS):
        while not core.store.objects or len(films.fetched) < 2:
            await asyncio.sleep(0.001)
    await core.engine.stop(5)
    events = await running

    assert failed_reason(events[-1]) == "REQUEST_NOT_RETAINED"
    assert (core.store.objects, await core.balance()) == ({}, (10_000, 0))


async def test_no_more_than_a_few_outputs_are_copied_at_once(channel, core, films: Films):
    gate = asyncio.Event()
    films.always, films.steps = PNG, [gate] * 10
    core.upstream.play("openai-a", (Acknowledged(200), *group(8), Report()))
    running = asyncio.ensure_future(generate(channel, images(8)))
    await asyncio.wait_for(films.begun.wait(), 5)
    await asyncio.sleep(0)
    at_once = len(films.fetched)
    gate.set()
    events = await running

    assert at_once == 4
    assert events[-1].completed.generation.delivered_count == 8
