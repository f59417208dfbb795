"""Whoever listens at the database leaves a connection that falls silent, however new it is."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, cast

import psycopg
import pytest

from accounts.directory import KeyDirectory
from core.catalog.entries import Catalogue
from core.engine.channel_overlay import ChannelOverlay
from core.engine.health_sharing import HealthSharing
from core.keyring import Keyring
from core.policy.health import HealthBook
from storage.pool import Connection, Pool, connection_string
from tests.fix_proxy import Proxy

PATIENCE = 10.0
"""Seconds, for what takes one or two."""

Connect = Callable[[], Awaitable[psycopg.AsyncConnection[Any]]]
Loop = Callable[[Connect], Awaitable[None]]


def loops() -> dict[str, Loop]:
    """All that listen over a connection of their own; none of them needs the pool for it."""
    pool, known = cast("Pool", None), Catalogue("v", {}, {}, {}, {})
    book, keyring = HealthBook(), Keyring((b"k" * 32,))
    sharing = HealthSharing(book, keyring, known, lambda _: None, lambda: 0.5)
    overlay = ChannelOverlay(pool, book, known, [], lambda _: None)
    return {"signals": sharing.keep, "controls": overlay.keep, "keys": KeyDirectory(pool).listen}


@pytest.mark.parametrize("name", ["signals", "controls", "keys"])
async def test_a_server_that_falls_silent_once_connected_is_connected_to_again(
    name: str, proxy: Proxy, proxied_url: str
) -> None:
    conninfo, opened, again = connection_string(proxied_url, "test"), [0], asyncio.Event()

    async def connect() -> psycopg.AsyncConnection[Any]:
        proxy.trouble = "none"
        if opened[0]:
            again.set()
        connection = await Connection.connect(conninfo, autocommit=True)
        opened[0] += 1
        if opened[0] == 1:
            proxy.trouble = "freeze"
        return connection

    task = asyncio.ensure_future(loops()[name](connect))
    try:
        async with asyncio.timeout(PATIENCE):
            await again.wait()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
