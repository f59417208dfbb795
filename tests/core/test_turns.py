"""So many calls at once for each channel: who waits too long is late, and no channel waits for
another.
"""

import asyncio

import pytest

from core.body import Body, Secret
from core.engine.looks import FIRST_BYTE_SECONDS, Looks
from core.engine.turns import Turns
from core.errors import Fault, UpstreamError
from core.model import Channel, Deadlines
from core.providers.wire import Call, Clear, Reply, at_any_time

CALL = Call("GET", "/jobs/1", {})


def channel(name: str = "a", first_byte: float = 1.0) -> Channel:
    limits = Deadlines(first_byte=first_byte)
    return Channel(name, "ark_videos", "m", "http://x", Secret("k"), deadlines=limits)


class Upstream:
    """Answers when it is told to, and notes what it was asked with."""

    def __init__(self) -> None:
        self.asked: list[Channel] = []
        self.answers = asyncio.Event()

    async def call(
        self,
        call: Call,
        channel: Channel,
        budget: float | None = None,
        clear: Clear = at_any_time,
    ) -> Reply:
        del call, budget
        clear()
        self.asked.append(channel)
        await self.answers.wait()
        return Reply(200, {}, Body(b""), 0.0)


async def asked(upstream: Upstream, count: int) -> None:
    async with asyncio.timeout(5):
        while len(upstream.asked) < count:
            await asyncio.sleep(0)


async def test_only_so_many_have_a_turn_and_the_next_follows_when_one_ends() -> None:
    given = Turns(2)
    inside: list[int] = []
    leave = [asyncio.Event() for _ in range(3)]

    async def take(number: int) -> None:
        async with given.turn("a"):
            inside.append(number)
            await leave[number].wait()

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        tasks = [group.create_task(take(number)) for number in range(3)]
        await asyncio.sleep(0.01)
        assert inside == [0, 1]
        leave[1].set()
        await tasks[1]
        await asyncio.sleep(0)
        assert inside == [0, 1, 2]
        leave[0].set()
        leave[2].set()


async def test_a_full_channel_is_in_nobody_elses_way() -> None:
    given = Turns(1)
    async with asyncio.timeout(1), given.turn("stuck"), given.turn("well"):
        pass


async def test_who_gets_no_turn_is_late() -> None:
    given = Turns(1)
    async with given.turn("a"):
        with pytest.raises(UpstreamError) as caught:
            async with given.turn("a", 0.01):
                pytest.fail("a turn too many")
    assert caught.value.fault is Fault.TIMEOUT
    async with asyncio.timeout(1), given.turn("a"):
        pass


async def test_a_turn_is_given_back_however_it_ends() -> None:
    given = Turns(1)
    with pytest.raises(ValueError, match="broken"):
        async with given.turn("a"):
            raise ValueError("broken")
    task = asyncio.ensure_future(asyncio.sleep(0))
    async with asyncio.timeout(1), given.turn("a"):
        await task


async def test_a_look_is_not_waited_for_as_long_as_what_makes_something() -> None:
    upstream = Upstream()
    upstream.answers.set()
    looks, slow, quick = Looks(upstream), channel("slow", 300.0), channel("quick", 2.0)
    for asked_of in (slow, slow, quick):
        await looks.ask(CALL, asked_of)
    first, second, third = upstream.asked

    assert first.deadlines.first_byte == FIRST_BYTE_SECONDS
    assert first.deadlines.idle == slow.deadlines.idle
    assert first is second
    assert third is quick


async def test_a_changed_channel_is_looked_at_as_it_is_now() -> None:
    upstream = Upstream()
    upstream.answers.set()
    looks = Looks(upstream)
    await looks.ask(CALL, channel("a", 300.0))
    changed = Channel("a", "ark_videos", "m", "http://y", Secret("k"), deadlines=Deadlines())
    await looks.ask(CALL, changed)

    assert [each.base_url for each in upstream.asked] == ["http://x", "http://y"]


async def test_looks_at_a_stuck_channel_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.engine.looks.LOOKS_AT_ONCE", 3)
    upstream = Upstream()
    looks = Looks(upstream)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        for _ in range(10):
            group.create_task(looks.ask(CALL, channel("stuck")))
        await asked(upstream, 3)
        await asyncio.sleep(0.01)
        assert len(upstream.asked) == 3
        group.create_task(looks.ask(CALL, channel("well")))
        await asked(upstream, 4)
        assert upstream.asked[-1].name == "well"
        upstream.answers.set()
    assert len(upstream.asked) == 11
