"""The alarm of a connection: one timer for the time limits of all its requests."""

import asyncio
from functools import partial

from rest_bridge.asgi import Alarm

WAIT = 5.0


async def test_it_calls_back_at_its_moment() -> None:
    loop = asyncio.get_running_loop()
    rung = asyncio.Event()
    at = loop.time() + 0.05

    Alarm().set(at, rung.set)

    await asyncio.wait_for(rung.wait(), WAIT)
    assert loop.time() >= at - 0.002


async def test_only_the_last_moment_that_was_set_counts() -> None:
    loop = asyncio.get_running_loop()
    alarm, rung, order = Alarm(), asyncio.Event(), list[str]()
    now = loop.time()

    alarm.set(now + 0.02, partial(order.append, "cleared"))
    alarm.clear()
    alarm.set(now + 0.08, rung.set)

    await asyncio.wait_for(rung.wait(), WAIT)
    assert order == []
    assert loop.time() >= now + 0.078


async def test_a_moment_before_the_one_that_was_cleared_is_in_time() -> None:
    loop = asyncio.get_running_loop()
    alarm, rung = Alarm(), asyncio.Event()
    alarm.set(loop.time() + 60.0, rung.clear)
    alarm.clear()

    alarm.set(loop.time() + 0.02, rung.set)

    await asyncio.wait_for(rung.wait(), WAIT)


async def test_it_calls_nobody_once_it_was_cleared_or_the_connection_is_gone() -> None:
    loop = asyncio.get_running_loop()
    order = list[str]()
    alarms = [Alarm() for _ in range(3)]
    for alarm, name in zip(alarms, ("cleared", "closed", "set after"), strict=True):
        alarm.set(loop.time() + 0.01, partial(order.append, name))
    alarms[0].clear()
    alarms[1].close()
    alarms[2].close()
    alarms[2].set(loop.time() + 0.01, partial(order.append, "set after"))
    last = asyncio.Event()

    Alarm().set(loop.time() + 0.05, last.set)

    await asyncio.wait_for(last.wait(), WAIT)
    assert order == []
