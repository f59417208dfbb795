"""fal's and Replicate's channels of the demo against the simulated providers.

Every mode of every channel: what is asked for, in our words, comes out of the other side, so no row
of the catalogue is misspelt. The demo's rows are those of the real channels, which is tested too.
"""

import io
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import aiohttp
import av
import pytest
from PIL import Image

from core.body import Body, Secret
from core.catalog.loader import embedded_channels, embedded_files, load, shipped_files
from core.errors import Fault, UpstreamError
from core.model import Ask, Channel, Hosted, Input, Kind, Mode, Role
from core.providers import JOB_DIALECTS
from core.providers.driver import Driver
from core.providers.jobs import Broken, Elsewhere, JobState, Made, Stopped, Working
from simulator import Fault as SimulatedFault
from simulator import Knobs, SimulatedChannel, Simulator
from simulator.fal_endpoints import ENDPOINTS
from simulator.replicate_models import MODELS
from tests.films import film
from tests.providers.asking import EASY

pytestmark = pytest.mark.prove

KEYS = {"fal": "fal-key", "replicate": "r8_key"}
VARIABLES = {
    f"SIMULATOR_{what}_{re.sub('[-.]', '_', name.upper())}": value
    for name in embedded_channels()
    for what, value in (("URL", "http://127.0.0.1:1"), ("KEY", "key"))
}
CATALOGUE = load(embedded_files(), VARIABLES)
REAL = load(shipped_files(), {"FAL_KEY": "k", "REPLICATE_API_TOKEN": "k"})
CHANNELS = [
    (model, channel)
    for model, channels in CATALOGUE.routes.items()
    for channel in channels
    if channel.dialect in KEYS
]
FILES = {
    Role.IMAGE: "image/png",
    Role.MASK: "image/png",
    Role.FIRST_FRAME: "image/png",
    Role.LAST_FRAME: "image/png",
    Role.VIDEO: "video/mp4",
}
ROLES = {
    Mode.TEXT: (),
    Mode.IMAGE: (Role.IMAGE, Role.IMAGE),
    Mode.FIRST_FRAME: (Role.FIRST_FRAME,),
    Mode.FRAMES: (Role.FIRST_FRAME, Role.LAST_FRAME),
    Mode.VIDEO: (Role.VIDEO,),
}
SMALL = {"resolution": ("480p", "540p", "512", "1k", "720p", "2k"), "duration": (1, 3, 4)}

every_channel = pytest.mark.parametrize(
    ("model", "channel"), CHANNELS, ids=[channel.name for _, channel in CHANNELS]
)


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    accounts = [SimulatedChannel(name, key, name) for name, key in KEYS.items()]
    async with Simulator(accounts) as opened:
        opened.configure(Knobs(queue_ms=0, run_ms=0))
        yield opened


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as opened:
        yield opened


def at(simulator: Simulator, channel: Channel) -> Channel:
    """The channel, at the one account of its provider."""
    base = simulator.base_url(channel.dialect)
    return replace(
        channel,
        base_url=base if channel.dialect == "fal" else f"{base}/v1",
        side_url=f"{base}/v1",
        credential=Secret(KEYS[channel.dialect]),
        deadlines=EASY,
    )


def png() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (320, 240)).save(stream, "PNG")
    return stream.getvalue()


def file(role: Role) -> Input:
    data = film(size=(320, 240), seconds=3) if role is Role.VIDEO else png()
    return Input(role, Body(data), FILES[role], 320, 240)


def ask_for(model: str, channel: Channel, mode: Mode) -> Ask:
    """What the intake makes of a request for little, in that mode."""
    known = CATALOGUE.models[model]
    parameters = {
        name: value
        for name, value in known.explicit.items()
        if mode in known.parameters[name].modes
    }
    for name, values in SMALL.items():
        for value in values:
            if takes(model, channel, name, value) and mode in known.parameters[name].modes:
                parameters[name] = value
                break
    return Ask(
        model,
        known.kind,
        Body("a red fox"),
        tuple(file(role) for role in ROLES[mode]),
        parameters=parameters,
    )


def takes(model: str, channel: Channel, name: str, value: str | int) -> bool:
    schema = CATALOGUE.models[model].parameters.get(name)
    if schema is None or not channel.unsupported.isdisjoint({name, f"{name}={value}"}):
        return False
    if schema.values:
        return value in schema.values
    whole = isinstance(value, int) and schema.minimum is not None and value >= schema.minimum
    return whole and (schema.multiple_of is None or int(value) % schema.multiple_of == 0)


def modes_of(model: str, channel: Channel) -> list[Mode]:
    known = CATALOGUE.models[model]
    return [
        mode
        for mode, roles in ROLES.items()
        if f"mode:{mode}" not in channel.unsupported
        and all(role in known.inputs for role in roles)
        and all(f"input:{role}" not in channel.unsupported for role in roles)
        and (roles or not any(rule.minimum for rule in known.inputs.values()))
    ]


async def submitted(driver: Driver, ask: Ask, channel: Channel) -> str:
    dialect = JOB_DIALECTS[channel.dialect]
    call = dialect.submit(ask, channel, uuid4())
    return dialect.submitted(await driver.call(call, channel), ask)


async def looked(driver: Driver, job_id: str, channel: Channel) -> JobState:
    dialect = JOB_DIALECTS[channel.dialect]
    state = dialect.state(await driver.call(dialect.look(job_id, channel), channel), channel)
    if isinstance(state, Elsewhere):
        return dialect.outcome(await driver.call(state.call, channel), channel)
    return state


async def ended(driver: Driver, ask: Ask, channel: Channel) -> JobState:
    job_id = await submitted(driver, ask, channel)
    for _ in range(1_000):
        state = await looked(driver, job_id, channel)
        if not isinstance(state, Working):
            return state
    raise AssertionError("it does not end")


async def fetched(session: aiohttp.ClientSession, output: object) -> bytes:
    assert isinstance(output, Hosted)
    async with session.get(output.url.reveal()) as response:
        assert response.status == 200
        return await response.read()


def check_video(data: bytes, ask: Ask, channel: Channel) -> None:
    with av.open(io.BytesIO(data), "r") as video:
        stream = video.streams.video[0]
        lines, seconds = min(stream.width, stream.height), round((video.duration or 0) / 1_000_000)
    factor = ask.parameters.get("upscale_factor")
    if factor is not None:
        assert (lines, seconds) == (240 * int(str(factor)), 3)
        return
    wanted = str(ask.parameters.get("resolution", "720p")).removesuffix("p")
    assert (lines, seconds) == (int(wanted), ask.parameters.get("duration", 3)), channel.name


def check_image(data: bytes, ask: Ask) -> None:
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        side = {"512": 512, "1k": 1024, "2k": 2048}[str(ask.parameters.get("resolution", "1k"))]
        assert image.width * image.height == pytest.approx(side * side, rel=0.02)


@every_channel
async def test_every_mode_of_every_channel_gives_what_was_asked_for(
    driver: Driver,
    simulator: Simulator,
    session: aiohttp.ClientSession,
    model: str,
    channel: Channel,
) -> None:
    target, modes = at(simulator, channel), modes_of(model, channel)

    assert modes
    for mode in modes:
        ask = ask_for(model, channel, mode)
        state = await ended(driver, ask, target)
        assert isinstance(state, Made), (channel.name, mode)
        data = await fetched(session, state.outputs[0])
        if ask.kind is Kind.VIDEO:
            check_video(data, ask, channel)
        else:
            check_image(data, ask)


@every_channel
async def test_a_channel_makes_as_many_outputs_as_it_says(
    driver: Driver, simulator: Simulator, model: str, channel: Channel
) -> None:
    if channel.maximum_count == 1:
        return
    ask = replace(ask_for(model, channel, Mode.TEXT), count=channel.maximum_count)
    state = await ended(driver, ask, at(simulator, channel))

    assert isinstance(state, Made)
    assert [each.output_index for each in state.outputs] == list(range(channel.maximum_count))


@every_channel
def test_every_row_names_an_input_that_the_model_has(model: str, channel: Channel) -> None:
    del model
    known = ENDPOINTS if channel.dialect == "fal" else MODELS
    modes = channel.variants or {Mode.TEXT: channel.upstream_model}
    for mode, name in modes.items():
        for ours, rule in channel.fields.items():
            theirs = rule.to.removesuffix("[]")
            is_other = ours.startswith("input:") and Role(ours[6:]) not in ROLES[mode]
            if theirs and mode in rule.modes and not is_other:
                assert theirs in known[name].fields, (name, theirs)


def test_the_real_channels_say_the_same_as_the_demos() -> None:
    def spoken(channels: tuple[Channel, ...], dialect: str) -> list[object]:
        return [
            (one.upstream_model, one.variants, one.fields, one.constants, one.options)
            for one in sorted(channels, key=lambda one: one.upstream_model)
            if one.dialect == dialect
        ]

    for model in CATALOGUE.routes:
        for dialect in KEYS:
            assert spoken(REAL.routes[model], dialect) == spoken(CATALOGUE.routes[model], dialect)


@pytest.mark.parametrize(
    ("parameters", "size", "file_format"),
    [
        ({"size": "1536x1024", "output_format": "webp"}, (1536, 1024), "WEBP"),
        ({"output_format": "jpeg"}, (1024, 1024), "JPEG"),
        ({"quality": "low"}, (1024, 1024), "PNG"),
    ],
)
async def test_fal_makes_images_of_the_size_and_format_asked_for(
    driver: Driver,
    simulator: Simulator,
    session: aiohttp.ClientSession,
    parameters: dict[str, str],
    size: tuple[int, int],
    file_format: str,
) -> None:
    channel = next(one for _, one in CHANNELS if one.name == "gpt-image-2-fal")
    ask = Ask("gpt-image-2", Kind.IMAGE, Body("fox"), parameters=parameters, count=2)
    state = await ended(driver, ask, at(simulator, channel))

    assert isinstance(state, Made)
    assert len(state.outputs) == 2
    with Image.open(io.BytesIO(await fetched(session, state.outputs[1]))) as image:
        assert (image.size, image.format) == (size, file_format)


@pytest.mark.parametrize("name", ["veo-fal", "veo-replicate"])
async def test_a_lost_job_is_found_by_its_mark_pages_later(
    driver: Driver, simulator: Simulator, name: str
) -> None:
    model, channel = next(pair for pair in CHANNELS if pair[1].name == name)
    target, dialect, mark = at(simulator, channel), JOB_DIALECTS[channel.dialect], uuid4()
    ask = ask_for(model, channel, Mode.TEXT)
    await simulator.set_fault(channel.dialect, SimulatedFault("lost", times=1))
    with pytest.raises(UpstreamError) as caught:
        await driver.call(dialect.submit(ask, target, mark), target)
    for _ in range(130):
        await submitted(driver, ask, target)

    first = dialect.find(target, 1)
    assert first is not None
    before = dialect.found(await driver.call(first, target), mark)
    path = f"{first.path}{'&' if '?' in first.path else '?'}{before.cursor}"
    found = dialect.found(await driver.call(replace(first, path=path), target), mark)

    assert caught.value.fault is Fault.LOST
    assert (before.job_id, before.is_last, found.is_last) == ("", False, True)
    assert isinstance(await looked(driver, found.job_id, target), Made)


@pytest.mark.parametrize(
    ("name", "prompt", "fault"),
    [
        ("gpt-image-2-fal", "moderation_blocked", Fault.CONTENT_POLICY),
        ("gpt-image-2-replicate", "moderation_blocked", Fault.CONTENT_POLICY),
        ("gpt-image-2-fal", "", Fault.BAD_REQUEST),
    ],
)
async def test_a_job_that_is_refused_says_why(
    driver: Driver, simulator: Simulator, name: str, prompt: str, fault: Fault
) -> None:
    channel = next(one for _, one in CHANNELS if one.name == name)
    ask = Ask("gpt-image-2", Kind.IMAGE, Body(prompt))
    state = await ended(driver, ask, at(simulator, channel))

    assert isinstance(state, Broken)
    assert state.error.fault is fault


@pytest.mark.parametrize("name", ["fal", "replicate"])
async def test_a_queued_job_is_cancelled_and_fal_tells_it_afterwards(
    driver: Driver, simulator: Simulator, name: str
) -> None:
    simulator.configure(Knobs(queue_ms=60_000))
    model, channel = next(pair for pair in CHANNELS if pair[1].name == f"veo-{name}")
    target, dialect = at(simulator, channel), JOB_DIALECTS[channel.dialect]
    job_id = await submitted(driver, ask_for(model, channel, Mode.TEXT), target)
    call = dialect.cancel(job_id, target, Working(is_queued=True))
    assert call is not None

    assert dialect.cancelled(await driver.call(call, target)) == (name == "replicate")
    assert await looked(driver, job_id, target) == Stopped()
    # Once more does no harm.
    assert dialect.cancelled(await driver.call(call, target)) == (name == "replicate")


@pytest.mark.parametrize("name", ["fal", "replicate"])
async def test_what_runs_on_at_fal_is_not_taken_for_cancelled(
    driver: Driver, simulator: Simulator, name: str
) -> None:
    simulator.configure(Knobs(queue_ms=0, run_ms=60_000))
    model, channel = next(pair for pair in CHANNELS if pair[1].name == f"veo-{name}")
    target, dialect = at(simulator, channel), JOB_DIALECTS[channel.dialect]
    job_id = await submitted(driver, ask_for(model, channel, Mode.TEXT), target)
    call = dialect.cancel(job_id, target, Working())
    assert call is not None
    dialect.cancelled(await driver.call(call, target))

    expected = Working() if name == "fal" else Stopped()
    assert await looked(driver, job_id, target) == expected
