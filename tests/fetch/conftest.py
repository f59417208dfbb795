"""The tests of the guard run on both event loops: how they connect and close differs."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

Factory = Callable[[], asyncio.AbstractEventLoop]


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Factory]:
    del config
    factories: dict[str, Factory] = {"asyncio": asyncio.new_event_loop}
    if item.path.stem.startswith("test_fetch_caller"):
        factories["uvloop"] = uvloop.new_event_loop
    return factories
