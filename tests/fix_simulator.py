"""Simulated upstreams for tests: three OpenAI channels, or two of Ark, a credential each."""

import asyncio
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest

from simulator import SimulatedChannel, Simulator

SIMULATED_CHANNELS = (
    SimulatedChannel("openai-a", "sk-sim-a-0123456789abcdef"),
    SimulatedChannel("openai-b", "sk-sim-b-0123456789abcdef"),
    SimulatedChannel("openai-c", "sk-sim-c-0123456789abcdef"),
)

ARK_CHANNELS = (
    SimulatedChannel("ark-a", "ark-sim-a-0123456789abcdef", "ark"),
    SimulatedChannel("ark-b", "ark-sim-b-0123456789abcdef", "ark"),
)


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(SIMULATED_CHANNELS) as opened:
        yield opened


@pytest.fixture
async def ark() -> AsyncIterator[Simulator]:
    async with Simulator(ARK_CHANNELS) as opened:
        yield opened


@pytest.fixture
async def ark_caller(ark: Simulator) -> AsyncIterator["ArkCaller"]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        yield ArkCaller(ark, session)


@pytest.fixture
def simulated_credentials() -> dict[str, str]:
    """The credential of each simulated channel, by its name."""
    return {channel.name: channel.credential for channel in SIMULATED_CHANNELS}


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Give way to the other tasks until *condition* holds; TimeoutError if it never does."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0)


class ArkCaller:
    """Speaks Ark by hand, and to the simulator's controls."""

    tasks = "/api/v3/contents/generations/tasks"
    images = "/api/v3/images/generations"

    def __init__(self, simulator: Simulator, session: aiohttp.ClientSession) -> None:
        self.simulator = simulator
        self.session = session

    async def send(self, method: str, path: str, body: object = None, channel: str = "ark-a"):
        """Give status and JSON of a call."""
        key = next(one.credential for one in ARK_CHANNELS if one.name == channel)
        url = self.simulator.base_url(channel) + path
        headers = {"authorization": f"Bearer {key}"}
        async with self.session.request(method, url, json=body, headers=headers) as response:
            return response.status, await response.json()

    async def submit(self, prompt: str = "a fox", channel: str = "ark-a", **fields):
        """Give status and JSON of the making of a task."""
        body = {
            "model": "dreamina-seedance-2-0-260128",
            "content": [{"type": "text", "text": prompt}],
            **fields,
        }
        return await self.send("POST", self.tasks, body, channel)

    async def ended(self, task_id: str, channel: str = "ark-a"):
        """Give a task once it has ended."""
        while True:
            _, task = await self.send("GET", f"{self.tasks}/{task_id}", channel=channel)
            if task["status"] not in {"queued", "running"}:
                return task

    async def control(self, method: str, path: str, body: object = None):
        """Give status and JSON of a control."""
        url = self.simulator.url + path
        async with self.session.request(method, url, json=body) as response:
            return response.status, await response.json()
