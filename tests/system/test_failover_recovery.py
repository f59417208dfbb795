"""A channel that was healed serves again soon, by live traffic alone."""

import asyncio

import pytest

from tests.fix_fleet import FAULTS
from tests.traffic import traffic

BACK_SECONDS = 80
EJECTION_SECONDS = 70
"""The longest ejection with its jitter, and the next request after it."""
PAUSE_SECONDS = 0.1


@pytest.fixture
async def rich(fleet):
    _, key = fleet.gateway.account("1000000")
    async with traffic(fleet.gateway.rest, key) as client:
        yield client


async def first_channel_serves(rich, model):
    """Ask until the first channel answers; seconds that took. Every request must succeed."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    while True:
        reply = await rich.generate(model)
        assert reply.status == 200
        if reply.channel == f"{model}-0":
            return loop.time() - begin
        await asyncio.sleep(PAUSE_SECONDS)


async def meets(fleet, rich, model, upstream_calls):
    """Ask until the broken first channel was tried *upstream_calls* times in all."""
    while fleet.upstreams.calls(model) < upstream_calls:
        assert (await rich.generate(model)).status == 200
        await asyncio.sleep(PAUSE_SECONDS)


@pytest.mark.prove
async def test_a_healed_channel_serves_again_by_live_traffic_alone(fleet, rich, figure):
    models = {name: f"healed-{name}" for name in FAULTS}
    for name, model in models.items():
        fleet.upstreams.fault(model, **FAULTS[name])
        replies = await rich.many(20, 4, model)
        assert [reply.status for reply in replies] == [200] * 20
    fleet.upstreams.heal()
    async with asyncio.timeout(2 * BACK_SECONDS):
        seconds = await asyncio.gather(
            *(first_channel_serves(rich, model) for model in models.values())
        )

    for name, value in zip(models, seconds, strict=True):
        figure(f"s until healed channel served again, {name}", [value])
    assert max(seconds) < BACK_SECONDS


@pytest.mark.prove
async def test_a_channel_that_failed_its_probes_serves_again_as_soon(fleet, rich, figure, counts):
    model = "ejected-often"
    fleet.upstreams.fault(model, **FAULTS["500"])
    ejections = counts.reduced(5, in_ci=2)
    before = fleet.upstreams.calls(model)
    async with asyncio.timeout((ejections + 1) * EJECTION_SECONDS):
        # Three faults eject it; then every probe is one more call, and one longer ejection.
        await meets(fleet, rich, model, before + 3 + (ejections - 1))
    fleet.upstreams.heal()
    async with asyncio.timeout(2 * BACK_SECONDS):
        seconds = await first_channel_serves(rich, model)

    figure(f"s until served again after {ejections} ejections in a row", [seconds])
    assert seconds < BACK_SECONDS


@pytest.mark.prove
async def test_five_kinds_of_fault_in_a_row_delay_the_return_no_longer(fleet, rich, figure):
    model = "all-kinds"
    kinds = ["500", "401", "reset-before-headers", "html", "no-image"]
    for name in kinds:
        fleet.upstreams.fault(model, **FAULTS[name])
        replies = await rich.many(10, 4, model)
        assert [reply.status for reply in replies] == [200] * 10
    fleet.upstreams.heal()
    async with asyncio.timeout(2 * BACK_SECONDS):
        seconds = await first_channel_serves(rich, model)

    figure("s until served again after five kinds of fault in a row", [seconds])
    assert seconds < BACK_SECONDS
