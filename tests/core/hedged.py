"""A model that is hedged, and what became of its hedges."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from uuid import uuid4

from core.engine.course import Course, Lane, Made, Tried
from core.engine.events import Live
from core.engine.hedging import Race
from core.engine.records import Listing
from core.log import HedgeEnded
from core.model import Report
from core.policy.failover import Failover, Plan
from tests.fix_core import catalogue

A, B, C = "openai-a", "openai-b", "openai-c"
OPERATION = "image.generate"
PRICE = 7
USUAL = 0.02
"""Seconds that the first channel takes in most cases."""


def hedging(**traits):
    """The demo's catalogue, with hedges."""
    known = catalogue()
    model = replace(known.models["gpt-image-2"], hedge=True)
    routes = tuple(replace(each, **traits) for each in known.routes["gpt-image-2"])
    return replace(
        known,
        models={**known.models, "gpt-image-2": model},
        routes={**known.routes, "gpt-image-2": routes},
    )


def measured(core, *names):
    """The channels have served enough to tell what is usual."""
    for name in names:
        health = core.fleet.health.of(name, OPERATION)
        for _ in range(40):
            now = core.engine._now()
            health.succeeded(health.admit(now - USUAL, 60), now)


async def records(core):
    page = await core.records.generations(core.account, Listing(10))
    return sorted(
        await core.records.attempts(core.account, page[0].id), key=lambda item: item.number
    )


def hedges(core):
    return [event for event in core.emitted if isinstance(event, HedgeEnded)]


def losses(core):
    return -core.ledger.operator_balance("hedge_loss")


async def both_asked(core):
    while len(core.upstream.asked) < 2:
        await asyncio.sleep(0.001)


async def raced(core, finish):
    """A race whose two attempts go on at the same time, each by *finish(lane, attempt)*.

    What each made, who won, what was discarded, and the course.
    """
    made = [Made(name, (), Report()) for name in (A, B)]
    both, waiting, discarded = asyncio.Event(), [], []

    async def once(lane, attempt, timing):
        waiting.append(attempt)
        await both.wait()
        await finish(lane, attempt)
        return Tried(attempt, timing, made[attempt.number - 1])

    async def discard(late):
        discarded.append(late)

    plan = Plan(hedging().routes["gpt-image-2"], OPERATION, key="k")
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
    return made, tried, discarded, course
