"""What an operator says about a channel holds in another process within a second."""

import asyncio
import time
from pathlib import Path

import psycopg
import pytest

from core.keyring import admin_token
from tests.prove_options import Figure
from tests.webhooks.whole_core import KEYRING, Whole, whole_core

pytestmark = [pytest.mark.prove, pytest.mark.alone]

OPERATOR = {"authorization": f"Bearer {admin_token(KEYRING)}"}
CHANNEL = "/api/v1/admin/channels/openai-a"
CHANGES = 20
SECOND = 1.0


async def seconds_to_hold(one: Whole, other: Whole, weight: int) -> float:
    """How long after *one* has done it the change is seen by *other*."""
    changed = await one.http.patch(CHANNEL, json={"weight": weight}, headers=OPERATOR)
    assert changed.status_code == 200, changed.text
    begin = time.monotonic()
    async with asyncio.timeout(20 * SECOND):
        while (await other.ask("GET", CHANNEL, headers=OPERATOR))["channel"]["weight"] != weight:
            await asyncio.sleep(0.005)
    return time.monotonic() - begin


@pytest.mark.parametrize("heard", ["by a notice", "without a notice"])
async def test_a_change_holds_in_another_process_within_a_second(
    database_url: str, tmp_path: Path, figure: Figure, heard: str
) -> None:
    async with (
        whole_core(database_url, tmp_path / "outputs") as one,
        whole_core(database_url, tmp_path / "outputs") as other,
    ):
        if heard == "without a notice":
            with psycopg.connect(database_url, autocommit=True) as connection:
                connection.execute("DROP TRIGGER channel_overlay_changed ON channel_overlay")
        took = [await seconds_to_hold(one, other, n + 1) for n in range(CHANGES)]

    figure(f"a weight holds in the other process {heard}, ms", [1000 * each for each in took])
    assert max(took) < SECOND
