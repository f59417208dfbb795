"""The embedded PostgreSQL is called through a socket of its own where it can have one."""

import asyncio
import os
import signal
import stat
from pathlib import Path

import pytest

from storage.embedded import EmbeddedPostgres
from storage.embedded_socket import can_be_called
from tests.fix_embedded import QUICK, connected, everything_gone, rows_kept


async def by_socket(url: str) -> bool:
    async with await connected(url) as connection:
        cursor = await connection.execute("SELECT inet_client_addr() IS NULL")
        return await cursor.fetchone() == (True,)


async def test_our_own_calls_go_through_a_socket_that_only_its_user_reaches(
    passable_folder: Path,
) -> None:
    home = passable_folder / 'a "quoted" 100% odd name'

    async with EmbeddedPostgres(home, settings=QUICK) as server:
        assert await by_socket(server.near_url)
        assert not await by_socket(server.url)
        (folder,) = server.folder.glob("socket")
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert [path.is_socket() for path in sorted(folder.iterdir())] == [True, False]

    await everything_gone(server.folder)


async def test_a_killed_server_is_called_again_at_the_same_place(home: Path) -> None:
    crashed = asyncio.Queue[int]()

    async with EmbeddedPostgres(home, settings=QUICK, on_crash=crashed.put_nowait) as server:
        url = server.near_url
        os.kill(server.pid, signal.SIGKILL)
        async with asyncio.timeout(5):
            await crashed.get()
            assert await rows_kept(server.url) == 1

        assert server.near_url == url
        assert await by_socket(url)


@pytest.mark.parametrize("name", ["long" * 25, "two, perhaps"])
async def test_where_a_socket_can_not_be_called_the_port_has_to_do(
    passable_folder: Path, name: str
) -> None:
    home = passable_folder / name

    async with EmbeddedPostgres(home, settings=QUICK) as server:
        assert server.near_url == server.url
        assert not await by_socket(server.near_url)
        assert not (server.folder / "socket").exists()


def test_a_place_for_a_socket_is_tried(tmp_path: Path) -> None:
    assert can_be_called(tmp_path / "s")
    assert list(tmp_path.iterdir()) == []
    assert not can_be_called(tmp_path / ("s" * 200))
    assert not can_be_called(tmp_path / "nowhere" / "s")
