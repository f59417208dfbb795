"""No test may hang: each async one has two minutes, and its traceback then shows what it awaits.

What hangs otherwise (set-up, a thread, a process) is ended by pytest's own faulthandler, whose
limit `scripts/test` gives. Nor does a slow machine fail a law: what Hypothesis says of time is off.
"""

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

SECONDS = 120.0

settings.register_profile("laws", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("laws")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Limit every plain async test but the long proofs."""
    for item in items:
        if not isinstance(item, pytest.Function) or item.get_closest_marker("prove"):
            continue
        if inspect.iscoroutinefunction(item.obj) and not hasattr(item.obj, "hypothesis"):
            item.obj = _limited(item.obj)


def _limited(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @functools.wraps(test)
    async def limited(*args: Any, **kwargs: Any) -> None:
        async with asyncio.timeout(SECONDS):
            await test(*args, **kwargs)

    return limited
