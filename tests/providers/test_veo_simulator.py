"""The driver and Veo's dialects against the simulated Google: other code, the same protocol."""

import io
from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import pytest
from PIL import Image

from core.body import Body, Secret
from core.errors import Fault, UpstreamError
from core.media import Probe, probe
from core.model import Ask, Channel, Final, Hosted, Input, Kind, Role
from core.providers import JOB_DIALECTS
from core.providers.driver import Driver
from core.providers.jobs import Broken, JobState, Made, Working
from simulator import Fault as SimulatedFault
from simulator import Knobs, SimulatedChannel, Simulator
from tests.providers.asking import EASY, SOON
from tests.providers.tapes_veo import GEMINI_FIELDS, MARK, VERTEX_FIELDS

pytestmark = pytest.mark.prove

NAME, KEY = "veo-a", "ya29.simulated-token"
VERTEX = "/v1/projects/ours/locations/us-central1/publishers/google"
ASK = Ask("ours", Kind.VIDEO, Body("a red fox"), parameters={"duration": 4, "resolution": "720p"})
EIGHT = replace(ASK, parameters={"duration": 8, "resolution": "720p"})
AT_ONCE = Knobs(queue_ms=0, run_ms=0)


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator([SimulatedChannel(NAME, KEY, "veo")]) as opened:
        opened.configure(AT_ONCE)
        yield opened


@pytest.fixture(params=["veo_vertex", "veo_gemini"])
def target(request: pytest.FixtureRequest, simulator: Simulator) -> Channel:
    is_vertex = request.param == "veo_vertex"
    return Channel(
        NAME,
        request.param,
        "veo-3.1-generate-001" if is_vertex else "veo-3.1-generate-preview",
        simulator.base_url(NAME) + (VERTEX if is_vertex else "/v1beta"),
        Secret(KEY),
        deadlines=EASY,
        fields=VERTEX_FIELDS if is_vertex else GEMINI_FIELDS,
    )


def picture(role: Role, size: tuple[int, int] = (64, 48)) -> Input:
    file = io.BytesIO()
    Image.new("RGB", size).save(file, "PNG")
    return Input(role, Body(file.getvalue()), "image/png", *size, parameter="image")


async def submitted(driver: Driver, ask: Ask, target: Channel) -> str:
    dialect = JOB_DIALECTS[target.dialect]
    return dialect.submitted(await driver.call(dialect.submit(ask, target, MARK), target), ask)


async def looked(driver: Driver, job_id: str, target: Channel) -> JobState:
    dialect = JOB_DIALECTS[target.dialect]
    return dialect.state(await driver.call(dialect.look(job_id, target), target), target)


async def ended(driver: Driver, ask: Ask, target: Channel) -> JobState:
    return await looked(driver, await submitted(driver, ask, target), target)


async def failure(driver: Driver, ask: Ask, target: Channel) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        await submitted(driver, ask, target)
    return caught.value


async def seen(state: JobState, number: int = 0) -> Probe:
    assert isinstance(state, Made)
    output = state.outputs[number]
    if isinstance(output, Final):
        data = output.data.reveal()
    else:
        async with (
            aiohttp.ClientSession() as session,
            session.get(output.url.reveal(), headers=output.headers) as response,
        ):
            data = await response.read()
    found = probe(data)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("parameters", "size", "seconds"),
    [
        ({"duration": 4}, (1280, 720), 4.0),
        ({"duration": 6, "aspect_ratio": "9:16"}, (720, 1280), 6.0),
        ({"duration": 8, "resolution": "1080p"}, (1920, 1080), 8.0),
        ({}, (1280, 720), 8.0),
    ],
)
async def test_a_video_has_the_shape_that_was_asked_for(
    driver: Driver,
    target: Channel,
    parameters: dict[str, str | int],
    size: tuple[int, int],
    seconds: float,
) -> None:
    found = await seen(await ended(driver, replace(ASK, parameters=parameters), target))

    assert (found.media_type, found.width, found.height) == ("video/mp4", *size)
    assert (found.seconds, found.has_audio) == (seconds, True)


@pytest.mark.parametrize(
    "inputs",
    [
        (picture(Role.FIRST_FRAME),),
        (picture(Role.FIRST_FRAME), picture(Role.LAST_FRAME)),
        (picture(Role.IMAGE),) * 3,
    ],
    ids=["first frame", "both frames", "references"],
)
async def test_a_video_follows_its_images(
    driver: Driver, target: Channel, inputs: tuple[Input, ...]
) -> None:
    plain = await seen(await ended(driver, replace(EIGHT, inputs=inputs), target))

    assert (plain.width, plain.seconds) == (1280, 8.0)


async def test_a_short_video_cannot_have_all_that_a_long_one_has(
    driver: Driver, target: Channel
) -> None:
    frames = (picture(Role.FIRST_FRAME), picture(Role.LAST_FRAME))
    for ask in (
        replace(ASK, inputs=frames),
        replace(ASK, inputs=(picture(Role.IMAGE),)),
        replace(ASK, parameters={"duration": 4, "resolution": "1080p"}),
        replace(ASK, parameters={"duration": 5}),
        replace(ASK, parameters={"aspect_ratio": "1:1"}),
        replace(EIGHT, inputs=(picture(Role.IMAGE),) * 4),
        replace(EIGHT, inputs=(picture(Role.IMAGE), picture(Role.FIRST_FRAME))),
        replace(EIGHT, inputs=(picture(Role.LAST_FRAME),)),
    ):
        assert (await failure(driver, ask, target)).fault is Fault.BAD_REQUEST


async def test_sound_can_be_left_out_on_vertex_only(driver: Driver, target: Channel) -> None:
    told = replace(target, fields=VERTEX_FIELDS)
    ask = replace(ASK, parameters={"duration": 4, "with_audio": False})
    if target.dialect == "veo_vertex":
        assert not (await seen(await ended(driver, ask, told))).has_audio
    else:
        assert (await failure(driver, ask, told)).fault is Fault.BAD_REQUEST


async def test_a_part_of_the_videos_may_be_filtered(driver: Driver, target: Channel) -> None:
    if target.dialect == "veo_gemini":
        pytest.skip("it makes one at a time")
    ask = replace(ASK, prompt=Body("moderation_blocked_one"), count=3)
    state = await ended(driver, ask, target)

    assert isinstance(state, Made)
    assert [output.output_index for output in state.outputs] == [0, 1]
    assert (await seen(state, 1)).seconds == 4.0


@pytest.mark.parametrize(
    ("word", "stage"), [("moderation_blocked", "input"), ("moderation_blocked_output", "output")]
)
async def test_moderation_ends_an_operation(
    driver: Driver, target: Channel, word: str, stage: str
) -> None:
    state = await ended(driver, replace(ASK, prompt=Body(word)), target)

    assert isinstance(state, Broken)
    assert (state.error.fault, state.error.stage) == (Fault.CONTENT_POLICY, stage)


async def test_an_operation_runs_until_it_is_done(
    driver: Driver, simulator: Simulator, target: Channel
) -> None:
    simulator.configure(Knobs(queue_ms=60_000))

    assert await ended(driver, ASK, target) == Working()


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        (None, Fault.SERVER_ERROR),
        ("UNAVAILABLE", Fault.OVERLOADED),
        ("RESOURCE_EXHAUSTED", Fault.RATE_LIMITED),
        ("INVALID_ARGUMENT", Fault.BAD_REQUEST),
    ],
)
async def test_an_operation_can_fail(
    driver: Driver, simulator: Simulator, target: Channel, code: str | None, fault: Fault
) -> None:
    await simulator.set_fault(NAME, SimulatedFault("job_fails", code=code))
    state = await ended(driver, ASK, target)

    assert isinstance(state, Broken)
    assert state.error.fault is fault


@pytest.mark.parametrize("variant", ["no_data", "no_image", "null_image"])
async def test_an_operation_without_a_video_has_failed(
    driver: Driver, simulator: Simulator, target: Channel, variant: str
) -> None:
    job_id = await submitted(driver, ASK, target)
    await simulator.set_fault(NAME, SimulatedFault("empty", variant=variant))
    state = await looked(driver, job_id, target)

    assert isinstance(state, Broken)
    assert state.error.fault is Fault.INVALID_RESPONSE


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (SimulatedFault("status", status=400), Fault.BAD_REQUEST),
        (SimulatedFault("status", status=400, code="API_KEY_INVALID"), Fault.AUTH),
        (SimulatedFault("status", status=401), Fault.AUTH),
        (SimulatedFault("status", status=403), Fault.AUTH),
        (SimulatedFault("status", status=404, code="RETIRED"), Fault.NOT_FOUND),
        (SimulatedFault("status", status=429), Fault.RATE_LIMITED),
        (SimulatedFault("status", status=429, code="PerDay"), Fault.QUOTA),
        (SimulatedFault("status", status=500), Fault.SERVER_ERROR),
        (SimulatedFault("status", status=503), Fault.OVERLOADED),
        (SimulatedFault("reset"), Fault.LOST),
        (SimulatedFault("cut", after=1), Fault.LOST),
        (SimulatedFault("lost"), Fault.LOST),
        (SimulatedFault("hang"), Fault.TIMEOUT),
        (SimulatedFault("garbage"), Fault.INVALID_RESPONSE),
        (SimulatedFault("empty"), Fault.INVALID_RESPONSE),
        (SimulatedFault("empty", variant="null_image"), Fault.INVALID_RESPONSE),
        (SimulatedFault("refuse"), Fault.UNREACHABLE),
    ],
    ids=lambda value: (
        f"{value.kind} {value.code or value.status}" if isinstance(value, SimulatedFault) else value
    ),
)
async def test_every_fault_of_the_simulator_is_the_fault_it_stands_for(
    driver: Driver,
    simulator: Simulator,
    target: Channel,
    fault: SimulatedFault,
    expected: Fault,
) -> None:
    await simulator.set_fault(NAME, fault)
    hasty = replace(EASY, acknowledge=SOON, first_byte=SOON, idle=SOON)
    patient = replace(target, deadlines=hasty if fault.kind == "hang" else EASY)

    assert (await failure(driver, ASK, patient)).fault is expected


async def test_a_wrong_credential_is_the_operators(driver: Driver, target: Channel) -> None:
    for key in "wrong", "":
        assert (
            await failure(driver, ASK, replace(target, credential=Secret(key)))
        ).fault is Fault.AUTH


async def test_a_model_of_the_other_api_or_of_the_past_is_not_found(
    driver: Driver, target: Channel
) -> None:
    for model in ("veo-3.0-generate-001", "veo-2"):
        other = replace(target, upstream_model=model)
        assert (await failure(driver, ASK, other)).fault is Fault.NOT_FOUND


async def test_an_operation_that_is_not_known_is_not_found(driver: Driver, target: Channel) -> None:
    with pytest.raises(UpstreamError) as caught:
        await looked(driver, "abc", target)

    assert caught.value.fault is Fault.NOT_FOUND


async def test_a_file_is_given_to_nobody_without_the_key(
    driver: Driver, simulator: Simulator, target: Channel
) -> None:
    state = await ended(driver, ASK, target)
    assert isinstance(state, Made)
    if not isinstance(state.outputs[0], Hosted):
        pytest.skip("its videos come inside of the answer")
    url = state.outputs[0].url.reveal()
    async with aiohttp.ClientSession() as session:
        for headers, status in (({}, 403), ({"x-goog-api-key": "wrong"}, 400)):
            async with session.get(url, headers=headers) as response:
                assert response.status == status
        keys = state.outputs[0].headers
        async with session.get(url, headers=keys, allow_redirects=False) as response:
            assert response.status == 302
            place = response.headers["location"]
        async with session.get(place) as response:
            assert response.content_type == "video/mp4"
