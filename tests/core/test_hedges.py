"""A second attempt beside one that takes long: the first good result wins, one charge."""

import asyncio
from dataclasses import replace

import pytest

from core.body import Body
from core.errors import Fault, UpstreamError
from core.log import CostLost, HedgeEnded
from core.model import AttemptState, Final, Preview, Report
from tests.core.hedged import (
    OPERATION,
    PRICE,
    USUAL,
    A,
    B,
    C,
    both_asked,
    hedges,
    hedging,
    losses,
    measured,
    raced,
    records,
)
from tests.fix_core import DELIVERY, PNG, build_core, served
from tests.generating import failed_reason, generate, kinds, start

FAILS = (UpstreamError(Fault.SERVER_ERROR),)
REFUSES = (UpstreamError(Fault.CONTENT_POLICY, stage="output"),)
SECONDS = 5


@pytest.fixture(params=[True, False], ids=["billed", "free"])
def is_billed(request):
    return request.param


@pytest.fixture
async def core(is_billed):
    made = build_core(known=hedging(bills_on_cancel=is_billed, bills_on_refusal=False))
    await made.credit(1000)
    measured(made, A)
    yield made
    await made.engine.drain(SECONDS)
    assert list(made.ledger.discrepancies()) == []
    assert len(made.fleet.budgets.channels) == len(made.fleet.budgets.keys) == 0
    assert all(health.load.in_flight == 0 for health in made.fleet.health)


@pytest.fixture
async def channel(core):
    async with served(core, "local") as opened:
        yield opened


async def test_a_slow_channel_is_beaten_by_a_second_one_and_paid_for_once(channel, core, is_billed):
    core.upstream.play(A, (asyncio.Event(), *DELIVERY))
    events = await generate(channel, start())

    assert kinds(events) == ["accepted", "attempt", "attempt", "output", "usage", "completed"]
    assert core.upstream.asked == [A, B]
    assert core.upstream.closed == 2, "the loser's connection is closed"
    assert events[-1].completed.generation.channel == B
    assert await core.balance() == (1000 - PRICE, 0)
    assert losses(core) == (PRICE * 1000 if is_billed else 0)
    assert hedges(core) == [HedgeEnded(B, "gpt-image-2", "won")]
    costs = [event for event in core.emitted if isinstance(event, CostLost)]
    assert costs == ([CostLost(A, "gpt-image-2", "hedge", PRICE * 1000)] if is_billed else [])
    slow, fast = await records(core)
    assert (slow.state, slow.fault, slow.is_hedge) == (AttemptState.FAILED, None, False)
    assert (fast.state, fast.is_hedge) == (AttemptState.DONE, True)


async def test_a_hedge_that_loses_costs_the_operator_and_not_its_channel_s_health(
    channel, core, is_billed
):
    slow = asyncio.Event()
    core.upstream.play(A, (slow, *DELIVERY))
    core.upstream.play(B, (asyncio.Event(), *DELIVERY))
    call = asyncio.ensure_future(generate(channel, start()))
    await both_asked(core)
    slow.set()
    events = await call

    assert events[-1].completed.generation.channel == A
    assert hedges(core) == [HedgeEnded(B, "gpt-image-2", "lost")]
    assert losses(core) == (PRICE * 1000 if is_billed else 0)
    assert await core.balance() == (1000 - PRICE, 0)
    assert core.fleet.health.of(B, OPERATION).latency(core.engine._now()) is None


async def test_two_that_deliver_in_the_same_moment_are_one_charge_and_one_loss(channel, core):
    both = asyncio.Event()
    core.upstream.play(A, (both, *DELIVERY))
    core.upstream.play(B, (both, *DELIVERY))
    call = asyncio.ensure_future(generate(channel, start()))
    await both_asked(core)
    both.set()
    events = await call

    assert kinds(events).count("output") == 1
    assert await core.balance() == (1000 - PRICE, 0)
    assert len(hedges(core)) == 1


async def test_when_one_fails_the_other_goes_on(channel, core):
    slow = asyncio.Event()
    core.upstream.play(A, (slow, *DELIVERY))
    core.upstream.play(B, FAILS)
    call = asyncio.ensure_future(generate(channel, start()))
    while core.upstream.closed < 1:
        await asyncio.sleep(0.001)
    assert core.upstream.asked == [A, B], "nobody else is asked while the first goes on"
    slow.set()
    events = await call

    assert events[-1].completed.generation.channel == A
    assert losses(core) == 0, "who failed is not paid"
    assert await core.balance() == (1000 - PRICE, 0)


async def test_when_both_fail_a_third_channel_is_asked(channel, core):
    slow = asyncio.Event()
    core.upstream.play(A, (slow, *FAILS))
    core.upstream.play(B, FAILS)
    call = asyncio.ensure_future(generate(channel, start()))
    while core.upstream.closed < 1:
        await asyncio.sleep(0.001)
    slow.set()
    events = await call

    assert core.upstream.asked == [A, B, C]
    assert hedges(core) == [HedgeEnded(B, "gpt-image-2", "failed")]
    assert [item.fault for item in await records(core)] == ["server_error", "server_error", None]
    assert events[-1].completed.generation.channel == C


async def test_a_refusal_ends_both(channel, core, is_billed):
    core.upstream.play(A, (asyncio.Event(),))
    core.upstream.play(B, REFUSES)
    events = await generate(channel, start())

    assert failed_reason(events[-1]) == "CONTENT_POLICY_VIOLATION"
    assert core.upstream.asked == [A, B]
    assert losses(core) == (PRICE * 1000 if is_billed else 0)
    assert await core.balance() == (1000, 0)


async def test_what_the_caller_has_seen_first_wins_and_nothing_else_is_shown(channel, core):
    slow, late = asyncio.Event(), asyncio.Event()
    shown = Preview(0, 0, "image/png", Body(PNG))
    core.upstream.play(A, (slow, shown, *DELIVERY))
    core.upstream.play(B, (shown, late, *DELIVERY))
    call = asyncio.ensure_future(generate(channel, start(spec={"partial_count": 1})))
    while core.upstream.closed < 1:  # the first is left as soon as the second shows something
        await asyncio.sleep(0.001)
    slow.set()
    late.set()
    events = await call

    assert kinds(events).count("partial") == 1
    assert events[-1].completed.generation.channel == B


async def test_an_answer_that_has_begun_is_not_hedged(channel, core):
    rest = asyncio.Event()
    shown = Preview(0, 0, "image/png", Body(PNG))
    core.upstream.play(A, (shown, rest, *DELIVERY))
    call = asyncio.ensure_future(generate(channel, start(spec={"partial_count": 1})))
    await asyncio.wait_for(core.upstream.started.wait(), SECONDS)
    await asyncio.sleep(3 * USUAL)  # there is nothing to wait for: nothing must happen
    rest.set()
    await call

    assert core.upstream.asked == [A]
    assert hedges(core) == []


async def test_without_room_in_the_budget_nobody_is_asked_beside(channel, core):
    while core.fleet.budgets.channels.allows(B):
        core.fleet.budgets.channels.take(B)
    while core.fleet.budgets.channels.allows(C):
        core.fleet.budgets.channels.take(C)
    slow = asyncio.Event()
    core.upstream.play(A, (slow, *DELIVERY))
    call = asyncio.ensure_future(generate(channel, start()))
    await asyncio.wait_for(core.upstream.started.wait(), SECONDS)
    await asyncio.sleep(3 * USUAL)  # there is nothing to wait for: nothing must happen
    slow.set()
    await call

    assert core.upstream.asked == [A]
    for name in (B, C):
        for _ in range(3):
            core.fleet.budgets.channels.give_back(name)


async def test_a_process_that_stops_ends_both_and_books_no_loss(channel, core):
    core.upstream.play(A, (asyncio.Event(),))
    core.upstream.play(B, (asyncio.Event(),))
    call = asyncio.ensure_future(generate(channel, start()))
    await both_asked(core)
    await core.engine.stop(SECONDS)
    events = await call

    assert failed_reason(events[-1]) == "REQUEST_NOT_RETAINED"
    assert core.upstream.closed == 2
    assert await core.balance() == (1000, 0)
    assert losses(core) == 0


async def test_a_caller_who_leaves_ends_both_where_that_is_free(channel, core, is_billed):
    gate = asyncio.Event()
    core.upstream.play(A, (gate, *DELIVERY))
    core.upstream.play(B, (gate, *DELIVERY))
    call = asyncio.ensure_future(generate(channel, start()))
    await both_asked(core)
    (id_,) = core.engine._live
    await core.engine.cancel(core.gate.caller, id_)
    if is_billed:
        gate.set()
    events = await call

    assert core.upstream.closed == 2
    if is_billed:
        assert await core.balance() == (1000 - PRICE, 0)
    else:
        assert failed_reason(events[-1]) == "CANCELLED"
        assert await core.balance() == (1000, 0)


async def test_a_model_that_did_not_opt_in_is_never_hedged():
    core = build_core()
    await core.credit(1000)
    measured(core, A)
    slow = asyncio.Event()
    core.upstream.play(A, (slow, *DELIVERY))
    async with served(core, "local") as channel:
        call = asyncio.ensure_future(generate(channel, start()))
        await asyncio.wait_for(core.upstream.started.wait(), SECONDS)
        await asyncio.sleep(3 * USUAL)  # there is nothing to wait for: nothing must happen
        slow.set()
        await call

    assert core.upstream.asked == [A]


async def test_an_answer_of_which_one_output_has_come_is_not_hedged(channel, core):
    rest = asyncio.Event()
    core.upstream.play(A, (Final(0, Body(PNG)), rest, Final(1, Body(PNG)), Report()))
    asked = start()
    asked.start.spec.parameters.output_count = 2
    call = asyncio.ensure_future(generate(channel, asked))
    await asyncio.wait_for(core.upstream.started.wait(), SECONDS)
    await asyncio.sleep(3 * USUAL)  # there is nothing to wait for: nothing must happen
    rest.set()
    await call

    assert core.upstream.asked == [A]


async def test_what_a_late_loser_copied_is_removed(core):
    async def finish(lane, attempt):
        pass

    made, tried, discarded, course = await raced(core, finish)

    assert tried.made is made[0]
    assert discarded == [made[1]]
    assert [(waste.number, waste.outputs) for waste in course.wastes] == [(2, 1)]


async def test_no_more_than_one_hedge_for_one_output(channel, core):
    known = hedging()
    routes = known.routes["gpt-image-2"]
    fourth = replace(routes[-1], name="openai-d", priority=9)
    core.engine._intake.use(replace(known, routes={"gpt-image-2": (*routes, fourth)}))
    measured(core, C)
    slow, slower = asyncio.Event(), asyncio.Event()
    core.upstream.play(A, (slow, *FAILS))
    core.upstream.play(B, FAILS)
    core.upstream.play(C, (slower, *DELIVERY))
    call = asyncio.ensure_future(generate(channel, start()))
    while core.upstream.closed < 1:
        await asyncio.sleep(0.001)
    slow.set()
    while C not in core.upstream.asked:
        await asyncio.sleep(0.001)
    await asyncio.sleep(3 * USUAL)  # there is nothing to wait for: nothing must happen
    slower.set()
    await call

    assert core.upstream.asked == [A, B, C]
