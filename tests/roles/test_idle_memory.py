"""When freed memory goes back to the system, and that it does."""

import asyncio
import subprocess
import sys

import pytest

from gateway import idle_memory
from gateway.idle_memory import QuietMoments, wait_quietly

FREE_A_LOT = """
from pathlib import Path
from gateway.hardening import keep_freed_memory
from gateway.idle_memory import give_back

def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

keep_freed_memory()
kept = [b"x" * 100_000 for _ in range(400)]
for index in range(0, 398):
    kept[index] = b""
freed = resident()
give_back()
print(freed - resident())
"""


def test_a_start_is_followed_by_a_first_quiet_moment() -> None:
    moments = QuietMoments()
    assert [moments.is_now(used) for used in (4.0, 4.1, 4.2)] == [False, True, False]


def test_no_moment_is_quiet_under_load() -> None:
    moments = QuietMoments()
    assert not any(moments.is_now(float(used)) for used in range(4, 40))


def test_a_load_is_followed_by_one_quiet_moment() -> None:
    moments = QuietMoments()
    moments.is_now(3.0)
    moments.is_now(3.1)
    looks = (8.0, 12.0, 12.3, 12.4, 12.5)
    assert [moments.is_now(used) for used in looks] == [False, False, True, False, False]


def test_what_idles_along_gives_back_now_and_then() -> None:
    moments = QuietMoments()
    looks = [moments.is_now(2.0 + look * 0.4) for look in range(1, 21)]
    assert 3 <= sum(looks) <= 5


@pytest.mark.skipif(sys.platform != "linux", reason="the C library is another")
def test_what_was_freed_below_living_memory_is_returned() -> None:
    run = subprocess.run(
        [sys.executable, "-c", FREE_A_LOT], capture_output=True, text=True, check=True
    )
    assert int(run.stdout) > 30_000_000


async def test_memory_is_given_back_while_a_process_waits_to_be_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(idle_memory, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(QuietMoments, "is_now", lambda _self, _used: True)
    monkeypatch.setattr(idle_memory, "give_back", lambda: loop.call_soon_threadsafe(stopping.set))
    async with asyncio.timeout(10):
        await wait_quietly(stopping)
