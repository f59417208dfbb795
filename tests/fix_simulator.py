"""Simulated upstreams for tests: three OpenAI channels with a credential each."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from simulator import SimulatedChannel, Simulator

SIMULATED_CHANNELS = (
    SimulatedChannel("openai-a", "sk-sim-a-0123456789abcdef"),
    SimulatedChannel("openai-b", "sk-sim-b-0123456789abcdef"),
    SimulatedChannel("openai-c", "sk-sim-c-0123456789abcdef"),
)


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(SIMULATED_CHANNELS) as opened:
        yield opened


@pytest.fixture
def simulated_credentials() -> dict[str, str]:
    """The credential of each simulated channel, by its name."""
    return {channel.name: channel.credential for channel in SIMULATED_CHANNELS}


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Give way to the other tasks until *condition* holds; TimeoutError if it never does."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0)
