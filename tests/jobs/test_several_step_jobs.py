"""Jobs that take several calls to start: all of them run, or none, whatever breaks between."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from billing.ledger import Settle, Void
from core.engine.leases_memory import MemoryLeases
from core.errors import Fault, Phase, UpstreamError
from core.model import Ask, AttemptState, Channel, GenerationState
from core.providers import JOB_DIALECTS
from core.providers.ark_tasks import answer
from core.providers.ark_videos import TASKS, ArkVideos
from core.providers.wire import Call, Clear, Reply, at_any_time
from reapi.v1 import generation_service_pb2 as pb
from reapi.v1 import generation_service_pb2_grpc as rpc
from tests.fix_commit import MemoryHouse
from tests.fix_core import METADATA, TestCore, build_core, replace_error
from tests.generating import SECONDS, failed_reason, generate, kinds
from tests.job_processes import COST, CREDIT, World
from tests.jobs.following import commits_of, reached, row_of, video
from tests.scripted_jobs import MADE, PRICE, A, Ark, B, Clock, Films, reply, videos

STEPS = ["accept", "complete"]
OUT_OF_CREDITS = (403, {"error": {"code": "AccountOverdueError", "message": "pay"}})
INVALID = (400, {"error": {"code": "InvalidParameter", "message": "secret words"}})
AMBIGUOUS = [
    UpstreamError(Fault.TIMEOUT, Phase.FIRST_BYTE),
    UpstreamError(Fault.LOST, Phase.FIRST_BYTE),
    (200, b"<html>"),
]
FAILURES = [*AMBIGUOUS, UpstreamError(Fault.UNREACHABLE, Phase.CONNECT), OUT_OF_CREDITS, (500, {})]
every_step = pytest.mark.parametrize("step", STEPS)


class Stepping(ArkVideos):
    """Ark's jobs, but each has to be accepted and completed before it starts."""

    def is_free(self) -> bool:
        return True

    def proceed(
        self, reply: Reply, step: int, job_id: str, ask: Ask, channel: Channel
    ) -> Call | None:
        if step > 1:
            answer(reply)
        if step > len(STEPS):
            return None
        return Call("PATCH", f"{TASKS}/{job_id}/{STEPS[step - 1]}", {})


class SteppingArk(Ark):
    """Its other side: `started` are the jobs that took every step."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[str] = []

    async def call(
        self,
        call: Call,
        channel: Channel,
        budget: float | None = None,
        clear: Clear = at_any_time,
    ) -> Reply:
        if call.method != "PATCH":
            return await super().call(call, channel, budget, clear)
        clear()
        job_id, operation = call.path.split("/")[-2:]
        name = (channel.name, operation)
        self.calls.append(name)
        self.reached[name].set()
        plans = self._plans[name]
        for step in plans.popleft() if plans else ():
            if isinstance(step, UpstreamError):
                raise replace_error(step)
            if isinstance(step, asyncio.Event):
                await step.wait()
            else:
                return reply(*step)
        if operation == STEPS[-1]:
            self.started.append(job_id)
        return reply(202, {"message": "done"})


@pytest.fixture(autouse=True)
def _stepping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(JOB_DIALECTS, "ark_videos", Stepping())


@pytest.fixture
async def core(settings: dict[str, Any], clock: Clock, films: Films) -> AsyncIterator[TestCore]:
    made = build_core(SteppingArk(), videos(**settings), films, clock)
    await made.credit(10_000)
    yield made
    await made.engine.stop(5)


async def test_a_job_takes_every_step_once_and_is_paid_once(channel, core):
    commits = commits_of(core)
    events = await generate(channel, video())

    assert kinds(events) == ["accepted", "attempt", "output", "usage", "completed"]
    asked = [operation for _, operation in core.upstream.calls]
    assert asked == ["submit", "accept", "complete", "look", "look", "look"]
    assert [type(part) for part in commits].count(Settle) == 1


async def test_the_job_is_on_record_before_the_step_that_spends(channel, core):
    gate = asyncio.Event()
    core.upstream.plan(A, "accept", (gate,))
    running = asyncio.ensure_future(generate(channel, video()))
    await reached(core, A, "accept")
    _, (attempt,) = await row_of(core)
    gate.set()
    await running

    assert attempt.upstream_job_id == "cgt-seedance-a-0"


@pytest.mark.parametrize("failure", AMBIGUOUS, ids=str)
async def test_when_the_answer_to_a_free_submission_is_lost_another_channel_is_asked_at_once(
    channel, core, failure
):
    core.upstream.plan(A, "submit", (MADE, failure))
    events = await generate(channel, video())
    _, (first, _) = await row_of(core)

    assert events[-1].completed.generation.channel == B
    assert core.upstream.count(A, "find") == 0
    assert core.upstream.started == ["cgt-seedance-b-0"]
    assert first.state is AttemptState.FAILED
    assert await core.balance() == (10_000 - 5 * PRICE, 0)


@every_step
@pytest.mark.parametrize("failure", FAILURES, ids=str)
async def test_when_a_step_fails_the_job_is_cancelled_and_another_channel_makes_one(
    channel, core, step, failure
):
    commits = commits_of(core)
    core.upstream.plan(A, step, (failure,))
    events = await generate(channel, video())
    _, (first, second) = await row_of(core)

    assert events[-1].completed.generation.channel == B
    assert [op for name, op in core.upstream.calls if name == A][-1] == "cancel"
    assert core.upstream.tasks[A][0].states == ["cancelled"]
    assert core.upstream.started == ["cgt-seedance-b-0"]
    assert first.state is AttemptState.FAILED, "nothing of it is unknown"
    assert second.state is AttemptState.DONE
    assert [type(part) for part in commits].count(Settle) == 1
    assert await core.balance() == (10_000 - 5 * PRICE, 0)


@every_step
async def test_a_step_that_blames_the_request_ends_it_and_nothing_is_charged(channel, core, step):
    commits = commits_of(core)
    core.upstream.plan(A, step, (INVALID,))
    events = await generate(channel, video())

    assert failed_reason(events[-1]) == "UPSTREAM_REJECTED"
    assert core.upstream.tasks[A][0].states == ["cancelled"]
    assert (core.upstream.tasks[B], core.upstream.started) == ([], [])
    assert [type(part) for part in commits].count(Void) == 1
    assert await core.balance() == (10_000, 0)


@every_step
@pytest.mark.parametrize("failure", AMBIGUOUS, ids=str)
@pytest.mark.parametrize(
    "refusal", [(409, {}), UpstreamError(Fault.SERVER_ERROR, Phase.BODY)], ids=["refused", "failed"]
)
async def test_a_job_that_cannot_be_cancelled_is_followed_and_made_nowhere_else(
    channel, core, step, failure, refusal
):
    core.upstream.plan(A, step, (failure,))
    core.upstream.plan(A, "cancel", (refusal,))
    events = await generate(channel, video())

    assert events[-1].completed.generation.channel == A
    assert core.upstream.tasks[B] == []
    assert await core.balance() == (10_000 - 5 * PRICE, 0)


@pytest.mark.parametrize("settings", [{"sla_seconds": 1000.0}])
async def test_a_job_that_never_started_and_cannot_be_cancelled_ends_at_the_sla(
    channel, core, clock: Clock, settings
):
    core.upstream.lives[A] = ["queued"]
    core.upstream.plan(A, "complete", (AMBIGUOUS[0],))
    core.upstream.plan(A, "cancel", ((409, {}),))
    core.upstream.plan(A, "look", (), (), (lambda: clock.jump(1001.0),))
    events = await generate(channel, video())

    assert failed_reason(events[-1]) == "UPSTREAM_TIMEOUT"
    assert core.upstream.tasks[B] == []
    assert await core.balance() == (10_000, 0)


async def test_who_lost_its_lease_between_the_steps_starts_nothing(channel, core, monkeypatch):
    leases = iter([True, True, False])
    monkeypatch.setattr(core.engine._attempts._jobs, "_holds", lambda _epoch: next(leases))
    events = await generate(channel, video())

    asked = [operation for _, operation in core.upstream.calls]
    assert asked == ["submit", "accept"]
    assert core.upstream.started == []
    assert kinds(events)[-1] != "completed"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    house = MemoryHouse()
    leases = MemoryLeases(house.records, lambda: house.now_us)
    made = World(house, await house.customer(credit=CREDIT), leases, SteppingArk())
    yield made
    for process in made.processes:
        await process.engine.stop(SECONDS)


async def died_at(world: World, step: str, *, done: bool) -> Any:
    """A generation whose process died at a step, which was done or not; gives another process."""
    gate = asyncio.Event()
    world.ark.plan(A, "look" if done else step, (gate,))
    owner, other = await world.process(), await world.process()
    await owner.begin(A, "look" if done else step)
    await owner.die()
    return other


async def test_who_adopts_a_job_that_was_started_finishes_it(world: World) -> None:
    other = await died_at(world, "complete", done=True)
    assert await other.adopt() == 1
    await other.finish()
    row, _ = await world.row()

    assert (row.state, row.charged_micros) == (GenerationState.SUCCEEDED, COST)
    assert len(world.ark.tasks[A]) == 1


@every_step
async def test_who_adopts_a_job_that_never_started_starts_nothing_and_ends_it_at_the_sla(
    world: World, step: str
) -> None:
    world.ark.lives[A] = ["queued"]
    other = await died_at(world, step, done=False)
    world.ark.plan(A, "look", (), (), (lambda: world.clock.jump(100_000.0),))
    assert await other.adopt() == 1
    await other.finish()
    row, _ = await world.row()

    assert row.state is GenerationState.FAILED
    assert world.ark.started == []
    assert (len(world.ark.tasks[A]), len(world.ark.tasks[B])) == (1, 0)
    assert await world.posted_and_held() == (CREDIT, 0)


async def test_a_caller_who_cancels_between_the_steps_stops_the_job(channel, core):
    gate = asyncio.Event()
    core.upstream.lives[A] = ["queued"]
    core.upstream.plan(A, "complete", (gate,))
    running = asyncio.ensure_future(generate(channel, video()))
    await reached(core, A, "complete")
    (live,) = core.engine._live.values()
    asked = pb.CancelGenerationRequest(name=f"generations/{live.id.hex}")
    await rpc.GenerationServiceStub(channel).CancelGeneration(asked, metadata=METADATA)
    gate.set()
    events = await running

    assert failed_reason(events[-1]) == "CANCELLED"
    assert core.upstream.tasks[A][0].states == ["cancelled"]
    assert core.upstream.tasks[B] == []
    assert await core.balance() == (10_000, 0)
