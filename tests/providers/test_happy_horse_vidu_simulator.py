"""The dialects of DashScope and Vidu, with the demo's channels, against the simulated providers."""

import asyncio
import io
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from PIL import Image

from core.body import Body
from core.catalog.loader import FOLDER, load
from core.errors import Fault, UpstreamError
from core.model import Ask, Channel, Input, Kind, Role
from core.providers import JOB_DIALECTS
from core.providers.driver import Driver
from core.providers.jobs import Broken, Found, JobState, Made, Stopped, Working
from simulator import Fault as SimulatedFault
from simulator import Knobs, SimulatedChannel, Simulator
from simulator.dashscope_request import VideoOrder as DashScopeOrder
from simulator.vidu_request import VideoOrder as ViduOrder

HORSE, VIDU, RESOLD = "happy-horse-a", "vidu-pro-a", "vidu-pro-b"
ACCOUNTS = [
    SimulatedChannel(HORSE, "sk-sim-horse", "dashscope"),
    SimulatedChannel(VIDU, "vda-sim", "vidu"),
    SimulatedChannel(RESOLD, "sk-sim-vidu", "dashscope"),
]
FILES = [
    *sorted((FOLDER / "models").glob("*.toml")),
    *(FOLDER / "embedded" / name for name in ("dashscope.toml", "vidu.toml")),
]
MODELS = {HORSE: "happy-horse-1.0", VIDU: "vidu-q3-pro", RESOLD: "vidu-q3-pro"}
every_channel = pytest.mark.parametrize("name", [*MODELS])


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(ACCOUNTS) as opened:
        opened.configure(Knobs(queue_ms=0, run_ms=0))
        yield opened


class Provider:
    """One channel of the demo, and what is asked of it."""

    def __init__(self, channel: Channel, driver: Driver) -> None:
        self.channel = channel
        self.driver = driver
        self.dialect = JOB_DIALECTS[channel.dialect]

    async def submit(self, ask: Ask, mark: UUID) -> str:
        call = self.dialect.submit(ask, self.channel, mark)
        return self.dialect.submitted(await self.driver.call(call, self.channel), ask)

    async def state(self, job_id: str) -> JobState:
        call = self.dialect.look(job_id, self.channel)
        return self.dialect.state(await self.driver.call(call, self.channel), self.channel)

    async def ended(self, job_id: str) -> JobState:
        async with asyncio.timeout(10):
            while isinstance(state := await self.state(job_id), Working):
                await asyncio.sleep(0)
        return state

    async def cancel(self, job_id: str) -> bool:
        call = self.dialect.cancel(job_id, self.channel, Working(is_queued=True))
        assert call is not None
        return self.dialect.cancelled(await self.driver.call(call, self.channel))

    async def find(self, mark: UUID) -> Found:
        call = self.dialect.find(self.channel, 1)
        assert call is not None
        return self.dialect.found(await self.driver.call(call, self.channel), mark)


def provider(name: str, simulator: Simulator, driver: Driver) -> Provider:
    env = {}
    for account in ("HAPPY_HORSE", "VIDU_PRO", "VIDU_TURBO"):
        for letter in "AB":
            env[f"SIMULATOR_URL_{account}_{letter}"] = "http://127.0.0.1:1"
    for account in ACCOUNTS:
        variable = account.name.upper().replace("-", "_")
        env[f"SIMULATOR_URL_{variable}"] = simulator.base_url(account.name)
        env[f"SIMULATOR_KEY_{variable}"] = account.credential
    return Provider(load(FILES, env).channels[name], driver)


def picture(role: Role, size: tuple[int, int] = (640, 640)) -> Input:
    file = io.BytesIO()
    Image.new("RGB", size).save(file, "PNG")
    return Input(role, Body(file.getvalue()), "image/png", *size, role)


FIRST, LAST, LIKE = (
    picture(role, (480, 640)) for role in (Role.FIRST_FRAME, Role.LAST_FRAME, Role.IMAGE)
)
FILM = Input(Role.VIDEO, Body(b""), "video/mp4", url=Body("https://example.org/a.mp4"))


def ask(name: str, *inputs: Input, prompt: str = "a fox", **given: str | float | bool) -> Ask:
    return Ask(MODELS[name], Kind.VIDEO, Body(prompt), inputs, parameters=given)


@pytest.mark.parametrize(
    ("inputs", "given", "expected"),
    [
        (
            (),
            {"resolution": "720p", "aspect_ratio": "9:16", "duration": 3},
            ("happyhorse-1.0-t2v", 720, 1280, 3),
        ),
        (
            (FIRST,),
            {"resolution": "1080p", "duration": 4},
            ("happyhorse-1.0-i2v", 1248, 1664, 4),
        ),
        (
            (LIKE, LIKE),
            {"resolution": "720p", "aspect_ratio": "1:1", "duration": 15},
            ("happyhorse-1.0-r2v", 960, 960, 15),
        ),
        (
            (FILM, LIKE),
            {"resolution": "720p", "audio_setting": "origin"},
            ("happyhorse-1.0-video-edit", 1280, 720, 5),
        ),
    ],
    ids=["text", "first frame", "references", "edit"],
)
async def test_happy_horse_makes_what_was_asked_for_without_a_watermark(
    driver: Driver, simulator: Simulator, inputs, given, expected
) -> None:
    horse = provider(HORSE, simulator, driver)
    state = await horse.ended(await horse.submit(ask(HORSE, *inputs, **given, seed=7), uuid4()))

    assert isinstance(state, Made)
    assert state.report.seconds == expected[-1]
    (job,) = simulator.books()[HORSE].all()
    order = job.order
    assert isinstance(order, DashScopeOrder)
    assert (order.model, order.width, order.height, order.seconds) == expected
    assert (order.watermark, order.seed) == (False, 7)


@pytest.mark.parametrize("name", [VIDU, RESOLD])
@pytest.mark.parametrize(
    ("inputs", "given", "expected"),
    [
        ((), {"aspect_ratio": "3:4", "duration": 3}, ("text2video", 608, 816, 3)),
        ((FIRST,), {"duration": 4}, ("img2video", 616, 824, 4)),
        ((LAST, FIRST), {"duration": 1}, ("start-end2video", 616, 824, 1)),
    ],
    ids=["text", "first frame", "frames"],
)
async def test_vidu_makes_the_same_wherever_it_is_asked(
    driver: Driver, simulator: Simulator, name: str, inputs, given, expected
) -> None:
    vidu = provider(name, simulator, driver)
    wanted = {**given, "resolution": "540p", "with_audio": True}
    state = await vidu.ended(await vidu.submit(ask(name, *inputs, **wanted), uuid4()))

    assert isinstance(state, Made)
    (job,) = simulator.books()[name].all()
    order = job.order
    assert isinstance(order, ViduOrder | DashScopeOrder)
    assert (order.width, order.height, order.seconds) == expected[1:]
    assert (order.audio, order.watermark) == (True, False)
    kind = order.kind if isinstance(order, ViduOrder) else order.model.rpartition("_")[2]
    assert kind == expected[0]


@every_channel
async def test_only_a_queued_job_is_cancelled(
    driver: Driver, simulator: Simulator, name: str
) -> None:
    target = provider(name, simulator, driver)
    simulator.configure(Knobs(queue_ms=60_000))
    queued = await target.submit(ask(name, duration=5), uuid4())
    simulator.configure(Knobs(queue_ms=0, run_ms=60_000))
    running = await target.submit(ask(name, duration=5), uuid4())

    assert await target.state(queued) == Working(is_queued=True)
    assert await target.state(running) == Working()
    assert await target.cancel(queued)
    assert not await target.cancel(running)
    assert await target.state(queued) == Stopped()
    assert await target.state(running) == Working()


async def test_a_lost_submission_to_vidu_is_found_by_its_mark(
    driver: Driver, simulator: Simulator
) -> None:
    vidu, mark = provider(VIDU, simulator, driver), uuid4()
    await vidu.submit(ask(VIDU), uuid4())
    await simulator.set_fault(VIDU, SimulatedFault("lost"))
    with pytest.raises(UpstreamError) as caught:
        await vidu.submit(ask(VIDU), mark)
    assert caught.value.fault is Fault.LOST
    await simulator.clear_faults()

    found = await vidu.find(mark)
    assert isinstance(await vidu.ended(found.job_id), Made)
    assert (found.is_last, (await vidu.find(uuid4())).job_id) == (True, "")
    assert simulator.books()[VIDU].made == 2


@every_channel
@pytest.mark.parametrize(
    ("prompt", "stage"),
    [("moderation_blocked", "input"), ("moderation_blocked_output", "output")],
)
async def test_moderation_tells_what_it_refused(
    driver: Driver, simulator: Simulator, name: str, prompt: str, stage: str
) -> None:
    target = provider(name, simulator, driver)
    try:
        state = await target.ended(await target.submit(ask(name, prompt=prompt), uuid4()))
        assert isinstance(state, Broken)
        error = state.error
    except UpstreamError as refused:
        error = refused

    assert (error.fault, error.stage) == (Fault.CONTENT_POLICY, stage)


@every_channel
@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (400, Fault.BAD_REQUEST),
        (401, Fault.AUTH),
        (403, Fault.AUTH),
        (404, Fault.NOT_FOUND),
        (429, Fault.RATE_LIMITED),
        (500, Fault.SERVER_ERROR),
    ],
)
async def test_every_refusal_is_understood(
    driver: Driver, simulator: Simulator, name: str, status: int, fault: Fault
) -> None:
    await simulator.set_fault(name, SimulatedFault("status", status=status))
    with pytest.raises(UpstreamError) as caught:
        await provider(name, simulator, driver).submit(ask(name), uuid4())

    assert (caught.value.fault, caught.value.http_status) == (fault, status)


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        (HORSE, 400, "Arrearage"),
        (HORSE, 429, "Throttling.AllocationQuota"),
        (HORSE, 403, "AccessDenied.Unpurchased"),
        (VIDU, 400, "CreditInsufficient"),
    ],
)
async def test_a_spent_balance_is_known_whatever_its_status(
    driver: Driver, simulator: Simulator, name: str, status: int, code: str
) -> None:
    await simulator.set_fault(name, SimulatedFault("status", status=status, code=code))
    with pytest.raises(UpstreamError) as caught:
        await provider(name, simulator, driver).submit(ask(name), uuid4())

    assert caught.value.fault is Fault.QUOTA


@every_channel
@pytest.mark.parametrize("variant", ["no_data", "no_image", "null_image"])
async def test_a_success_that_says_nothing_is_none(
    driver: Driver, simulator: Simulator, name: str, variant: str
) -> None:
    target = provider(name, simulator, driver)
    job_id = await target.submit(ask(name), uuid4())
    await simulator.set_fault(name, SimulatedFault("empty", variant=variant))

    with pytest.raises(UpstreamError) as caught:
        await target.submit(ask(name), uuid4())
    assert caught.value.fault is Fault.INVALID_RESPONSE
    state = await target.state(job_id)
    assert isinstance(state, Broken)
    assert state.error.fault is Fault.INVALID_RESPONSE


@every_channel
async def test_a_job_that_nobody_knows_is_not_found(
    driver: Driver, simulator: Simulator, name: str
) -> None:
    with pytest.raises(UpstreamError) as caught:
        await provider(name, simulator, driver).state(uuid4().hex)

    assert caught.value.fault is Fault.NOT_FOUND
