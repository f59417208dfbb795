"""The driver and its dialects against the simulated providers: other code, the same protocol."""

import io
from collections.abc import Mapping
from dataclasses import replace

import pytest
from PIL import Image

from core.body import Body, Secret
from core.errors import Fault, Phase
from core.model import Acknowledged, Ask, Channel, Final, Input, Kind, Preview, Report, Role
from core.providers.driver import Driver
from simulator import Fault as SimulatedFault
from simulator import Simulator
from tests.providers.asking import EASY, SOON, asked, failure

NAME = "openai-a"


def picture(mode: str = "RGB") -> Body[bytes]:
    file = io.BytesIO()
    Image.new(mode, (64, 64)).save(file, "PNG")
    return Body(file.getvalue())


ASK = Ask(
    "gpt-image-2",
    Kind.IMAGE,
    Body("a red fox"),
    parameters={"size": "256x512", "quality": "low", "output_format": "webp"},
)
EDIT = replace(
    ASK,
    inputs=(
        Input(Role.IMAGE, picture(), "image/png", 64, 64, "image[0]"),
        Input(Role.IMAGE, picture(), "image/png", 64, 64, "image[1]"),
        Input(Role.MASK, picture("RGBA"), "image/png", 64, 64, "mask"),
    ),
)


@pytest.fixture
def target(simulator: Simulator, simulated_credentials: Mapping[str, str]) -> Channel:
    return Channel(
        NAME,
        "openai_images",
        "gpt-image-2",
        f"{simulator.base_url(NAME)}/v1",
        Secret(simulated_credentials[NAME]),
        deadlines=EASY,
    )


@pytest.mark.parametrize("ask", [ASK, EDIT], ids=["generation", "edit"])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("partials", [0, 2])
async def test_every_kind_of_call_gives_real_images_and_the_report(
    driver: Driver, target: Channel, ask: Ask, count: int, partials: int
) -> None:
    acknowledged, *pieces, report = await asked(
        driver, replace(ask, count=count, partials=partials), target
    )

    assert acknowledged == Acknowledged(200)
    assert [type(piece) for piece in pieces] == ([Preview] * partials + [Final]) * count
    assert [piece.output_index for piece in pieces if isinstance(piece, Final)] == [*range(count)]
    for piece in pieces:
        assert isinstance(piece, Preview | Final)
        with Image.open(io.BytesIO(piece.data.reveal())) as image:
            assert (image.format, image.size) == ("WEBP", (256, 512))
        assert not isinstance(piece, Preview) or piece.media_type == "image/webp"
    assert isinstance(report, Report)
    assert (report.size, report.quality, report.output_format) == ("256x512", "low", "webp")
    assert report.usage is not None
    assert report.usage.input_text_tokens > 0
    assert (report.usage.input_image_tokens > 0) is (ask is EDIT)
    assert report.usage.output_tokens > 0
    # Events do not tell of what kind the tokens were that were made.
    assert report.usage.output_image_tokens == (None if partials else report.usage.output_tokens)


@pytest.mark.parametrize("partials", [0, 2], ids=["whole", "stream"])
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (SimulatedFault("status", status=400), Fault.BAD_REQUEST),
        (SimulatedFault("status", status=401), Fault.AUTH),
        (SimulatedFault("status", status=403), Fault.AUTH),
        (SimulatedFault("status", status=404), Fault.NOT_FOUND),
        (SimulatedFault("status", status=409), Fault.SERVER_ERROR),
        (SimulatedFault("status", status=429), Fault.RATE_LIMITED),
        (SimulatedFault("status", status=429, code="insufficient_quota"), Fault.QUOTA),
        (SimulatedFault("status", status=500), Fault.SERVER_ERROR),
        (SimulatedFault("status", status=503), Fault.OVERLOADED),
        (SimulatedFault("reset"), Fault.LOST),
        (SimulatedFault("reset", after=200), Fault.LOST),
        (SimulatedFault("cut", after=1), Fault.LOST),
        (SimulatedFault("lost"), Fault.LOST),
        (SimulatedFault("hang"), Fault.TIMEOUT),
        (SimulatedFault("hang", after=200), Fault.TIMEOUT),
        (SimulatedFault("garbage"), Fault.INVALID_RESPONSE),
        (SimulatedFault("empty"), Fault.INVALID_RESPONSE),
        (SimulatedFault("empty", variant="no_image"), Fault.INVALID_RESPONSE),
        (SimulatedFault("empty", variant="null_image"), Fault.INVALID_RESPONSE),
        (SimulatedFault("refuse"), Fault.UNREACHABLE),
    ],
    ids=lambda value: value.kind if isinstance(value, SimulatedFault) else value,
)
async def test_every_fault_of_the_simulator_is_the_fault_it_stands_for(
    driver: Driver,
    simulator: Simulator,
    target: Channel,
    fault: SimulatedFault,
    expected: Fault,
    partials: int,
) -> None:
    await simulator.set_fault(NAME, fault)
    hasty = replace(EASY, acknowledge=SOON, first_byte=SOON, idle=SOON)
    patient = replace(target, deadlines=hasty if fault.kind == "hang" else EASY)

    assert (await failure(driver, replace(ASK, partials=partials), patient)).fault is expected


async def test_an_error_in_the_middle_of_a_stream_ends_it(
    driver: Driver, simulator: Simulator, target: Channel
) -> None:
    await simulator.set_fault(NAME, SimulatedFault("status", status=500, after=1, unit="events"))

    found = await failure(driver, replace(ASK, partials=2), target)

    assert (found.fault, found.phase) == (Fault.SERVER_ERROR, Phase.BODY)


@pytest.mark.parametrize("word", ["moderation_blocked_input", "moderation_blocked_output"])
async def test_a_refusal_by_moderation_tells_its_stage(
    driver: Driver, target: Channel, word: str
) -> None:
    found = await failure(driver, replace(ASK, prompt=Body(word)), target)

    assert (found.fault, found.stage) == (Fault.CONTENT_POLICY, word.rpartition("_")[2])


async def test_a_parameter_that_the_provider_refuses_is_named(
    driver: Driver, target: Channel
) -> None:
    found = await failure(driver, replace(ASK, parameters={"size": "7x7"}), target)

    assert (found.fault, found.parameter) == (Fault.BAD_REQUEST, "size")


async def test_a_rate_limit_tells_how_long_to_wait(
    driver: Driver, simulator: Simulator, target: Channel
) -> None:
    await simulator.set_fault(NAME, SimulatedFault("status", status=429, retry_after=7))

    assert (await failure(driver, ASK, target)).retry_after == 7.0
