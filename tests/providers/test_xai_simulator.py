"""The driver and xAI's dialects against the simulated xAI: other code, the same protocol."""

import io
from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import pytest
from PIL import Image

from core.body import Body, Secret
from core.errors import Fault, UpstreamError
from core.media import Probe, probe
from core.model import Acknowledged, Ask, Channel, Hosted, Input, Kind, Report, Role
from core.providers.driver import Driver
from core.providers.jobs import Broken, JobState, Made, Working
from core.providers.xai_videos import XaiVideos
from simulator import Fault as SimulatedFault
from simulator import Knobs, SimulatedChannel, Simulator
from tests.films import INDEX_LAST
from tests.providers.asking import EASY, SOON, asked, failure
from tests.providers.tapes_xai_videos import FIELDS, MARK
from tests.providers.test_xai_images import FIELDS as IMAGE_FIELDS

NAME, KEY = "xai-a", "xai-simulated-key"
IMAGE_ASK = Ask("ours", Kind.IMAGE, Body("a red fox"))
VIDEO_ASK = Ask(
    "ours",
    Kind.VIDEO,
    Body("a red fox"),
    parameters={"duration": 2, "resolution": "480p", "aspect_ratio": "1:1"},
)
DIALECT = XaiVideos()
AT_ONCE = Knobs(queue_ms=0, run_ms=0)


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator([SimulatedChannel(NAME, KEY, "xai")]) as opened:
        opened.configure(AT_ONCE)
        yield opened


@pytest.fixture
def images(simulator: Simulator) -> Channel:
    return Channel(
        NAME,
        "xai_images",
        "grok-imagine-image",
        f"{simulator.base_url(NAME)}/v1",
        Secret(KEY),
        deadlines=EASY,
        fields=IMAGE_FIELDS,
    )


@pytest.fixture
def videos(images: Channel) -> Channel:
    return replace(images, dialect="xai_videos", upstream_model="grok-imagine-video", fields=FIELDS)


def png(size: tuple[int, int] = (64, 48)) -> Body[bytes]:
    file = io.BytesIO()
    Image.new("RGB", size).save(file, "PNG")
    return Body(file.getvalue())


async def fetched(hosted: object) -> Probe:
    assert isinstance(hosted, Hosted)
    async with (
        aiohttp.ClientSession() as session,
        session.get(hosted.url.reveal()) as response,
    ):
        found = probe(await response.read())
    assert found is not None
    return found


async def submitted(driver: Driver, ask: Ask, target: Channel) -> str:
    return DIALECT.submitted(await driver.call(DIALECT.submit(ask, target, MARK), target), ask)


async def looked(driver: Driver, job_id: str, target: Channel) -> JobState:
    return DIALECT.state(await driver.call(DIALECT.look(job_id, target), target), target)


async def ended(driver: Driver, ask: Ask, target: Channel) -> JobState:
    return await looked(driver, await submitted(driver, ask, target), target)


@pytest.mark.parametrize(
    ("ratio", "resolution", "size"),
    [("1:1", "1k", (1024, 1024)), ("2:1", "1k", (1456, 720)), ("auto", "2k", (2048, 2048))],
)
async def test_images_have_the_shape_that_was_asked_for(
    driver: Driver, images: Channel, ratio: str, resolution: str, size: tuple[int, int]
) -> None:
    parameters = {"aspect_ratio": ratio, "resolution": resolution}
    acknowledged, one, two, report = await asked(
        driver, replace(IMAGE_ASK, count=2, parameters=parameters), images
    )

    assert (acknowledged, report) == (Acknowledged(200), Report(output_format="jpeg"))
    for hosted in one, two:
        found = await fetched(hosted)
        assert (found.media_type, found.width, found.height) == ("image/jpeg", *size)


@pytest.mark.parametrize("count", [1, 3])
async def test_an_edit_follows_the_shape_of_its_first_image(
    driver: Driver, images: Channel, count: int
) -> None:
    picture = Input(Role.IMAGE, png((96, 48)), "image/png", 96, 48, "image")
    _, hosted, _ = await asked(driver, replace(IMAGE_ASK, inputs=(picture,) * count), images)
    found = await fetched(hosted)

    assert (found.width, found.height) == (1456, 720)


@pytest.mark.parametrize(
    ("word", "count", "left"),
    [
        ("moderation_blocked", 1, 0),
        ("moderation_blocked_output", 2, 0),
        ("moderation_blocked_hidden", 1, 0),
        ("moderation_blocked_one", 3, 2),
    ],
)
async def test_moderation_keeps_images_back_in_every_way(
    driver: Driver, images: Channel, word: str, count: int, left: int
) -> None:
    ask = replace(IMAGE_ASK, prompt=Body(word), count=count)
    if left:
        assert len(await asked(driver, ask, images)) == left + 2
        return

    found = await failure(driver, ask, images)

    stage = "input" if word.endswith("blocked") else "output"
    assert (found.fault, found.stage) == (Fault.CONTENT_POLICY, stage)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (SimulatedFault("status", status=400), Fault.BAD_REQUEST),
        (SimulatedFault("status", status=400, code="nested"), Fault.BAD_REQUEST),
        (SimulatedFault("status", status=400, code="plain"), Fault.BAD_REQUEST),
        (SimulatedFault("status", status=400, code="moderated"), Fault.CONTENT_POLICY),
        (SimulatedFault("status", status=400, code="moderated_before"), Fault.CONTENT_POLICY),
        (SimulatedFault("status", status=400, code="wrong_key"), Fault.AUTH),
        (SimulatedFault("status", status=401), Fault.AUTH),
        (SimulatedFault("status", status=403), Fault.AUTH),
        (SimulatedFault("status", status=403, code="out_of_credits"), Fault.QUOTA),
        (SimulatedFault("status", status=404), Fault.NOT_FOUND),
        (SimulatedFault("status", status=422), Fault.BAD_REQUEST),
        (SimulatedFault("status", status=429), Fault.RATE_LIMITED),
        (SimulatedFault("status", status=500), Fault.SERVER_ERROR),
        (SimulatedFault("status", status=502), Fault.SERVER_ERROR),
        (SimulatedFault("status", status=503), Fault.OVERLOADED),
        (SimulatedFault("status", status=520), Fault.SERVER_ERROR),
        (SimulatedFault("status", status=200), Fault.INVALID_RESPONSE),
        (SimulatedFault("reset"), Fault.LOST),
        (SimulatedFault("cut", after=1), Fault.LOST),
        (SimulatedFault("lost"), Fault.LOST),
        (SimulatedFault("hang"), Fault.TIMEOUT),
        (SimulatedFault("garbage"), Fault.INVALID_RESPONSE),
        (SimulatedFault("empty"), Fault.INVALID_RESPONSE),
        (SimulatedFault("empty", variant="no_image"), Fault.INVALID_RESPONSE),
        (SimulatedFault("empty", variant="null_image"), Fault.INVALID_RESPONSE),
        (SimulatedFault("refuse"), Fault.UNREACHABLE),
    ],
    ids=lambda value: (
        f"{value.kind} {value.code or value.status} {value.variant}"
        if isinstance(value, SimulatedFault)
        else value
    ),
)
async def test_every_fault_of_the_simulator_is_the_fault_it_stands_for(
    driver: Driver,
    simulator: Simulator,
    images: Channel,
    videos: Channel,
    fault: SimulatedFault,
    expected: Fault,
) -> None:
    await simulator.set_fault(NAME, fault)
    hasty = replace(EASY, acknowledge=SOON, first_byte=SOON, idle=SOON)
    deadlines = hasty if fault.kind == "hang" else EASY

    assert (
        await failure(driver, IMAGE_ASK, replace(images, deadlines=deadlines))
    ).fault is expected
    with pytest.raises(UpstreamError) as caught:
        await submitted(driver, VIDEO_ASK, replace(videos, deadlines=deadlines))
    assert caught.value.fault is expected


@pytest.mark.parametrize(
    ("theirs", "parameters"),
    [
        ("aspect_ratio", {"aspect_ratio": "7:5"}),
        ("resolution", {"resolution": "3k"}),
    ],
)
async def test_a_parameter_that_the_provider_refuses_is_named(
    driver: Driver, images: Channel, theirs: str, parameters: dict[str, str]
) -> None:
    found = await failure(driver, replace(IMAGE_ASK, parameters=parameters), images)

    assert (found.fault, found.parameter) == (Fault.BAD_REQUEST, theirs)


async def test_a_wrong_credential_is_the_operators(driver: Driver, images: Channel) -> None:
    for key in "wrong", "":
        target = replace(images, credential=Secret(key))
        assert (await failure(driver, IMAGE_ASK, target)).fault is Fault.AUTH


async def test_a_retired_model_is_not_found(driver: Driver, images: Channel) -> None:
    target = replace(images, upstream_model="grok-imagine-image-pro")

    assert (await failure(driver, IMAGE_ASK, target)).fault is Fault.NOT_FOUND


@pytest.mark.parametrize(
    ("parameters", "size"),
    [
        ({}, (480, 480)),
        ({"aspect_ratio": "9:16"}, (480, 848)),
        ({"aspect_ratio": "auto"}, (848, 480)),
        ({"resolution": "720p", "aspect_ratio": "3:2"}, (1088, 720)),
    ],
)
async def test_a_video_has_the_shape_that_was_asked_for(
    driver: Driver, videos: Channel, parameters: dict[str, str], size: tuple[int, int]
) -> None:
    ask = replace(VIDEO_ASK, parameters={**VIDEO_ASK.parameters, **parameters})
    made = await ended(driver, ask, videos)

    assert isinstance(made, Made)
    assert made.report == Report(seconds=2.0)
    found = await fetched(made.outputs[0])
    assert (found.media_type, found.width, found.height) == ("video/mp4", *size)
    assert (found.seconds, found.has_audio) == (2.0, True)


async def test_a_video_begins_with_its_frame_or_follows_its_references(
    driver: Driver, videos: Channel
) -> None:
    for role, count in ((Role.FIRST_FRAME, 1), (Role.IMAGE, 7)):
        picture = Input(role, png((48, 64)), "image/png", 48, 64, "image")
        ask = replace(VIDEO_ASK, inputs=(picture,) * count)
        ask = replace(ask, parameters={"duration": 1, "resolution": "480p"})
        made = await ended(driver, ask, videos)

        assert isinstance(made, Made)
        found = await fetched(made.outputs[0])
        assert (found.width, found.height, found.seconds) == (480, 640, 1.0)


async def test_a_video_is_edited_in_its_own_shape(driver: Driver, videos: Channel) -> None:
    clip = Input(Role.VIDEO, Body(INDEX_LAST), "video/mp4", 64, 48, "video", 1.0)
    made = await ended(driver, replace(VIDEO_ASK, inputs=(clip,)), videos)

    assert isinstance(made, Made)
    found = await fetched(made.outputs[0])
    assert (found.width, found.height, found.seconds) == (64, 48, 1.0)


async def test_half_of_the_videos_are_done_without_a_status(
    driver: Driver, simulator: Simulator, videos: Channel
) -> None:
    told = set()
    for number in range(8):
        ask = replace(VIDEO_ASK, prompt=Body(f"fox {number}"))
        job_id = await submitted(driver, ask, videos)
        reply = await driver.call(DIALECT.look(job_id, videos), videos)
        told.add(b'"status"' in reply.body.reveal())
        assert isinstance(DIALECT.state(reply, videos), Made)

    assert told == {True, False}


async def test_a_request_runs_with_a_202_that_says_nothing_at_first(
    driver: Driver, simulator: Simulator, videos: Channel
) -> None:
    simulator.configure(Knobs(queue_ms=60_000))
    queued = await submitted(driver, VIDEO_ASK, videos)
    simulator.configure(Knobs(queue_ms=0, run_ms=60_000))
    running = await submitted(driver, VIDEO_ASK, videos)

    assert await looked(driver, queued, videos) == Working()
    assert await looked(driver, running, videos) == Working(percent=1)


@pytest.mark.parametrize("word", ["moderation_blocked_output", "moderation_blocked_hidden"])
async def test_moderation_ends_a_request(driver: Driver, videos: Channel, word: str) -> None:
    state = await ended(driver, replace(VIDEO_ASK, prompt=Body(word)), videos)

    assert isinstance(state, Broken)
    assert (state.error.fault, state.error.stage) == (Fault.CONTENT_POLICY, "output")


async def test_a_refused_prompt_makes_no_request(
    driver: Driver, simulator: Simulator, videos: Channel
) -> None:
    with pytest.raises(UpstreamError) as caught:
        await submitted(driver, replace(VIDEO_ASK, prompt=Body("moderation_blocked")), videos)

    assert (caught.value.fault, caught.value.stage) == (Fault.CONTENT_POLICY, "input")
    assert simulator.books()[NAME].made == 0


async def test_a_request_can_fail_and_a_look_can_fail_without_ending_it(
    driver: Driver, simulator: Simulator, videos: Channel
) -> None:
    await simulator.set_fault(NAME, SimulatedFault("job_fails", times=1))
    state = await ended(driver, VIDEO_ASK, videos)
    assert isinstance(state, Broken)
    assert state.error.fault is Fault.SERVER_ERROR

    job_id = await submitted(driver, VIDEO_ASK, videos)
    for fault, expected in (
        (SimulatedFault("status", status=400, on="poll", times=1), Fault.NOT_FOUND),
        (SimulatedFault("status", status=503, on="poll", times=1), Fault.OVERLOADED),
        (SimulatedFault("garbage", on="poll", times=1), Fault.INVALID_RESPONSE),
    ):
        await simulator.set_fault(NAME, fault)
        with pytest.raises(UpstreamError) as caught:
            await looked(driver, job_id, videos)
        assert caught.value.fault is expected
    assert isinstance(await looked(driver, job_id, videos), Made)


async def test_a_request_that_is_not_known_is_not_found(driver: Driver, videos: Channel) -> None:
    with pytest.raises(UpstreamError) as caught:
        await looked(driver, "a3d1", videos)

    assert caught.value.fault is Fault.NOT_FOUND


async def test_a_duration_that_is_too_long_is_named(driver: Driver, videos: Channel) -> None:
    with pytest.raises(UpstreamError) as caught:
        await submitted(driver, replace(VIDEO_ASK, parameters={"duration": 16}), videos)

    assert (caught.value.fault, caught.value.parameter) == (Fault.BAD_REQUEST, "duration")
