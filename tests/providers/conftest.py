"""The tests of the driver run on both event loops: how they close a connection differs."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

Factory = Callable[[], asyncio.AbstractEventLoop]

_ON_BOTH = {f"test_driver_{name}" for name in ("crowds", "deadlines", "faults", "leaving", "names")}


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Factory]:
    del config
    factories: dict[str, Factory] = {"asyncio": asyncio.new_event_loop}
    if item.path.stem in _ON_BOTH:
        factories["uvloop"] = uvloop.new_event_loop
    return factories
