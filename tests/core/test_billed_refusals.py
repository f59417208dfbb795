"""A refusal that a provider bills is the operator's, never the caller's."""

from dataclasses import replace

import pytest

from core.errors import Fault, UpstreamError
from core.log import CostLost
from core.policy.risk import CAP_MICROS
from tests.fix_core import DELIVERY, build_core, catalogue, served
from tests.generating import failed_reason, generate, start

A, B = "openai-a", "openai-b"
PRICE = 7
REFUSES = (UpstreamError(Fault.CONTENT_POLICY, stage="output"),)


def billing(*names):
    """The demo's catalogue, where these channels bill for refusals."""
    known = catalogue()
    routes = tuple(
        replace(each, bills_on_refusal=each.name in names) for each in known.routes["gpt-image-2"]
    )
    return replace(known, routes={**known.routes, "gpt-image-2": routes})


@pytest.fixture
def billed():
    return (A,)


@pytest.fixture
async def core(billed):
    made = build_core(known=billing(*billed))
    await made.credit(1000)
    made.upstream.play(A, REFUSES)
    made.upstream.play(B, REFUSES)
    yield made
    assert list(made.ledger.discrepancies()) == []


async def make(core, count=1):
    async with served(core, "local") as channel:
        asked = start()
        asked.start.spec.parameters.output_count = count
        return await generate(channel, asked)


def use_up(core):
    key = str(core.gate.caller.key_id)
    core.engine._attempts._risks.add(key, CAP_MICROS, core.engine._now())


async def test_a_billed_refusal_is_booked_once_in_the_closing_commit(core):
    events = await make(core, count=2)
    lost = 2 * PRICE * 1000

    assert failed_reason(events[-1]) == "CONTENT_POLICY_VIOLATION"
    assert await core.balance() == (1000, 0)
    assert -core.ledger.operator_balance("risk") == lost
    assert [each for each in core.emitted if isinstance(each, CostLost)] == [
        CostLost(A, "gpt-image-2", "risk", lost)
    ]


@pytest.mark.parametrize("billed", [()])
async def test_a_refusal_that_costs_nothing_is_booked_nowhere(core):
    await make(core)

    assert core.ledger.operator_balance("risk") == 0


async def test_a_key_that_has_cost_enough_is_served_where_refusals_are_free(core):
    use_up(core)
    await make(core)

    assert core.upstream.asked == [B]
    assert core.ledger.operator_balance("risk") == 0


@pytest.mark.parametrize("billed", [(A, B, "openai-c")])
async def test_where_every_channel_bills_it_is_served_all_the_same(core):
    use_up(core)
    events = await make(core)

    assert core.upstream.asked == [A]
    assert failed_reason(events[-1]) == "CONTENT_POLICY_VIOLATION"
    assert await core.balance() == (1000, 0)


async def test_of_several_outputs_only_the_refused_ones_are_the_operator_s(core):
    known = billing(A)
    routes = tuple(replace(each, maximum_count=1) for each in known.routes["gpt-image-2"])
    core.engine._intake.use(replace(known, routes={"gpt-image-2": routes}))
    core.upstream.play(A, REFUSES, DELIVERY)
    events = await make(core, count=3)

    assert events[-1].completed.generation.delivered_count == 2
    assert await core.balance() == (1000 - 2 * PRICE, 0)
    assert -core.ledger.operator_balance("risk") == PRICE * 1000
