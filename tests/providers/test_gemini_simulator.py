"""The driver and the Gemini dialect against the simulated Google: other code, the same protocol."""

import io
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from PIL import Image

from core.body import Body, Secret
from core.errors import Fault
from core.model import Acknowledged, Ask, Channel, Final, Input, Kind, Report, Role
from core.providers.driver import Driver
from simulator import Fault as SimulatedFault
from simulator import SimulatedChannel, Simulator
from tests.providers.asking import EASY, SOON, asked, failure

NAME, KEY = "gemini-a", "AIzaSimulatedKey"
DEVELOPER = "/v1beta"
EXPRESS = "/v1/publishers/google"
VERTEX = "/v1/projects/p/locations/global/publishers/google"
ASK = Ask("ours", Kind.IMAGE, Body("a red fox"), parameters={"resolution": "512"})


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator([SimulatedChannel(NAME, KEY, "gemini")]) as opened:
        yield opened


def at(simulator: Simulator, address: str, key: str = KEY) -> Channel:
    return Channel(
        NAME,
        "gemini_images",
        "gemini-3.1-flash-image",
        simulator.base_url(NAME) + address,
        Secret(key),
        deadlines=EASY,
    )


@pytest.fixture
def target(simulator: Simulator) -> Channel:
    return at(simulator, DEVELOPER)


@pytest.mark.parametrize("address", [DEVELOPER, EXPRESS, VERTEX])
async def test_every_address_gives_a_real_image_and_the_report(
    driver: Driver, simulator: Simulator, address: str
) -> None:
    ask = replace(ASK, parameters={"aspect_ratio": "16:9", "resolution": "512", "seed": 7})
    acknowledged, final, report = await asked(driver, ask, at(simulator, address))

    assert acknowledged == Acknowledged(200)
    assert isinstance(final, Final)
    with Image.open(io.BytesIO(final.data.reveal())) as image:
        assert (image.format, image.size) == ("PNG", (688, 384))
    assert isinstance(report, Report)
    assert report.output_format == "png"
    assert report.usage is not None
    assert report.usage.input_text_tokens > 0
    assert report.usage.output_image_tokens == 747
    assert report.usage.output_tokens > 747


@pytest.mark.parametrize(
    ("resolution", "side"), [("512", 512), ("1k", 1024), ("2k", 2048), ("4k", 4096)]
)
async def test_every_resolution_is_understood(
    driver: Driver, target: Channel, resolution: str, side: int
) -> None:
    parameters = {"resolution": resolution, "aspect_ratio": "auto"}
    _, final, _ = await asked(driver, replace(ASK, parameters=parameters), target)

    assert isinstance(final, Final)
    with Image.open(io.BytesIO(final.data.reveal())) as image:
        assert image.size == (side, side)


async def test_references_are_seen(driver: Driver, target: Channel) -> None:
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "WEBP")
    reference = Input(Role.IMAGE, Body(file.getvalue()), "image/webp", 64, 64, "image")
    *_, report = await asked(driver, replace(ASK, inputs=(reference, reference)), target)

    assert isinstance(report, Report)
    assert report.usage is not None
    assert report.usage.input_image_tokens == 2 * 560


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (SimulatedFault("status", status=400), Fault.BAD_REQUEST),
        (SimulatedFault("status", status=400, code="API_KEY_INVALID"), Fault.AUTH),
        (SimulatedFault("status", status=400, code="FAILED_PRECONDITION"), Fault.AUTH),
        (SimulatedFault("status", status=401), Fault.AUTH),
        (SimulatedFault("status", status=403), Fault.AUTH),
        (SimulatedFault("status", status=404), Fault.NOT_FOUND),
        (SimulatedFault("status", status=409), Fault.SERVER_ERROR),
        (SimulatedFault("status", status=429), Fault.RATE_LIMITED),
        (SimulatedFault("status", status=429, code="PerDay"), Fault.QUOTA),
        (SimulatedFault("status", status=499), Fault.SERVER_ERROR),
        (SimulatedFault("status", status=500), Fault.SERVER_ERROR),
        (SimulatedFault("status", status=502), Fault.SERVER_ERROR),
        (SimulatedFault("status", status=503), Fault.OVERLOADED),
        (SimulatedFault("status", status=504), Fault.SERVER_ERROR),
        (SimulatedFault("status", status=200, code="IMAGE_SAFETY"), Fault.CONTENT_POLICY),
        (SimulatedFault("status", status=200, code="IMAGE_RECITATION"), Fault.CONTENT_POLICY),
        (SimulatedFault("status", status=200, code="IMAGE_OTHER"), Fault.SERVER_ERROR),
        (SimulatedFault("status", status=200, code="STOP"), Fault.SERVER_ERROR),
        (SimulatedFault("reset"), Fault.LOST),
        (SimulatedFault("reset", after=200), Fault.LOST),
        (SimulatedFault("cut", after=1), Fault.LOST),
        (SimulatedFault("lost"), Fault.LOST),
        (SimulatedFault("hang"), Fault.TIMEOUT),
        (SimulatedFault("hang", after=200), Fault.TIMEOUT),
        (SimulatedFault("garbage"), Fault.INVALID_RESPONSE),
        (SimulatedFault("empty"), Fault.INVALID_RESPONSE),
        (SimulatedFault("empty", variant="no_image"), Fault.SERVER_ERROR),
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


@pytest.mark.parametrize("word", ["moderation_blocked", "moderation_blocked_output"])
async def test_a_refusal_by_moderation_tells_its_stage(
    driver: Driver, target: Channel, word: str
) -> None:
    found = await failure(driver, replace(ASK, prompt=Body(word)), target)

    stage = "output" if word.endswith("output") else "input"
    assert (found.fault, found.http_status, found.stage) == (Fault.CONTENT_POLICY, 200, stage)


@pytest.mark.parametrize(
    ("theirs", "parameters"),
    [
        ("aspect_ratio", {"aspect_ratio": "7:5"}),
        ("resolution", {"resolution": "3k"}),
        ("seed", {"seed": 1 << 40}),
    ],
)
async def test_a_parameter_that_the_provider_refuses_is_named(
    driver: Driver, target: Channel, theirs: str, parameters: dict[str, str | int]
) -> None:
    found = await failure(driver, replace(ASK, parameters=parameters), target)

    assert (found.fault, found.parameter) == (Fault.BAD_REQUEST, theirs)


@pytest.mark.parametrize("address", [DEVELOPER, EXPRESS, VERTEX])
async def test_a_wrong_credential_is_the_operators(
    driver: Driver, simulator: Simulator, address: str
) -> None:
    assert (await failure(driver, ASK, at(simulator, address, "wrong"))).fault is Fault.AUTH


async def test_a_retired_model_is_not_found(driver: Driver, target: Channel) -> None:
    retired = replace(target, upstream_model="gemini-3-pro-image-preview")

    assert (await failure(driver, ASK, retired)).fault is Fault.NOT_FOUND


async def test_a_rate_limit_tells_how_long_to_wait(
    driver: Driver, simulator: Simulator, target: Channel
) -> None:
    await simulator.set_fault(NAME, SimulatedFault("status", status=429, retry_after=7))

    assert (await failure(driver, ASK, target)).retry_after == 7.0
