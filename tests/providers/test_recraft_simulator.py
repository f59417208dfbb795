"""The driver and Recraft's dialect against the simulated Recraft: other code, the same protocol."""

from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import pytest

from core.body import Body, Secret
from core.errors import Fault
from core.media import probe
from core.model import EMPTY_REPORT, Acknowledged, Ask, Channel, Hosted, Kind
from core.providers.driver import Driver
from simulator import Fault as SimulatedFault
from simulator import Knobs, SimulatedChannel, Simulator
from tests.providers.asking import EASY, asked, failure
from tests.providers.test_recraft import FIELDS

NAME, TOKEN = "recraft-a", "recraft-simulated-token"
ASK = Ask("ours", Kind.IMAGE, Body("a red fox"))


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator([SimulatedChannel(NAME, TOKEN, "recraft")]) as opened:
        yield opened


@pytest.fixture
def channel(simulator: Simulator) -> Channel:
    return Channel(
        NAME,
        "recraft",
        "recraftv3",
        f"{simulator.base_url(NAME)}/v1",
        Secret(TOKEN),
        deadlines=EASY,
        fields=FIELDS,
    )


@pytest.mark.parametrize("size", ["1024x1024", "1365x1024", "1024x2048"])
async def test_images_have_the_size_that_was_asked_for(
    driver: Driver, channel: Channel, size: str
) -> None:
    wish = replace(ASK, count=2, parameters={"size": size})
    acknowledged, one, two, report = await asked(driver, wish, channel)

    assert (acknowledged, report) == (Acknowledged(200), EMPTY_REPORT)
    assert one != two
    assert isinstance(two, Hosted)
    async with aiohttp.ClientSession() as session, session.get(two.url.reveal()) as response:
        found = probe(await response.read())
    assert found is not None
    assert (found.media_type, f"{found.width}x{found.height}") == ("image/png", size)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (SimulatedFault("status", status=400), Fault.BAD_REQUEST),
        (SimulatedFault("status", status=400, code="moderated"), Fault.CONTENT_POLICY),
        (SimulatedFault("status", status=400, code="not_enough_credits"), Fault.QUOTA),
        (SimulatedFault("status", status=401), Fault.AUTH),
        (SimulatedFault("status", status=404), Fault.NOT_FOUND),
        (SimulatedFault("status", status=429), Fault.RATE_LIMITED),
        (SimulatedFault("status", status=500), Fault.SERVER_ERROR),
        (SimulatedFault("status", status=503), Fault.OVERLOADED),
        (SimulatedFault("empty", variant="no_data"), Fault.INVALID_RESPONSE),
        (SimulatedFault("empty", variant="no_image"), Fault.INVALID_RESPONSE),
        (SimulatedFault("empty", variant="null_image"), Fault.INVALID_RESPONSE),
        (SimulatedFault("garbage"), Fault.INVALID_RESPONSE),
        (SimulatedFault("lost"), Fault.LOST),
    ],
    ids=str,
)
async def test_a_fault_of_the_simulator_is_taken_for_what_it_is(
    driver: Driver, simulator: Simulator, channel: Channel, fault: SimulatedFault, expected: Fault
) -> None:
    await simulator.set_fault(NAME, fault)

    assert (await failure(driver, ASK, channel)).fault is expected


async def test_the_simulator_refuses_as_recraft_does(
    driver: Driver, simulator: Simulator, channel: Channel
) -> None:
    blocked = await failure(driver, replace(ASK, prompt=Body("moderation_blocked")), channel)
    assert (blocked.fault, blocked.stage) == (Fault.CONTENT_POLICY, "input")

    wrong = await failure(driver, replace(ASK, parameters={"size": "1x1"}), channel)
    assert (wrong.fault, wrong.parameter) == (Fault.BAD_REQUEST, "size")

    many = await failure(driver, replace(ASK, count=7), channel)
    assert (many.fault, many.parameter) == (Fault.BAD_REQUEST, "output_count")

    other = await failure(driver, ASK, replace(channel, upstream_model="recraftv99"))
    assert other.fault is Fault.NOT_FOUND

    key = await failure(driver, ASK, replace(channel, credential=Secret("another")))
    assert key.fault is Fault.AUTH

    simulator.configure(Knobs(requests_per_minute=1))
    await asked(driver, ASK, channel)
    assert (await failure(driver, ASK, channel)).fault is Fault.RATE_LIMITED
