"""The core over a scripted provider of jobs; `settings` are changes to its channels."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from core.engine import jobs
from tests.fix_core import TestCore, build_core
from tests.scripted_jobs import Ark, Clock, Films, videos


@pytest.fixture
def settings() -> dict[str, Any]:
    return {}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def films() -> Films:
    return Films()


@pytest.fixture
async def core(
    settings: dict[str, Any], clock: Clock, films: Films, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[TestCore]:
    monkeypatch.setattr(jobs, "search_delay", lambda _tries, _chance: 0.002)
    made = build_core(Ark(), videos(**settings), films, clock)
    await made.credit(10_000)
    yield made
    await made.engine.stop(5)
