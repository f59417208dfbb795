"""Background loops end with their process, also when a cancellation got lost."""

import asyncio

from core.engine import supervisor
from core.engine.supervisor import Supervisor


async def test_a_loop_that_loses_a_cancellation_is_cancelled_again(monkeypatch):
    monkeypatch.setattr(supervisor, "REPEAT_SECONDS", 0.01)
    lost = []

    async def loses_one():
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if lost:
                    raise
                lost.append(True)

    async with Supervisor(lambda _event: None) as loops:
        loops.run("deaf", loses_one)
        await asyncio.sleep(0)

    assert lost == [True]


async def test_nothing_to_end_is_ended_at_once():
    async with Supervisor(lambda _event: None):
        pass
