"""An archive holds who asked for it: other members see that it is there, and no link to it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from storage.pool import Pool
from tests.rights.test_rights_calls import EXPORTS, signed_in
from tests.webhooks.whole_core import Whole, whole_core


@pytest_asyncio.fixture
async def whole(database_url: str, tmp_path: Path) -> AsyncIterator[Whole]:
    async with whole_core(database_url, tmp_path / "outputs") as made:
        yield made


async def test_the_link_to_an_archive_is_told_to_who_asked_alone(whole: Whole, pool: Pool) -> None:
    owner = await signed_in(whole, pool, "ada@example.com")
    admin = await signed_in(whole, pool, "bob@example.com", owner.account)
    async with pool.connection() as connection:
        await connection.execute(
            "UPDATE membership SET role = 'admin' WHERE (user_id, account_id) = (%s, %s)",
            (admin.user, owner.account),
        )
    asked = (await admin.ask("POST", EXPORTS, json={}))["export"]

    mine = await admin.ready(asked["name"])
    theirs = await owner.ready(asked["name"])
    listed = (await owner.ask("GET", EXPORTS))["exports"]

    assert mine["uri"]
    assert theirs["state"] == "STATE_READY"
    assert [theirs["uri"], *(each["uri"] for each in listed)] == ["", ""]
