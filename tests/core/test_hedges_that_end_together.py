"""Two attempts of which one ends while the other is left, shown, or heard to its end."""

import asyncio
from dataclasses import replace

import pytest

from tests.core.hedged import PRICE, A, B, both_asked, hedging, losses, measured, raced, records
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
        await both_asked(core)
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

    async def finish(lane, attempt):
        if attempt.number == 2:
            lane.claim(attempt)
            await asyncio.sleep(0)

    made, tried, discarded, _ = await raced(core, finish)

    assert tried.made is made[1]
    assert discarded == [made[0]]
