"""The driver and the Topaz dialect against the simulated service, from the order to the video."""

import io
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import av
import pytest
from aiohttp import ClientSession

from core.body import Body, Secret
from core.errors import Fault, UpstreamError
from core.fetch.lending import Lender
from core.media import probe
from core.model import Ask, Channel, Hosted, Input, Kind, Resubmit, Role
from core.providers.driver import Driver
from core.providers.jobs import Broken, JobState, Made, Stopped, Working
from core.providers.topaz import Topaz
from core.providers.wire import Reply
from simulator import Fault as SimulatedFault
from simulator import Knobs, SimulatedChannel, Simulator
from tests.films import film
from tests.providers.asking import EASY

NAME, KEY = "enhance-a", "topaz-simulated-key"
DIALECT = Topaz()
MARK = UUID(int=7)
FILM = film(size=(64, 48), audio=True)


def ask(item: Input | None = None, factor: str = "2") -> Ask:
    given = (item or FILM_INPUT,)
    return Ask("ours", Kind.VIDEO, Body(""), given, parameters={"upscale_factor": factor})


def probed(data: bytes) -> Input:
    found = probe(data)
    assert found is not None
    return Input(
        Role.VIDEO,
        Body(data),
        found.media_type,
        found.width,
        found.height,
        "video",
        found.seconds,
        frames=found.frames,
    )


FILM_INPUT = probed(FILM)


@pytest.fixture
async def driver() -> AsyncIterator[Driver]:
    async with Lender() as lender, Driver(lender) as opened:
        yield opened


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator([SimulatedChannel(NAME, KEY, "topaz")]) as opened:
        opened.configure(Knobs(queue_ms=0, run_ms=0))
        yield opened


@pytest.fixture
def target(simulator: Simulator) -> Channel:
    return Channel(
        NAME,
        "topaz",
        "prob-4",
        simulator.base_url(NAME),
        Secret(KEY),
        resubmit=Resubmit.RECONCILE_FIRST,
        deadlines=EASY,
    )


async def created(driver: Driver, target: Channel, asked: Ask) -> tuple[str, Reply]:
    reply = await driver.call(DIALECT.submit(asked, target, MARK), target)
    return DIALECT.submitted(reply, asked), reply


async def started(driver: Driver, target: Channel, asked: Ask) -> str:
    """The id of a job, after every step."""
    job_id, reply = await created(driver, target, asked)
    step = 1
    while call := DIALECT.proceed(reply, step, job_id, asked, target):
        reply = await driver.call(call, target)
        step += 1
    return job_id


async def looked(driver: Driver, target: Channel, job_id: str) -> JobState:
    return DIALECT.state(await driver.call(DIALECT.look(job_id, target), target), target)


async def history(target: Channel) -> list[str]:
    """What the newest request cost: the operations on its credits."""
    async with (
        ClientSession() as session,
        session.get(f"{target.base_url}/video/history", headers={"x-api-key": KEY}) as answer,
    ):
        newest = (await answer.json())["result"][0]
    return [each["operation"] for each in newest["transactions"]]


@pytest.mark.parametrize(("factor", "size"), [("1", (64, 48)), ("2", (128, 96)), ("4", (256, 192))])
async def test_a_video_comes_back_enlarged(
    driver: Driver, target: Channel, factor: str, size: tuple[int, int]
) -> None:
    job_id = await started(driver, target, ask(factor=factor))
    state = await looked(driver, target, job_id)

    assert isinstance(state, Made)
    (hosted,) = state.outputs
    assert isinstance(hosted, Hosted)
    async with ClientSession() as session, session.get(hosted.url.reveal()) as answer:
        data = await answer.read()
    with av.open(io.BytesIO(data), "r") as video:
        pictures = video.streams.video[0].codec_context
        assert (pictures.width, pictures.height) == size
        assert video.duration == 1_000_000
        assert video.streams.audio
    assert await history(target) == ["reserve", "commit"]


async def test_the_key_does_not_go_where_the_file_goes(
    driver: Driver, target: Channel, simulator: Simulator
) -> None:
    await started(driver, target, ask())

    assert [(call.method, call.path) for call in simulator.calls.newest()] == [
        ("POST", "/video/"),
        ("PATCH", "/video/{id}/accept"),
        ("PUT", "/upload/{file}"),
        ("PATCH", "/video/{id}/complete-upload/"),
    ]
    assert [call.made for call in simulator.calls.newest()] == [0, 0, 0, 1]


async def test_what_was_only_ordered_waits_and_is_cancelled_for_nothing(
    driver: Driver, target: Channel
) -> None:
    job_id, _ = await created(driver, target, ask())
    state = await looked(driver, target, job_id)
    assert state == Working(is_queued=True, percent=0)

    for _ in range(2):
        call = DIALECT.cancel(job_id, target, state)
        assert call is not None
        assert DIALECT.cancelled(await driver.call(call, target))
    assert await looked(driver, target, job_id) == Stopped()
    assert await history(target) == []


async def test_a_running_job_is_cancelled_and_the_rest_refunded(
    driver: Driver, target: Channel, simulator: Simulator
) -> None:
    simulator.configure(Knobs(queue_ms=60_000, run_ms=60_000))
    job_id = await started(driver, target, ask())
    call = DIALECT.cancel(job_id, target, Working())
    assert call is not None
    assert DIALECT.cancelled(await driver.call(call, target))

    assert await looked(driver, target, job_id) == Stopped()
    assert await history(target) == ["reserve", "rollback"]


async def test_a_file_that_is_not_what_was_said_fails_with_a_refund(
    driver: Driver, target: Channel
) -> None:
    job_id = await started(driver, target, ask(replace(FILM_INPUT, width=128)))
    state = await looked(driver, target, job_id)

    assert isinstance(state, Broken)
    assert state.error.fault is Fault.BAD_REQUEST
    assert await history(target) == ["reserve", "rollback"]


@pytest.mark.parametrize(
    ("wrong", "parameter"),
    [
        (replace(FILM_INPUT, media_type="video/webm"), "video"),
        (replace(FILM_INPUT, seconds=0.0), "video"),
        (replace(FILM_INPUT, width=5000), "upscale_factor"),
    ],
)
def test_what_topaz_cannot_take_is_refused_before_it_is_asked(
    target: Channel, wrong: Input, parameter: str
) -> None:
    with pytest.raises(UpstreamError) as caught:
        DIALECT.submit(ask(wrong), target, MARK)

    assert (caught.value.fault, caught.value.parameter) == (Fault.BAD_REQUEST, parameter)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (SimulatedFault("status", status=400), Fault.BAD_REQUEST),
        (SimulatedFault("status", status=401), Fault.AUTH),
        (SimulatedFault("status", status=403), Fault.AUTH),
        (SimulatedFault("status", status=402), Fault.QUOTA),
        (SimulatedFault("status", status=404), Fault.NOT_FOUND),
        (SimulatedFault("status", status=429, retry_after=3), Fault.RATE_LIMITED),
        (SimulatedFault("status", status=500), Fault.SERVER_ERROR),
        (SimulatedFault("status", status=503), Fault.OVERLOADED),
        (SimulatedFault("garbage"), Fault.INVALID_RESPONSE),
        (SimulatedFault("empty", variant="no_data"), Fault.INVALID_RESPONSE),
        (SimulatedFault("empty", variant="no_image"), Fault.INVALID_RESPONSE),
        (SimulatedFault("empty", variant="null_image"), Fault.INVALID_RESPONSE),
        (SimulatedFault("lost"), Fault.LOST),
    ],
)
@pytest.mark.parametrize("step", ["submit", "call"])
async def test_a_step_that_fails_says_how(
    driver: Driver,
    target: Channel,
    simulator: Simulator,
    fault: SimulatedFault,
    expected: Fault,
    step: str,
) -> None:
    await simulator.set_fault(NAME, replace(fault, on=step))

    with pytest.raises(UpstreamError) as caught:
        await started(driver, target, ask())
    assert caught.value.fault is expected
    assert caught.value.retry_after == (3.0 if expected is Fault.RATE_LIMITED else None)
    assert simulator.books()[NAME].made == 0


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (SimulatedFault("status", status=403, on="file"), Fault.INVALID_RESPONSE),
        (SimulatedFault("status", status=500, on="file"), Fault.SERVER_ERROR),
        (SimulatedFault("status", status=503, on="file"), Fault.OVERLOADED),
        (SimulatedFault("garbage", on="file"), Fault.INVALID_RESPONSE),
        (SimulatedFault("lost", on="file"), Fault.LOST),
    ],
)
async def test_an_upload_that_fails_is_no_verdict_on_key_or_file(
    driver: Driver,
    target: Channel,
    simulator: Simulator,
    fault: SimulatedFault,
    expected: Fault,
) -> None:
    await simulator.set_fault(NAME, fault)

    with pytest.raises(UpstreamError) as caught:
        await started(driver, target, ask())
    assert caught.value.fault is expected


async def test_a_failed_and_an_empty_job_are_told(
    driver: Driver, target: Channel, simulator: Simulator
) -> None:
    await simulator.set_fault(NAME, SimulatedFault("job_fails"))
    failed = await looked(driver, target, await started(driver, target, ask()))
    assert isinstance(failed, Broken)
    assert failed.error.fault is Fault.SERVER_ERROR
    await simulator.clear_faults()
    job_id = await started(driver, target, ask())
    for variant in ("no_data", "no_image", "null_image"):
        await simulator.set_fault(NAME, SimulatedFault("empty", variant=variant, on="poll"))
        empty = await looked(driver, target, job_id)
        assert isinstance(empty, Broken)
        assert empty.error.fault is Fault.INVALID_RESPONSE


async def test_a_job_that_is_not_there_is_not_found(driver: Driver, target: Channel) -> None:
    with pytest.raises(UpstreamError) as caught:
        await looked(driver, target, "no-such-job")
    assert caught.value.fault is Fault.NOT_FOUND
