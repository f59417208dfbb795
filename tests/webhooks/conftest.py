"""Receivers and an office for the tests of webhooks."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.fix_commit import PostgresHouse
from tests.webhooks.posting_office import Desk, open_desk
from tests.webhooks.receiving import Receiver, receiving
from tests.webhooks.whole_core import Whole, whole_core


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


@pytest_asyncio.fixture
async def desk(postgres_house: PostgresHouse) -> AsyncIterator[Desk]:
    async with open_desk(postgres_house) as made:
        yield made


@pytest_asyncio.fixture
async def whole(database_url: str, tmp_path: Path) -> AsyncIterator[Whole]:
    async with whole_core(database_url, tmp_path / "outputs") as made:
        yield made
