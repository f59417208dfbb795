"""Several outputs of channels that make one at a time: shards, each with attempts of its own."""

import asyncio
from dataclasses import replace

import pytest

from core.body import Body
from core.catalog.loader import embedded_files, load
from core.engine.records import Listing
from core.errors import Fault, UpstreamError
from core.model import AttemptState, Final, Preview, Report, Usage
from tests.fix_core import DELIVERY, PNG, build_core, catalogue, jpeg, served
from tests.generating import failed_reason, generate, kinds, start

A, B = "gemini-25-a", "gemini-25-b"
OPERATION = "image.generate"
PRICE = 49
"""Credits for an image."""
FAILS = (UpstreamError(Fault.SERVER_ERROR),)
REFUSES = (UpstreamError(Fault.CONTENT_POLICY, stage="output"),)
SEED = 2**31 - 2


def simulated(prefix):
    names = [(what, name) for what in ("URL", "KEY") for name in "AB"]
    env = {f"SIMULATOR_{what}_{prefix}_{name}": "http://127.0.0.1:1" for what, name in names}
    return load(embedded_files(), env)


def one_at_a_time():
    """OpenAI's channels, each of which makes one image a call."""
    known = catalogue()
    routes = tuple(replace(each, maximum_count=1) for each in known.routes["gpt-image-2"])
    return replace(known, routes={**known.routes, "gpt-image-2": routes})


@pytest.fixture
async def core():
    made = build_core(known=simulated("GEMINI_25"))
    await made.credit(1000)
    yield made
    await made.engine.drain(5)
    assert list(made.ledger.discrepancies()) == []
    assert made.fleet.health.of(A, OPERATION).load.in_flight == 0
    assert made.fleet.health.of(B, OPERATION).load.in_flight == 0
    assert len(made.fleet.budgets.channels) == len(made.fleet.budgets.keys) == 0


@pytest.fixture
async def channel(core):
    async with served(core, "local") as opened:
        yield opened


def images(count=4, model="gemini-2.5-flash-image", **parameters):
    spec = {"model": model, "inline_outputs": True}
    request = start(spec=spec)
    request.start.spec.parameters.output_count = count
    for name, value in parameters.items():
        setattr(request.start.spec.parameters, name, value)
    return request


def outputs(events):
    return [event.output.output_index for event in events if event.HasField("output")]


async def records(core):
    page = await core.records.generations(core.account, Listing(10))
    return sorted(
        await core.records.attempts(core.account, page[0].id), key=lambda item: item.number
    )


async def test_four_images_are_made_by_four_calls_at_once_and_charged_once(channel, core):
    gates = [asyncio.Event() for _ in range(4)]
    core.upstream.play(A, *[(gate, *DELIVERY) for gate in gates])
    call = asyncio.ensure_future(generate(channel, images()))
    while len(core.upstream.asked) < 4:
        await asyncio.sleep(0)
    for gate in reversed(gates):
        gate.set()
    events = await call
    done = events[-1].completed.generation

    assert core.upstream.asked == [A] * 4
    assert [ask.count for ask in core.upstream.asks] == [1] * 4
    assert [event.attempt.number for event in events if event.HasField("attempt")] == [1, 2, 3, 4]
    assert outputs(events) == [0, 1, 2, 3]
    assert (done.delivered_count, done.charged_micros) == (4, 4 * PRICE * 1000)
    usage = next(event.usage for event in events if event.HasField("usage"))
    assert usage.usage.output_tokens == 4 * 100
    assert [(item.number, item.shard) for item in await records(core)] == [
        (number + 1, number) for number in range(4)
    ]
    assert await core.balance() == (1000 - 4 * PRICE, 0)


async def test_a_shard_that_fails_goes_to_another_channel_and_the_others_do_not(channel, core):
    core.upstream.play(A, DELIVERY, FAILS, DELIVERY)
    events = await generate(channel, images())

    assert kinds(events)[-1] == "completed"
    assert sorted(core.upstream.asked) == [A] * 4 + [B]
    assert outputs(events) == [0, 1, 2, 3]
    found = await records(core)
    assert [(item.number, item.shard, item.channel) for item in found] == [
        (1, 0, A),
        (2, 1, A),
        (3, 2, A),
        (4, 3, A),
        (5, 1, B),
    ]
    assert found[1].state is AttemptState.FAILED
    assert await core.balance() == (1000 - 4 * PRICE, 0)


async def test_what_some_shards_deliver_is_charged_and_numbered_without_a_gap(channel, core):
    core.upstream.play(A, REFUSES, DELIVERY, REFUSES, DELIVERY)
    events = await generate(channel, images())
    done = events[-1].completed.generation

    assert (done.delivered_count, done.charged_micros) == (2, 2 * PRICE * 1000)
    assert outputs(events) == [0, 1]
    assert core.upstream.asked == [A] * 4, "a refusal goes to nobody else"
    assert await core.balance() == (1000 - 2 * PRICE, 0)


async def test_when_no_shard_delivers_the_caller_learns_the_most_useful_reason(channel, core):
    core.upstream.play(A, FAILS, FAILS, REFUSES, FAILS)
    core.upstream.play(B, FAILS)
    events = await generate(channel, images())

    assert failed_reason(events[-1]) == "CONTENT_POLICY_VIOLATION"
    assert len(await records(core)) <= 16
    assert await core.balance() == (1000, 0)


async def test_seeds_count_up_so_that_shards_make_different_images(channel, core):
    await generate(channel, images(3, seed=SEED))

    seeds = [ask.parameters["seed"] for ask in core.upstream.asks]
    assert sorted(seeds) == [0, SEED, SEED + 1]


async def test_a_channel_at_its_limit_makes_the_rest_when_it_has_room(channel, core):
    most = core.engine._intake._catalogue.channels[A].maximum_in_flight
    for name in (A, B):  # leave room for one call on each
        core.fleet.health.of(name, OPERATION).load.in_flight = most - 1
    events = await generate(channel, images())
    for name in (A, B):
        core.fleet.health.of(name, OPERATION).load.in_flight -= most - 1

    assert outputs(events) == [0, 1, 2, 3]
    assert await core.balance() == (1000 - 4 * PRICE, 0)


async def test_a_cancelled_call_delivers_the_shards_that_are_made_or_billed_anyhow(channel, core):
    gate = asyncio.Event()
    core.upstream.play(A, DELIVERY, (gate, *DELIVERY))
    call = asyncio.ensure_future(generate(channel, images(2)))
    while len(core.upstream.asked) < 2:
        await asyncio.sleep(0)
    (id_,) = core.engine._live
    await core.engine.cancel(core.gate.caller, id_)
    gate.set()
    events = await call

    assert outputs(events) == [0, 1], "these channels bill what was begun"
    assert await core.balance() == (1000 - 2 * PRICE, 0)


async def test_a_process_that_stops_ends_every_shard_and_voids_the_hold(channel, core):
    core.upstream.play(A, DELIVERY, (asyncio.Event(),))
    call = asyncio.ensure_future(generate(channel, images()))
    while len(core.upstream.asked) < 4:
        await asyncio.sleep(0)
    await core.engine.stop(5)
    events = await call

    assert failed_reason(events[-1]) == "REQUEST_NOT_RETAINED"
    assert core.upstream.closed == 4
    assert await core.balance() == (1000, 0)


async def test_previews_of_a_shard_carry_its_number_and_bind_only_that_shard():
    core = build_core(known=one_at_a_time())
    await core.credit(1000)
    shown = Preview(0, 0, "image/png", Body(PNG))
    core.upstream.play(
        "openai-a",
        (shown, *DELIVERY),
        (shown, UpstreamError(Fault.LOST)),
        FAILS,
        (shown, *DELIVERY),
    )
    async with served(core, "local") as channel:
        asked = start(spec={"partial_count": 1})
        asked.start.spec.parameters.output_count = 4
        events = await generate(channel, asked)

    seen = {event.partial.output_index for event in events if event.HasField("partial")}
    assert seen == {0, 1, 3}
    assert sorted(core.upstream.asked) == ["openai-a"] * 4 + ["openai-b"], "none for the cut one"
    assert events[-1].completed.generation.delivered_count == 3
    assert await core.balance() == (1000 - 3 * 7, 0)


async def test_when_nobody_made_all_the_rest_is_asked_of_others_one_by_one():
    core = build_core(known=one_at_a_time())
    catalogued = core.engine._intake._catalogue
    first, *others = catalogued.routes["gpt-image-2"]
    routes = {"gpt-image-2": (replace(first, maximum_count=10), *others)}
    core.engine._intake.use(replace(catalogued, routes=routes))
    await core.credit(1000)
    core.upstream.play("openai-a", (Final(0, Body(PNG)), Report(Usage(1, 0, 1, 1))))
    async with served(core, "local") as channel:
        asked = start()
        asked.start.spec.parameters.output_count = 3
        events = await generate(channel, asked)

    assert [ask.count for ask in core.upstream.asks] == [3, 1, 1]
    assert core.upstream.asked == ["openai-a", "openai-b", "openai-b"]
    assert set(outputs(events)) == {0, 1, 2}
    assert await core.balance() == (1000 - 3 * 7, 0)


async def test_a_series_is_never_divided_nor_filled_up():
    core = build_core(known=simulated("SEEDREAM"))
    await core.credit(1000)
    finals = (Final(0, Body(jpeg())), Final(1, Body(jpeg())), Report(Usage(1, 0, 1, 1)))
    core.upstream.play("seedream-a", finals)
    async with served(core, "local") as channel:
        events = await generate(channel, images(model="seedream-5.0-lite"))

    assert core.upstream.asked == ["seedream-a"]
    assert events[-1].completed.generation.delivered_count == 2
