"""Two attempts of which one ends while the other is left, shown, or heard to its end."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from uuid import uuid4

import pytest

from core.engine.course import Course, Lane, Made, Tried
from core.engine.events import Live
from core.engine.hedging import Race
from core.model import Report
from core.policy.failover import Failover, Plan
from tests.core.hedged import OPERATION, PRICE, A, B, hedging, losses, measured, records
from tests.fix_core import DELIVERY, build_core, served
from tests.generating import generate, kinds, start


@pytest.mark.parametrize("billing", [A, B])
async def test_a_caller_who_leaves_pays_for_the_one_that_bills_all_the_same(billing):
    core = build_core(known=hedging(bills_on_refusal=False))
    known = core.engine._intake._catalogue
    routes = [
        replace(each, bills_on_cancel=each.name == billing) for each in known.routes["gpt-image-2"]
    ]
    core.engine._intake.use(replace(known, routes={"gpt-image-2": tuple(routes)}))
    await core.credit(1000)
    measured(core, A)
    gate = asyncio.Event()
    core.upstream.play(A, (gate, *DELIVERY))
    core.upstream.play(B, (gate, *DELIVERY))
    async with served(core, "local") as channel:
        call = asyncio.ensure_future(generate(channel, start()))
        while len(core.upstream.asked) < 2:
            await asyncio.sleep(0.001)
        (id_,) = core.engine._live
        await core.engine.cancel(core.gate.caller, id_)
        while core.upstream.closed < 1:
            await asyncio.sleep(0.001)
        gate.set()
        events = await call

    assert kinds(events)[-1] == "completed"
    assert events[-1].completed.generation.channel == billing
    assert await core.balance() == (1000 - PRICE, 0)
    assert losses(core) == 0
    assert [item.number for item in await records(core)] == [1, 2]
    assert list(core.ledger.discrepancies()) == []


async def test_who_was_shown_wins_also_against_one_that_ends_in_the_same_moment():
    core = build_core(known=hedging())
    measured(core, A)
    made = [Made(name, (), (), Report(), kept=()) for name in (A, B)]
    both, discarded = asyncio.Event(), []
    plan = Plan(hedging().routes["gpt-image-2"], OPERATION, key="k")

    waiting = []

    async def once(lane, attempt, timing):
        waiting.append(attempt)
        await both.wait()
        if attempt.number == 2:
            lane.claim(attempt)
            await asyncio.sleep(0)
        return Tried(attempt, timing, made[attempt.number - 1])

    async def discard(late):
        discarded.append(late)

    with Failover(core.fleet, plan) as failover:
        now = core.engine._now
        first = failover.next_channel(now())
        course = Course(now(), SimpleNamespace(mark=uuid4()))
        live = Live(core.account, core.account, 7)
        lane = Lane(SimpleNamespace(model="gpt-image-2"), live, course, failover, (0,))
        race = Race(lane, once, None, discard, core.emitted.append, now)
        running = asyncio.ensure_future(race.run(first))
        while len(waiting) < 2:
            await asyncio.sleep(0.001)
        both.set()
        tried = await running
        failover.succeeded(tried.attempt, now())

    assert tried.made is made[1]
    assert discarded == [made[0]]
