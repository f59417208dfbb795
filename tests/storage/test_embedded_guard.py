import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Literal

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
            lock, data = server.folder / "server.lock", server.folder / "data"
            descriptor = await lock_after_orphans(lock, data)
            assert await crashed.get() == (-signal.SIGKILL if stuck else 0)

        assert await orphans(data) == []
        os.close(descriptor)
        assert await rows_kept(server.url) == 1, "the supervisor was alive after all"


@pytest.mark.parametrize("death", ["signal", "pipe"])
async def test_the_processes_of_a_server_are_told_from_all_others(
    home: Path, copied_home: Path, death: Literal["signal", "pipe"]
) -> None:
    async with (
        EmbeddedPostgres(home, settings=QUICK, death=death) as server,
        EmbeddedPostgres(copied_home, settings=QUICK),
        await connected(server.url),
    ):
        data = server.folder / "data"
        name = embedded_guard.folder_name(data)
        for processes in (Path("/proc"), Path("/not/there")):  # the second is read by `ps`
            async with asyncio.timeout(5):  # a child just forked looks like the leader yet
                while await orphans(data, processes) != [Orphan(server.pid, leads=True)]:
                    await asyncio.sleep(0.01)

            found = await embedded_guard.commands(processes)
            children = [pid for pid, command in found if command.startswith(f"postgres: {name}: ")]
            assert len(children) >= 3
            watchers = [
                command for _, command in found if "launch.py" in command and name in command
            ]
            assert bool(watchers) == (death == "pipe" or sys.platform != "linux")


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
