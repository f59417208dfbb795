"""What is in memory of a request goes when its generation ends, here and in the simulator."""

import asyncio
from uuid import uuid4

import grpc
import pytest
from aiohttp import web

from core.body import Body
from core.catalog.loader import embedded_channels, embedded_files, load
from core.catalog.schema import validate
from core.engine.inputs import Inputs
from core.fetch.caller import CallerFetch
from core.fetch.guard import Limits
from core.log import render
from core.model import Input, Role
from core.providers import DIALECTS, JOB_DIALECTS
from core.providers.driver import Driver
from gateway.demo import SIMULATED
from gateway.proof.canaries import Canaries
from simulator.app import SimulatedChannel, Simulator
from tests.fetch.peers import LOOPBACK, Names
from tests.fix_core import DELIVERY
from tests.generating import SECONDS, generate, start
from tests.privacy import tainted_channels as channels
from tests.privacy.heap import held
from tests.privacy.tainted_files import FILES, FILM, FILM_SECONDS, SIDE, tainted_picture

HOST = "a.example"
KEY = "sk-sim-0123456789abcdef"


@pytest.fixture
def canaries():
    return Canaries()


async def served():
    """A server of inputs that repeats the words of its URLs."""

    async def answer(request: web.Request) -> web.StreamResponse:
        word = request.match_info["word"]
        if request.match_info["way"] == "good":
            return web.Response(body=tainted_picture(word), content_type="image/png")
        if request.match_info["way"] == "moves":
            raise web.HTTPFound(f"http://10.0.0.1/{word}")
        return web.Response(status=500, reason=word, text=word, headers={"x-echo": word})

    application = web.Application()
    application.router.add_get("/{way}/{word}", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner


@pytest.fixture
async def place(core):
    """Where inputs are fetched from, for a core whose open internet is this machine."""
    runner = await served()
    limits = Limits(1 << 20, connect=2, first_byte=2, idle=2, total=5)
    names = Names(a_example=[["127.0.0.1"]])
    async with CallerFetch(limits, resolver=names, networks=LOOPBACK) as fetch:
        core.generations._inputs = Inputs(fetch)
        yield f"http://{HOST}:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.mark.parametrize("way", ["good", "moves", "fails"])
async def test_an_input_by_url_is_forgotten_with_its_generation(
    channel, core, canaries, place, way
):
    message = start(canaries.plant("prompt"), detached=True)
    parameters = message.start.spec.parameters
    query = f"signature={canaries.plant('query')}"
    parameters.inputs.add(uri=f"{place}/{way}/{canaries.plant('path')}?{query}", parameter="image")
    parameters.end_user_id = canaries.plant("end user")
    message.start.spec.request_id = canaries.plant("request id")
    answers = b""
    try:
        for event in await generate(channel, message):
            answers += event.SerializeToString()
    except grpc.aio.AioRpcError as error:
        answers += repr((error.details(), error.trailing_metadata())).encode()
    await core.settled()

    heard = held(core.upstream.asks, canaries)
    assert heard == ({"prompt", "path", "query", "end user"} if way == "good" else set())
    core.upstream.asks.clear()
    assert canaries.found_in(answers) == set()
    logged = "\n".join(render(event, 0.0) for event in core.emitted)
    assert canaries.found_in(logged.encode()) == set()
    assert (
        held([core.engine, core.records, core.store, core.services, core.fleet], canaries) == set()
    )


async def test_what_runs_is_held(channel, core, canaries):
    gate = asyncio.Event()
    core.upstream.play("openai-a", (gate, *DELIVERY))
    running = asyncio.ensure_future(generate(channel, start(canaries.plant("prompt"))))
    await asyncio.wait_for(core.upstream.started.wait(), SECONDS)
    core.upstream.asks.clear()

    assert held([core.engine], canaries) == {"prompt"}
    gate.set()
    await running


def catalogue_of(simulator):
    """The demo's catalogue on a simulator of this process."""
    env = {}
    for name in embedded_channels():
        variable = name.upper().replace("-", "_").replace(".", "_")
        env[f"SIMULATOR_URL_{variable}"] = simulator.base_url(name)
        env[f"SIMULATOR_KEY_{variable}"] = KEY
    return load(embedded_files(), env)


def ask_of(wish, canaries):
    """What *wish* asks for, in our words."""
    name = channels.name_of("asked", wish)
    inputs = []
    for role in channels.roles(wish):
        make, kind = FILES[role]
        data, size = Body(make(canaries.plant(f"{name}: {role}"))), FILM
        if role is not Role.VIDEO:
            size = (SIDE, SIDE)
        url = Body(f"https://example.org/{canaries.plant(f'{name}: link')}")
        inputs.append(Input(role, data, kind, *size, role, FILM_SECONDS, url))
    words = {text: canaries.plant(f"{name}: {text}") for text in channels.texts(wish)}
    prompt = canaries.plant(f"{name}: prompt") if "prompt" in wish.model.parameters else ""
    return validate(wish.model, Body(prompt), {**wish.parameters, **words}, inputs)


async def tell(driver, wish, ask):
    """Send what starts it, as the gateway would; True if it was taken."""
    dialect = wish.channel.dialect
    if dialect in JOB_DIALECTS:
        call = JOB_DIALECTS[dialect].submit(ask, wish.channel, uuid4())
        return (await driver.call(call, wish.channel)).status < 300
    pieces = []
    await driver.attempt(DIALECTS[dialect], ask, wish.channel, pieces.append)
    return pieces != []


async def test_neither_the_driver_nor_the_simulator_keeps_a_word_or_a_file(canaries):
    names = embedded_channels()
    simulated = [SimulatedChannel(name, KEY, SIMULATED[own]) for name, own in names.items()]
    async with Simulator(simulated) as simulator, Driver() as driver:
        wishes = channels.chosen(catalogue_of(simulator))
        for wish in wishes:
            assert await tell(driver, wish, ask_of(wish, canaries)), channels.name_of("", wish)
        kept = held([simulator, driver, *asyncio.all_tasks()], canaries)

    assert len(canaries.fields) > len(wishes)
    assert kept == set()
