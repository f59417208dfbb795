"""The driver and the Azure dialect against the simulated resource."""

import io
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

import pytest
from PIL import Image

from core.body import Body, Secret
from core.errors import Fault
from core.model import Ask, Channel, Final, Input, Kind, Preview, Role
from core.providers.driver import Driver
from simulator import Fault as SimulatedFault
from simulator import Knobs, SimulatedChannel, Simulator
from tests.providers.asking import EASY, asked, failure

NAME, KEY = "azure-a", "azure-simulated-key"
ASK = Ask("ours", Kind.IMAGE, Body("a red fox"), parameters={"size": "64x48"})
CLASSIC = {"api_version": "2025-04-01-preview"}
both = pytest.mark.parametrize("options", [CLASSIC, {}], ids=["classic", "v1"])


@pytest.fixture
async def driver() -> AsyncIterator[Driver]:
    async with Driver() as opened:
        yield opened


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator([SimulatedChannel(NAME, KEY, "azure")]) as opened:
        yield opened


def at(simulator: Simulator, options: Mapping[str, str]) -> Channel:
    return Channel(
        NAME,
        "azure_images",
        "images",
        simulator.base_url(NAME),
        Secret(KEY),
        deadlines=EASY,
        options=options,
    )


def png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (32, 32)).save(file, "PNG")
    return file.getvalue()


@both
async def test_both_apis_make_and_edit_images(
    driver: Driver, simulator: Simulator, options: Mapping[str, str]
) -> None:
    edit = replace(ASK, inputs=(Input(Role.IMAGE, Body(png()), "image/png", parameter="image"),))
    for ask in ASK, edit:
        _, final, _ = await asked(driver, ask, at(simulator, options))
        assert isinstance(final, Final)
        with Image.open(io.BytesIO(final.data.reveal())) as image:
            assert image.size == (64, 48)


async def test_previews_are_streamed(driver: Driver, simulator: Simulator) -> None:
    pieces = await asked(driver, replace(ASK, partials=2), at(simulator, {}))

    assert [type(piece) for piece in pieces].count(Preview) == 2


@both
@pytest.mark.parametrize(
    ("prompt", "stage"),
    [("moderation_blocked", "input"), ("moderation_blocked_output", "")],
)
async def test_the_content_filter_refuses(
    driver: Driver, simulator: Simulator, options: Mapping[str, str], prompt: str, stage: str
) -> None:
    error = await failure(driver, replace(ASK, prompt=Body(prompt)), at(simulator, options))

    assert (error.fault, error.http_status, error.stage) == (Fault.CONTENT_POLICY, 400, stage)


@both
async def test_a_name_that_is_no_deployment_is_not_found(
    driver: Driver, simulator: Simulator, options: Mapping[str, str]
) -> None:
    target = replace(at(simulator, options), upstream_model="gpt-image-2")

    assert (await failure(driver, ASK, target)).fault is Fault.NOT_FOUND


async def test_a_wrong_key_is_the_operators_business(driver: Driver, simulator: Simulator) -> None:
    target = replace(at(simulator, {}), credential=Secret("wrong"))

    assert (await failure(driver, ASK, target)).fault is Fault.AUTH


async def test_an_image_that_takes_long_is_cut_off_unless_previews_come(
    driver: Driver, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulator.azure_images.CUT_SECONDS", 0.01)
    simulator.configure(Knobs(latency_ms=20))

    error = await failure(driver, ASK, at(simulator, {}))
    assert (error.fault, error.http_status) == (Fault.TIMEOUT, 408)
    assert await asked(driver, replace(ASK, partials=1), at(simulator, {}))


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (SimulatedFault("status", status=400, code="content_filter"), Fault.CONTENT_POLICY),
        (SimulatedFault("status", status=400, code="contentFilter"), Fault.CONTENT_POLICY),
        (SimulatedFault("status", status=400, code="unwrapped"), Fault.CONTENT_POLICY),
        (SimulatedFault("status", status=400), Fault.BAD_REQUEST),
        (SimulatedFault("status", status=401), Fault.AUTH),
        (SimulatedFault("status", status=403), Fault.AUTH),
        (SimulatedFault("status", status=404), Fault.NOT_FOUND),
        (SimulatedFault("status", status=408), Fault.TIMEOUT),
        (SimulatedFault("status", status=429), Fault.RATE_LIMITED),
        (SimulatedFault("status", status=429, code="429"), Fault.RATE_LIMITED),
        (SimulatedFault("status", status=429, code="NoCapacity"), Fault.OVERLOADED),
        (SimulatedFault("status", status=500), Fault.SERVER_ERROR),
        (SimulatedFault("status", status=503), Fault.OVERLOADED),
        (SimulatedFault("garbage"), Fault.INVALID_RESPONSE),
        (SimulatedFault("empty", variant="no_data"), Fault.INVALID_RESPONSE),
        (SimulatedFault("empty", variant="null_image"), Fault.INVALID_RESPONSE),
        (SimulatedFault("lost"), Fault.LOST),
    ],
)
@both
async def test_faults_are_told_apart(
    driver: Driver,
    simulator: Simulator,
    fault: SimulatedFault,
    expected: Fault,
    options: Mapping[str, str],
) -> None:
    await simulator.set_fault(NAME, fault)

    error = await failure(driver, ASK, at(simulator, options))
    assert error.fault is expected
    if expected is Fault.RATE_LIMITED:
        assert error.retry_after == 1.0
