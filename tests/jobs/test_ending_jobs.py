"""Callers who want a job ended, and processes that end before it."""

import asyncio

import pytest

from billing.ledger import Settle, Void
from core.engine.events import Failed
from core.engine.records import FinishGeneration
from core.errors import Fault, Phase, UpstreamError
from core.log import AttemptEnded
from core.model import AttemptState, GenerationState
from reapi.v1 import generation_service_pb2 as pb
from reapi.v1 import generation_service_pb2_grpc as rpc
from tests.fix_core import METADATA
from tests.generating import SECONDS, failed_reason, generate, kinds
from tests.jobs.following import commits_of, reached, row_of, video
from tests.scripted_jobs import FAILS, PRICE, A, B, Films

FAILURE = UpstreamError(Fault.SERVER_ERROR, Phase.BODY)


async def begun(core, channel, operation="look"):
    """A generation whose job is looked at."""
    running = asyncio.ensure_future(generate(channel, video()))
    await reached(core, A, operation)
    (live,) = core.engine._live.values()
    return running, live


async def ask(channel, live, what):
    stub, name = rpc.GenerationServiceStub(channel), f"generations/{live.id.hex}"
    message = getattr(pb, f"{what}GenerationRequest")(name=name)
    return await getattr(stub, f"{what}Generation")(message, metadata=METADATA, timeout=SECONDS)


@pytest.mark.parametrize("settings", [{"poll_seconds": 0.004}, {"poll_seconds": 60.0}])
async def test_a_queued_job_is_cancelled_at_once_and_costs_nothing(channel, core, settings):
    commits = commits_of(core)
    core.upstream.lives[A] = ["queued"]
    running = asyncio.ensure_future(generate(channel, video()))
    async with asyncio.timeout(SECONDS):
        while not core.engine._live or not core.upstream.tasks[A]:
            await asyncio.sleep(0.001)
    (live,) = core.engine._live.values()
    await ask(channel, live, "Cancel")
    events = await asyncio.wait_for(running, SECONDS)
    row, _ = await row_of(core)

    assert failed_reason(events[-1]) == "CANCELLED"
    assert row.state is GenerationState.CANCELLED
    assert core.upstream.tasks[A][0].states == ["cancelled"]
    assert (core.upstream.count(A, "cancel"), core.upstream.count(B, "submit")) == (1, 0)
    assert [type(part) for part in commits].count(Void) == 1
    assert await core.balance() == (10_000, 0)


async def test_a_running_job_cannot_be_cancelled_and_is_charged(channel, core):
    gate = asyncio.Event()
    core.upstream.lives[A] = ["running", "running", "succeeded"]
    core.upstream.plan(A, "look", (), (gate,))
    running, live = await begun(core, channel)
    await ask(channel, live, "Cancel")
    gate.set()
    events = await running

    assert kinds(events)[-1] == "completed"
    assert core.upstream.count(A, "cancel") == 0
    assert await core.balance() == (10_000 - 5 * PRICE, 0)


@pytest.mark.parametrize("answer", [((409, {}),), (FAILURE,), ((500, {}),)])
async def test_a_cancel_that_the_provider_does_not_confirm_charges_what_it_makes(
    channel, core, answer
):
    gate = asyncio.Event()
    core.upstream.plan(A, "look", (gate,))
    core.upstream.always(A, "cancel", *answer)
    running, live = await begun(core, channel)
    await ask(channel, live, "Cancel")
    gate.set()
    events = await running

    assert kinds(events)[-1] == "completed"
    assert core.upstream.count(A, "cancel") == 1
    assert await core.balance() == (10_000 - 5 * PRICE, 0)


async def test_a_cancel_whose_answer_got_lost_is_believed_when_the_job_says_so(channel, core):
    gate = asyncio.Event()
    core.upstream.lives[A] = ["queued", "cancelled"]
    core.upstream.plan(A, "look", (gate,))
    core.upstream.plan(A, "cancel", (FAILURE,))
    running, live = await begun(core, channel)
    await ask(channel, live, "Cancel")
    gate.set()
    events = await running
    _, (attempt,) = await row_of(core)

    assert failed_reason(events[-1]) == "CANCELLED"
    assert attempt.fault is None, "the channel did what it was asked for"
    assert core.upstream.count(B, "submit") == 0
    assert await core.balance() == (10_000, 0)


async def test_a_cancelled_generation_whose_job_fails_is_not_made_elsewhere(channel, core):
    gate = asyncio.Event()
    core.upstream.lives[A] = [FAILS]
    core.upstream.plan(A, "look", (gate,))
    running, live = await begun(core, channel)
    await ask(channel, live, "Cancel")
    gate.set()
    events = await running

    assert failed_reason(events[-1]) == "CANCELLED"
    assert core.upstream.count(B, "submit") == 0


@pytest.mark.parametrize("status", ["queued", "running"])
async def test_what_is_deleted_while_it_runs_is_cancelled_or_discarded(channel, core, status):
    gate = asyncio.Event()
    core.upstream.lives[A] = [status, "succeeded"]
    core.upstream.plan(A, "look", (gate,))
    running, live = await begun(core, channel)
    await ask(channel, live, "Delete")
    gate.set()
    await running
    row, _ = await row_of(core)

    assert await core.records.generation(core.account, live.id) is None
    assert core.store.objects == {}
    assert row.cancel_requested_at is not None, "an adopter, or its owner elsewhere, must know"
    if status == "queued":
        assert row.state is GenerationState.CANCELLED
        assert await core.balance() == (10_000, 0)
    else:
        assert row.state is GenerationState.SUCCEEDED
        assert await core.balance() == (10_000 - 5 * PRICE, 0)


async def test_what_has_ended_is_deleted_without_a_wish_to_cancel(channel, core):
    events = await generate(channel, video())
    row, _ = await row_of(core)
    stub = rpc.GenerationServiceStub(channel)
    name = events[-1].completed.generation.name
    await stub.DeleteGeneration(pb.DeleteGenerationRequest(name=name), metadata=METADATA)
    deleted, _ = await row_of(core)

    assert (row.cancel_requested_at, deleted.cancel_requested_at) == (None, None)
    assert core.store.objects == {}


# ---- the process stops


async def test_a_process_that_stops_leaves_its_job_to_the_next(channel, core):
    commits = commits_of(core)
    gate = asyncio.Event()
    core.upstream.plan(A, "look", (gate,))
    running, live = await begun(core, channel)
    await core.engine.stop(5)
    events = await running
    row, (attempt,) = await row_of(core)

    assert failed_reason(events[-1]) == "STILL_RUNNING"
    assert [part for part in commits if isinstance(part, FinishGeneration | Void | Settle)] == []
    assert (row.state, row.finished_at) == (GenerationState.RUNNING, None)
    assert attempt.upstream_job_id == "cgt-seedance-a-0"
    assert await core.balance() == (10_000, 5 * PRICE)
    assert core.engine.running == 0
    assert [type(event) for event in live.events].count(Failed) == 1


async def test_a_process_that_stops_while_it_submits_leaves_that_too(channel, core):
    gate = asyncio.Event()
    core.upstream.plan(A, "submit", (gate,))
    running, _ = await begun(core, channel, "submit")
    await core.engine.stop(5)
    events = await running
    row, (attempt,) = await row_of(core)

    assert failed_reason(events[-1]) == "STILL_RUNNING"
    assert (row.finished_at, attempt.state) == (None, AttemptState.SUBMITTING)
    assert await core.balance() == (10_000, 5 * PRICE)


async def test_a_process_that_stops_while_it_copies_leaves_no_file(channel, core, films: Films):
    films.steps = [asyncio.Event()]
    running = asyncio.ensure_future(generate(channel, video()))
    await asyncio.wait_for(films.begun.wait(), SECONDS)
    await core.engine.stop(5)
    await running

    assert core.store.objects == {}
    assert await core.balance() == (10_000, 5 * PRICE)


async def test_what_has_not_been_sent_when_the_process_stops_fails(channel, core):
    """Between two channels there is no job: the request is lost with its process."""
    for name in (A, B):
        core.upstream.always(name, "submit", (429, {}))
    running = asyncio.ensure_future(generate(channel, video()))
    async with asyncio.timeout(SECONDS):  # then it waits before it asks one of them again
        while [type(event) for event in core.emitted].count(AttemptEnded) < 2:
            await asyncio.sleep(0.001)
    await core.engine.stop(5)
    events = await running
    row, _ = await row_of(core)

    assert failed_reason(events[-1]) == "REQUEST_NOT_RETAINED"
    assert row.state is GenerationState.FAILED
    assert await core.balance() == (10_000, 0)


async def test_a_stop_during_the_end_lets_it_end(channel, core):
    gate, settling = asyncio.Event(), asyncio.Event()
    commit = core.committer.commit

    async def slow(commits):
        if isinstance(commits.parts[0], FinishGeneration):
            settling.set()
            await gate.wait()
        return await commit(commits)

    core.committer.commit = slow
    running = asyncio.ensure_future(generate(channel, video()))
    await asyncio.wait_for(settling.wait(), SECONDS)
    stopping = asyncio.ensure_future(core.engine.stop(5))
    await asyncio.sleep(0)
    gate.set()
    await stopping
    events = await running

    assert kinds(events)[-1] == "completed"
    assert await core.balance() == (10_000 - 5 * PRICE, 0)
