"""A watch that is taken up again, anywhere and after any event: nothing is missing, nothing twice."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.body import Body
from core.engine import watching
from core.engine.events import (
    Accepted,
    AttemptStarted,
    Charged,
    Completed,
    Failed,
    Live,
    OutputReady,
    Progress,
)
from core.engine.watching import Watching
from core.errors import Fault, GatewayError, Reason, UpstreamError
from core.model import (
    Acknowledged,
    Asset,
    Failure,
    Final,
    Generation,
    GenerationState,
    Kind,
    Preview,
    Sound,
)
from reapi.v1 import generation_service_pb2 as pb
from reapi.v1 import generation_service_pb2_grpc as rpc
from tests.fix_core import METADATA, PNG
from tests.generating import SECONDS, kinds, start

ID, ACCOUNT = UUID(int=1), UUID(int=2)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PREVIEW = Preview(0, 0, "image/png", Body(PNG))
STEPS = {"preview": PREVIEW, "progress": Progress(5), "sound": Sound(0, "audio/wav", 0, Body(b"x"))}


class Dead(Exception):
    """The process at the other end has died."""


@dataclass
class Rows:
    """The one row, as every process reads it."""

    row: Generation

    async def find(self, account_id: UUID, id_: UUID) -> Generation:
        assert (account_id, id_) == (ACCOUNT, ID)
        return self.row


@dataclass
class Process:
    """Who may work on the generation, and be asked about it."""

    rows: Rows
    live: dict[UUID, Live] = field(default_factory=dict)
    died: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.watching = Watching(self.live, self.rows, lambda: False)

    async def next_after(self, seq: int) -> Any:
        """The first event after *seq*, None at a clean end; raises Dead."""
        events = await self.watching.watch(ACCOUNT, ID, seq)
        async with aclosing(events):
            read = asyncio.ensure_future(anext(events, None))
            died = asyncio.ensure_future(self.died.wait())
            await asyncio.wait({read, died}, return_when=asyncio.FIRST_COMPLETED)
            died.cancel()
            if read.done():
                return read.result()
            read.cancel()
            await asyncio.wait({read})
        raise Dead


@dataclass
class World:
    """A generation, its processes, and a caller who hangs up after every event."""

    hops: list[int]
    rows: Rows = field(
        default_factory=lambda: Rows(
            Generation(
                ID,
                ACCOUNT,
                "m",
                Kind.IMAGE,
                GenerationState.RUNNING,
                NOW,
                2,
                14_000,
                channel="a",
                epoch=7,
            )
        )
    )
    seen: list[Any] = field(default_factory=list)
    attempts: int = 0

    def __post_init__(self) -> None:
        self.processes = [Process(self.rows), Process(self.rows)]
        self.owner = self.processes[0]
        self.owner.live[ID] = self.live = Live(ID, ACCOUNT, 7)
        self.live.publish(Accepted(self.rows.row))

    async def call(self) -> None:
        """Ask one process after another for the next event, until a terminal one."""
        after, asked = 0, 0
        while True:
            process = self.processes[self.hops[asked % len(self.hops)]]
            asked += 1
            if process.died.is_set():
                process = next(each for each in self.processes if not each.died.is_set())
            try:
                numbered = await process.next_after(after)
            except Dead:
                continue
            assert numbered is not None, "a clean end without a terminal event"
            after = numbered[0]
            self.seen.append(numbered)
            if isinstance(numbered[1], Completed | Failed):
                return

    def begin(self) -> None:
        self.attempts += 1
        self.live.publish(AttemptStarted(self.attempts, "a", ""))

    def adopt(self) -> None:
        """The owner dies, the other process goes on."""
        self.owner.died.set()
        self.owner.live.clear()
        self.owner = self.processes[1]
        self.rows.row = replace(self.rows.row, epoch=9, attempt_count=max(1, self.attempts))
        self.owner.live[ID] = self.live = Live(ID, ACCOUNT, 9)
        self.live.publish(Accepted(self.rows.row, replayed=True))
        self.live.publish(AttemptStarted(max(1, self.attempts), "a", ""))

    async def end(self, outputs: int) -> None:
        """The last commit, then the last events, then nobody works on it any more."""
        assets = tuple(
            Asset(index, f"n{index}", "image/png", 1, b"", NOW) for index in range(outputs)
        )
        succeeded = GenerationState.SUCCEEDED if outputs else GenerationState.FAILED
        failure = None if outputs else Failure(Reason.UPSTREAM_ERROR)
        count = max(1, self.attempts)
        self.rows.row = ended = replace(
            self.rows.row, state=succeeded, assets=assets, failure=failure, attempt_count=count
        )
        await turns()
        if outputs:
            ready = [OutputReady(asset) for asset in assets]
            self.live.publish(*ready, Charged(7_000, None), Completed(ended))
        else:
            self.live.publish(Failed(GatewayError(Reason.UPSTREAM_ERROR, "no"), ended))
        await turns()
        self.owner.live.clear()


async def turns() -> None:
    """Let whoever waits go on."""
    for _ in range(12):
        await asyncio.sleep(0)


async def lived(steps: list[str], outputs: int, hops: list[int]) -> World:
    world = World(hops)
    caller = asyncio.ensure_future(world.call())
    for step in steps:
        await turns()
        if step == "attempt":
            world.begin()
        elif step == "adopt":
            if world.owner is world.processes[0]:
                world.adopt()
        else:
            world.live.publish(STEPS[step])
    await turns()
    await world.end(outputs)
    await asyncio.wait_for(caller, SECONDS)
    return world


@settings(max_examples=120, deadline=None)
@given(
    st.lists(st.sampled_from(["attempt", "attempt", *STEPS, "adopt"]), max_size=8),
    st.integers(0, 3),
    st.lists(st.integers(0, 1), min_size=1, max_size=6),
)
def test_who_hangs_up_after_every_event_misses_nothing_and_hears_nothing_twice(
    steps: list[str], outputs: int, hops: list[int]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watching, "WATCH_SECONDS", 0)
        world = asyncio.run(_proved(steps, outputs, hops))

    numbers = [seq for seq, _ in world.seen]
    events = [event for _, event in world.seen]
    assert numbers == sorted(set(numbers))
    assert isinstance(events[-1], Completed if outputs else Failed)
    assert sum(isinstance(event, Completed | Failed) for event in events) == 1
    ready = [event.asset.output_index for event in events if isinstance(event, OutputReady)]
    assert ready == list(range(outputs))
    assert sum(isinstance(event, Charged) for event in events) == bool(outputs)
    accepted = [seq >> 32 for seq, event in world.seen if isinstance(event, Accepted)]
    assert accepted == sorted(set(accepted))
    assert accepted[-1] == world.rows.row.epoch
    latest = [event.number for event in events if isinstance(event, AttemptStarted)]
    assert not world.attempts or latest[-1] == world.attempts


async def _proved(steps: list[str], outputs: int, hops: list[int]) -> World:
    world = await lived(steps, outputs, hops)
    for process in world.processes:  # and who comes back after the end is told nothing more
        assert await process.next_after(world.seen[-1][0]) is None
    return world


async def test_who_stops_watching_leaves_nothing_behind() -> None:
    live = Live(ID, ACCOUNT, 1)
    for _ in range(100):
        watcher = asyncio.ensure_future(anext(live.watch()))
        await asyncio.sleep(0)
        watcher.cancel()
        await asyncio.wait({watcher})

    assert len(live._waiting) == 0


async def test_nothing_follows_the_terminal_event() -> None:
    live = Live(ID, ACCOUNT, 7)
    world = World([0])
    error = GatewayError(Reason.UPSTREAM_ERROR, "no")
    live.publish(Accepted(world.rows.row), Failed(error, world.rows.row), PREVIEW)
    live.publish(Completed(world.rows.row))

    assert [type(event) for _, event in [each async for each in live.watch()]] == [Accepted, Failed]


async def test_a_watch_goes_on_when_another_process_takes_the_generation_over(monkeypatch) -> None:
    monkeypatch.setattr(watching, "WATCH_SECONDS", 0)
    world = World([0])
    watch = await world.owner.watching.watch(ACCOUNT, ID)
    assert isinstance((await anext(watch))[1], Accepted)
    world.live.publish(Failed(GatewayError(Reason.STILL_RUNNING, "elsewhere"), world.rows.row))
    world.owner.live.clear()
    world.rows.row = replace(world.rows.row, epoch=9)
    await world.end(1)
    kinds_seen = [type(event) for _, event in [each async for each in watch]]

    assert kinds_seen == [Accepted, AttemptStarted, OutputReady, Charged, Completed]


async def test_a_watch_of_a_process_that_stops_breaks_off_and_can_be_resumed() -> None:
    world = World([0])
    stopping = Watching(world.owner.live, world.rows, lambda: True)
    world.live.publish(Failed(GatewayError(Reason.STILL_RUNNING, "elsewhere"), world.rows.row))
    watch = await stopping.watch(ACCOUNT, ID)
    seq, _ = await anext(watch)
    with pytest.raises(GatewayError) as caught:
        await anext(watch)
    assert caught.value.reason is Reason.STILL_RUNNING

    await world.end(1)
    rest = await world.processes[1].watching.watch(ACCOUNT, ID, seq)
    assert isinstance([event async for _, event in rest][-1], Completed)


# ---- the same over gRPC, with bytes in pieces

BIG = PNG + bytes(2_500_000)
"""Three pieces."""
LIVE = [
    Acknowledged(200),
    Preview(0, 0, "image/png", Body(BIG)),
    Preview(0, 1, "image/png", Body(BIG)),
]
ENDS = ["accepted", "attempt", "attempt", *["partial"] * 6, *["output"] * 3, "usage", "completed"]
BEFORE_THE_END = 9
"""Messages until nothing more happens without the final image."""


async def begun(channel: Any, core: Any) -> tuple[str, asyncio.Event]:
    """A generation that has shown its previews; its name, and what lets it go on."""
    release = asyncio.Event()
    core.upstream.play("openai-a", (UpstreamError(Fault.SERVER_ERROR),))
    core.upstream.play("openai-b", (*LIVE, release, Final(0, Body(BIG))))
    request = start(detached=True)
    request.start.spec.partial_count = 2
    call = rpc.GenerationServiceStub(channel).Generate(metadata=METADATA, timeout=SECONDS)
    await call.write(request)
    name = (await call.read()).event.accepted.generation.name
    for _ in range(BEFORE_THE_END - 1):
        await call.read()
    call.cancel()
    return name, release


async def watched(
    channel: Any, name: str, after: int, most: int, release: asyncio.Event, had: int
) -> list[pb.GenerationEvent]:
    """At most so many messages after *after*; the generation may end once *had* are there."""
    request = pb.WatchGenerationRequest(name=name, after_seq=after, inline_outputs=True)
    call = rpc.GenerationServiceStub(channel).WatchGeneration(
        request, metadata=METADATA, timeout=SECONDS
    )
    found: list[pb.GenerationEvent] = []
    try:
        while len(found) < most:
            if had + len(found) >= BEFORE_THE_END:
                release.set()
            message = await call.read()
            if message is grpc.aio.EOF:
                break
            found.append(message.event)
    finally:
        call.cancel()
    return found


def starts(event: pb.GenerationEvent) -> bool:
    """Whether it is not a later piece of the one before."""
    kind = str(event.WhichOneof("event"))
    return kind not in ("partial", "output") or not getattr(event, kind).offset


def joined(events: list[pb.GenerationEvent], kind: str) -> list[bytes]:
    """The contents of the previews or outputs, a piece at offset 0 beginning anew."""
    made: dict[int, bytes] = {}
    for event in events:
        if event.WhichOneof("event") == kind:
            piece = getattr(event, kind)
            index = piece.partial_index if kind == "partial" else piece.output_index
            before = made.get(index, b"") if piece.offset else b""
            assert len(before) == piece.offset
            made[index] = before + piece.data
    return [made[index] for index in sorted(made)]


@pytest.mark.parametrize("channel", ["local"], indirect=True)
@pytest.mark.parametrize("cut", range(len(ENDS) + 1))
async def test_a_watch_cut_after_any_message_is_resumed_without_a_gap(channel, core, cut):
    core.fleet.health.of("openai-a", "image.generate")
    name, release = await begun(channel, core)
    first = await watched(channel, name, 0, cut, release, 0)
    after = first[-1].seq if first else 0
    rest = await watched(channel, name, after, 99, release, cut)
    both = [*first, *rest]

    assert kinds(first) == ENDS[:cut]
    assert [event.seq for event in both] == sorted(event.seq for event in both)
    assert kinds(both).count("completed") == 1
    assert kinds(both)[-1] == "completed"
    for call in (first, rest):
        for before, event in pairwise(call):
            assert event.seq > before.seq or not starts(event)
    assert joined(both, "partial") == [BIG, BIG]
    assert joined(both, "output") == [BIG]
    for kind in ("accepted", "usage"):
        assert kinds(both).count(kind) == 1
    await core.settled()
