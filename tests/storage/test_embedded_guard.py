import asyncio
import os
import signal
from pathlib import Path

import pytest

from storage import embedded_guard
from storage.embedded import EmbeddedPostgres
from storage.embedded_guard import Orphan, escalation, lock_after_orphans, orphans, try_lock
from tests.fix_embedded import QUICK, connected, rows_kept


@pytest.mark.parametrize(
    ("orphan", "waited", "expected"),
    [
        (Orphan(7, leads=True), 0.0, signal.SIGINT),
        (Orphan(7, leads=True), 3.0, signal.SIGQUIT),
        (Orphan(7, leads=True), 5.0, signal.SIGKILL),
        (Orphan(7, leads=False), 0.0, signal.SIGQUIT),
        (Orphan(7, leads=False), 5.0, signal.SIGKILL),
    ],
)
def test_an_orphan_is_asked_before_it_is_killed(
    orphan: Orphan, waited: float, expected: signal.Signals
) -> None:
    assert escalation(orphan, waited) == expected


@pytest.mark.parametrize("stuck", [False, True])
async def test_a_server_that_outlived_its_supervisor_is_ended_before_another_starts(
    home: Path, monkeypatch: pytest.MonkeyPatch, stuck: bool
) -> None:
    monkeypatch.setattr(embedded_guard, "_QUIT_AFTER_SECONDS", 0.1 if stuck else 5.0)
    monkeypatch.setattr(embedded_guard, "_KILL_AFTER_SECONDS", 0.2 if stuck else 5.0)
    crashed = asyncio.Queue[int]()
    async with EmbeddedPostgres(home, settings=QUICK, on_crash=crashed.put_nowait) as server:
        if stuck:
            os.kill(server.pid, signal.SIGSTOP)

        async with asyncio.timeout(5):
            descriptor = await lock_after_orphans(home / "server.lock", home / "data")
            assert await crashed.get() == (-signal.SIGKILL if stuck else 0)

        assert await orphans(home / "data") == []
        os.close(descriptor)
        assert await rows_kept(server.url) == 1, "the supervisor was alive after all"


async def test_the_processes_of_a_server_are_told_from_all_others(
    home: Path, copied_home: Path
) -> None:
    async with (
        EmbeddedPostgres(home, settings=QUICK) as server,
        EmbeddedPostgres(copied_home, settings=QUICK),
        await connected(server.url),
    ):
        name = embedded_guard.folder_name(home / "data")
        for processes in (Path("/proc"), Path("/not/there")):  # the second is read by `ps`
            assert await orphans(home / "data", processes) == [Orphan(server.pid, leads=True)]

            found = await embedded_guard.commands(processes)
            children = [pid for pid, command in found if command.startswith(f"postgres: {name}: ")]
            assert len(children) >= 3


async def test_folders_without_a_server_have_no_orphans(tmp_path: Path) -> None:
    assert await orphans(tmp_path) == []
    assert await orphans(tmp_path / "not there") == []


def test_a_lock_is_held_once(tmp_path: Path) -> None:
    descriptor = try_lock(tmp_path / "lock")
    assert descriptor is not None
    assert try_lock(tmp_path / "lock") is None

    os.close(descriptor)
    again = try_lock(tmp_path / "lock")
    assert again is not None
    os.close(again)
