"""WaveSpeed, kie.ai and OpenRouter as the shipped catalogue speaks to them, against the simulator.

Every mode of every model that their channels serve: what is asked for is what comes back.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import pytest

from core.body import Body, Secret
from core.catalog.entries import Catalogue
from core.catalog.loader import load, shipped_files
from core.catalog.schema import validate
from core.errors import Fault, UpstreamError
from core.fetch.result import ResultFetch
from core.media import probe
from core.model import Acknowledged, Ask, Channel, Final, Hosted, Input, Mode, Piece, Report
from core.providers import DIALECTS, JOB_DIALECTS
from core.providers.driver import Driver
from core.providers.jobs import Broken, JobState, Made, Working
from simulator import Fault as SimulatedFault
from simulator import Knobs, SimulatedChannel, Simulator
from tests.matrix_asks import FILES, ROLES, Wish, judge, wishes
from tests.providers.asking import EASY

pytestmark = pytest.mark.prove

KEY = "reseller-simulated-key"
MARK = UUID(int=7)
BASES = {"wavespeed": "/api/v3", "kie": "/api/v1", "openrouter": "/api/v1"}
LINK = Body("https://files.example/given")
PROMPTS = ("moderation_blocked", "moderation_blocked_output")


def shipped() -> Catalogue:
    keys = ("WAVESPEED_API_KEY", "KIE_API_KEY", "OPENROUTER_API_KEY")
    return load(shipped_files(), dict.fromkeys(keys, KEY))


def fitted(wish: Wish) -> Wish:
    """With what the model's rules, and the channel's, want besides."""
    found = dict(wish.parameters)
    duration = wish.model.parameters.get("duration")
    if duration is not None and duration.multiple_of > 1:
        found["duration"] = 8  # of Veo: what goes with everything else
    if "aspect_ratio=auto" in wish.channel.unsupported:
        found.setdefault("aspect_ratio", "1:1")
    return replace(wish, parameters=found)


WISHES = [fitted(wish) for wish in wishes(shipped()) if wish.channel.region in BASES]
FIRST = {wish.channel.dialect: wish for wish in reversed(WISHES) if wish.mode is Mode.TEXT}
"""One of each dialect."""


def name_of(wish: Wish) -> str:
    return f"{wish.channel.name} {wish.mode}"


def ask_of(wish: Wish, prompt: str = "a lighthouse at dusk", **parameters: object) -> Ask:
    inputs = []
    for role in ROLES[wish.mode]:
        data, media_type = FILES[role]
        found = probe(data)
        assert found is not None
        is_linked = f"inline:{role}" in wish.channel.unsupported
        inputs.append(
            Input(
                role,
                Body(data),
                media_type,
                found.width,
                found.height,
                str(role),
                found.seconds,
                LINK if is_linked else None,
                found.frames,
            )
        )
    words = Body(prompt if "prompt" in wish.model.parameters else "")
    return validate(wish.model, words, {**wish.parameters, **parameters}, inputs)


@pytest.fixture
async def driver() -> AsyncIterator[Driver]:
    async with Driver() as opened:
        yield opened


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator([SimulatedChannel(name, KEY, name) for name in BASES]) as opened:
        opened.configure(Knobs(queue_ms=0, run_ms=0))
        yield opened


def at(simulator: Simulator, channel: Channel) -> Channel:
    base = simulator.base_url(channel.region) + BASES[channel.region]
    return replace(channel, base_url=base, credential=Secret(KEY), deadlines=EASY)


async def submitted(driver: Driver, target: Channel, ask: Ask) -> str:
    dialect = JOB_DIALECTS[target.dialect]
    return dialect.submitted(await driver.call(dialect.submit(ask, target, MARK), target), ask)


async def looked(driver: Driver, target: Channel, job_id: str) -> JobState:
    dialect = JOB_DIALECTS[target.dialect]
    return dialect.state(await driver.call(dialect.look(job_id, target), target), target)


async def drawn(driver: Driver, target: Channel, ask: Ask) -> list[Piece]:
    found: list[Piece] = []
    await driver.attempt(DIALECTS[target.dialect], ask, target, found.append)
    return found


async def asked(driver: Driver, target: Channel, ask: Ask) -> object:
    """What the first call brings."""
    if target.dialect in DIALECTS:
        return await drawn(driver, target, ask)
    return await submitted(driver, target, ask)


async def delivered(driver: Driver, target: Channel, ask: Ask) -> bytes:
    """The only output."""
    if target.dialect in DIALECTS:
        acknowledged, final, report = await drawn(driver, target, ask)
        assert (acknowledged, type(report)) == (Acknowledged(200), Report)
        assert isinstance(final, Final)
        return final.data.reveal()
    state = await looked(driver, target, await submitted(driver, target, ask))
    assert isinstance(state, Made), state
    (hosted,) = state.outputs
    assert isinstance(hosted, Hosted)
    async with ResultFetch() as fetch, fetch.open(hosted, target) as download:
        return b"".join([chunk async for chunk in download.chunks])


def test_each_of_them_serves_what_the_matrix_says() -> None:
    served = {(wish.channel.region, wish.model.id) for wish in WISHES}
    videos = {"seedance-2.0", "happy-horse-1.0", "grok-imagine-1.0-video", "veo-3.1"}
    images = {"gpt-image-2", "gemini-3-pro-image", "gemini-3.1-flash-image"}
    images.add("gemini-2.5-flash-image")
    drawn_too = {"seedream-5.0-lite", "grok-imagine-1.0"}

    assert served == {
        *(("wavespeed", model) for model in videos | images | drawn_too),
        *(("kie", model) for model in videos | images | drawn_too),
        *(("kie", model) for model in ("veo-3.1-fast", "enhance-video-1.0")),
        *(("openrouter", model) for model in videos | images),
        *(("openrouter", model) for model in ("veo-3.1-fast", "veo-3.1-lite")),
    }


@pytest.mark.parametrize("wish", WISHES, ids=name_of)
async def test_what_is_asked_for_is_what_comes_back(
    driver: Driver, simulator: Simulator, wish: Wish
) -> None:
    data = await delivered(driver, at(simulator, wish.channel), ask_of(wish))

    is_linked = any(f"inline:{role}" in wish.channel.unsupported for role in ROLES[wish.mode])
    if is_linked and wish.mode is Mode.VIDEO:
        # Behind the link nothing was looked at: 1280 x 720 are assumed.
        found = probe(data)
        assert found is not None
        assert found.width == 1280 or wish.model.id != "enhance-video-1.0"
        return
    assert judge(wish, data) == ""


@pytest.mark.parametrize("wish", FIRST.values(), ids=name_of)
@pytest.mark.parametrize("prompt", PROMPTS)
async def test_what_moderation_refuses_is_no_fault_of_the_channel(
    driver: Driver, simulator: Simulator, wish: Wish, prompt: str
) -> None:
    target, ask = at(simulator, wish.channel), ask_of(wish, prompt)
    try:
        if target.dialect in DIALECTS:
            await drawn(driver, target, ask)
        state = await looked(driver, target, await submitted(driver, target, ask))
    except UpstreamError as error:
        failed = error
    else:
        assert isinstance(state, Broken)
        failed = state.error
    assert failed.fault is Fault.CONTENT_POLICY


async def test_what_wavespeed_flags_is_delivered(driver: Driver, simulator: Simulator) -> None:
    wish = FIRST["wavespeed"]
    assert await delivered(
        driver, at(simulator, wish.channel), ask_of(wish, "moderation_blocked_one")
    )


PLAIN = [
    (SimulatedFault("status", status=401), Fault.AUTH),
    (SimulatedFault("status", status=402), Fault.QUOTA),
    (SimulatedFault("status", status=404), Fault.NOT_FOUND),
    (SimulatedFault("status", status=429, retry_after=4), Fault.RATE_LIMITED),
    (SimulatedFault("status", status=500), Fault.SERVER_ERROR),
    (SimulatedFault("status", status=502), Fault.SERVER_ERROR),
    (SimulatedFault("status", status=503), Fault.OVERLOADED),
    (SimulatedFault("garbage"), Fault.INVALID_RESPONSE),
    (SimulatedFault("empty", variant="no_data"), Fault.INVALID_RESPONSE),
    (SimulatedFault("empty", variant="no_image"), Fault.INVALID_RESPONSE),
    (SimulatedFault("empty", variant="null_image"), Fault.INVALID_RESPONSE),
    (SimulatedFault("lost"), Fault.LOST),
]
OWN = [
    ("wavespeed", SimulatedFault("status", status=400), Fault.BAD_REQUEST),
    ("wavespeed", SimulatedFault("status", status=403), Fault.AUTH),
    ("wavespeed", SimulatedFault("status", status=403, code="low_balance"), Fault.QUOTA),
    ("kie", SimulatedFault("status", status=400), Fault.BAD_REQUEST),
    ("kie", SimulatedFault("status", status=422), Fault.NOT_FOUND),
    ("kie", SimulatedFault("status", status=455), Fault.OVERLOADED),
    ("kie", SimulatedFault("status", status=501), Fault.SERVER_ERROR),
    ("kie", SimulatedFault("status", status=505), Fault.NOT_FOUND),
    ("kie", SimulatedFault("status", status=403, code="robot"), Fault.SERVER_ERROR),
    ("kie", SimulatedFault("status", status=429, code="http"), Fault.RATE_LIMITED),
    ("kie", SimulatedFault("status", status=502, code="http"), Fault.SERVER_ERROR),
    ("openrouter_videos", SimulatedFault("status", status=400), Fault.BAD_REQUEST),
    ("openrouter_videos", SimulatedFault("status", status=403), Fault.CONTENT_POLICY),
    ("openrouter_images", SimulatedFault("status", status=403), Fault.CONTENT_POLICY),
    (
        "openrouter_images",
        SimulatedFault("status", status=403, code="moderation"),
        Fault.CONTENT_POLICY,
    ),
]
CASES = [(dialect, *case) for dialect in sorted(FIRST) for case in PLAIN] + OWN


@pytest.mark.parametrize(("dialect", "fault", "expected"), CASES)
async def test_a_call_that_fails_says_how(
    driver: Driver, simulator: Simulator, dialect: str, fault: SimulatedFault, expected: Fault
) -> None:
    wish = FIRST[dialect]
    target, ask = at(simulator, wish.channel), ask_of(wish)
    await simulator.set_fault(target.region, fault)

    with pytest.raises(UpstreamError) as caught:
        await asked(driver, target, ask)
    assert caught.value.fault is expected
    if fault.retry_after is not None:
        assert caught.value.retry_after == float(fault.retry_after)
    if expected is Fault.QUOTA:
        assert caught.value.detail is None, "it asks somebody to pay who owes nothing"


jobs_only = pytest.mark.parametrize(
    "dialect", [name for name in sorted(FIRST) if name in JOB_DIALECTS]
)


@jobs_only
async def test_a_wrong_key_and_an_unknown_job_are_told_apart(
    driver: Driver, simulator: Simulator, dialect: str
) -> None:
    target = at(simulator, FIRST[dialect].channel)
    for wrong, expected in (
        (target, Fault.NOT_FOUND),
        (replace(target, credential=Secret("wrong")), Fault.AUTH),
    ):
        with pytest.raises(UpstreamError) as caught:
            await looked(driver, wrong, "no-such-job")
        assert caught.value.fault is expected


@jobs_only
async def test_a_job_fails_or_gives_nothing(
    driver: Driver, simulator: Simulator, dialect: str
) -> None:
    wish = FIRST[dialect]
    target, ask = at(simulator, wish.channel), ask_of(wish)
    await simulator.set_fault(target.region, SimulatedFault("job_fails"))
    failed = await looked(driver, target, await submitted(driver, target, ask))
    assert isinstance(failed, Broken)
    assert failed.error.fault is Fault.SERVER_ERROR
    await simulator.clear_faults()
    job_id = await submitted(driver, target, ask)
    for variant in ("no_data", "no_image", "null_image"):
        fault = SimulatedFault("empty", variant=variant, on="poll")
        await simulator.set_fault(target.region, fault)
        empty = await looked(driver, target, job_id)
        assert isinstance(empty, Broken)
        assert empty.error.fault is Fault.INVALID_RESPONSE


@jobs_only
async def test_a_job_waits_and_then_runs(
    driver: Driver, simulator: Simulator, dialect: str
) -> None:
    wish = FIRST[dialect]
    target = at(simulator, wish.channel)
    simulator.configure(Knobs(queue_ms=60_000))
    waits = await looked(driver, target, await submitted(driver, target, ask_of(wish)))
    simulator.configure(Knobs(queue_ms=0, run_ms=60_000))
    runs = await looked(driver, target, await submitted(driver, target, ask_of(wish)))

    # Veo at kie.ai does not tell these apart.
    assert waits == Working(is_queued=dialect != "kie_veo")
    assert runs == Working()


async def test_kie_takes_robots_for_such(driver: Driver, simulator: Simulator) -> None:
    target = at(simulator, FIRST["kie"].channel)
    call = JOB_DIALECTS["kie"].submit(ask_of(FIRST["kie"]), target, MARK)
    bare = {name: value for name, value in call.headers.items() if name != "user-agent"}
    answers = [
        await driver.call(replace(call, headers=each), target) for each in (call.headers, bare)
    ]

    assert [answer.status for answer in answers] == [200, 403]
    assert answers[1].body.reveal() == b"error code: 1010"


async def test_a_wrong_input_is_the_callers_where_kie_calls_it_a_failure_of_its_own(
    driver: Driver, simulator: Simulator
) -> None:
    wish = next(wish for wish in WISHES if wish.channel.name == "kie-grok-video")
    target = at(simulator, wish.channel)
    plain = {**target.fields, "duration": replace(target.fields["duration"], form="")}
    target = replace(target, fields=plain)

    with pytest.raises(UpstreamError) as caught:
        await submitted(driver, target, ask_of(wish))
    assert (caught.value.fault, caught.value.parameter) == (Fault.BAD_REQUEST, "duration")


async def test_a_video_behind_the_key_is_not_given_without_it(
    driver: Driver, simulator: Simulator
) -> None:
    wish = FIRST["openrouter_videos"]
    target = at(simulator, wish.channel)
    state = await looked(driver, target, await submitted(driver, target, ask_of(wish)))
    assert isinstance(state, Made)
    (hosted,) = state.outputs
    assert isinstance(hosted, Hosted)

    with pytest.raises(UpstreamError) as caught:
        async with ResultFetch() as fetch, fetch.open(replace(hosted, headers={}), target):
            pass
    assert caught.value.fault is Fault.AUTH


@jobs_only
async def test_many_jobs_at_once_are_told_apart(
    driver: Driver, simulator: Simulator, dialect: str
) -> None:
    target, ask = at(simulator, FIRST[dialect].channel), ask_of(FIRST[dialect])
    ids = await asyncio.gather(*(submitted(driver, target, ask) for _ in range(8)))

    assert len(set(ids)) == 8
    assert simulator.books()[target.region].made == 8
