"""Lookups of names: many at once, no more than may be, and none that outlives its process."""

import asyncio
import gc
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver

from core.resolving import SHARE, THREADS, Names, SystemResolver

_SYSTEMS = socket.getaddrinfo
_HUNG = """
import asyncio, socket, threading
from core.resolving import SystemResolver

begun = threading.Event()

def hang(*_, **__):
    begun.set()
    threading.Event().wait()

async def main():
    socket.getaddrinfo = hang
    lookup = asyncio.create_task(SystemResolver().resolve("slow.example"))
    while not begun.is_set():
        await asyncio.sleep(0.001)
    lookup.cancel()

asyncio.run(main())
print("over")
"""


class Slow:
    """A name server that answers when it is told to; counts who waits for it."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.waiting = 0
        self.most = 0
        self._lock = threading.Lock()

    def find(self, _: str, port: int, *args: Any, **options: Any) -> Any:
        with self._lock:
            self.waiting += 1
            self.most = max(self.most, self.waiting)
        self.answers.wait(20)
        with self._lock:
            self.waiting -= 1
        return _SYSTEMS("127.0.0.1", port, *args, **options)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    server = Slow()
    monkeypatch.setattr(socket, "getaddrinfo", server.find)
    yield server
    server.answers.set()


async def until_waiting(slow: Slow, count: int) -> None:
    async with asyncio.timeout(10):
        while slow.waiting != count:
            await asyncio.sleep(0.001)


async def test_only_so_many_are_looked_up_at_once(slow: Slow) -> None:
    resolver = SystemResolver()
    lookups = [asyncio.create_task(resolver.resolve(f"{n}.example")) for n in range(THREADS + 8)]
    await until_waiting(slow, THREADS)
    slow.answers.set()
    found = await asyncio.gather(*lookups)

    assert slow.most == THREADS
    assert {each[0]["host"] for each in found} == {"127.0.0.1"}


async def test_who_leaves_keeps_the_place_until_the_lookup_has_ended(slow: Slow) -> None:
    resolver = SystemResolver()
    left = [asyncio.create_task(resolver.resolve(f"{n}.example")) for n in range(THREADS)]
    await until_waiting(slow, THREADS)
    for lookup in left:
        lookup.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    late = asyncio.create_task(resolver.resolve("late.example"))
    await asyncio.sleep(0)
    assert slow.most == THREADS
    slow.answers.set()

    assert (await late)[0]["host"] == "127.0.0.1"
    assert slow.most == THREADS


async def test_whose_names_are_slow_holds_up_no_other_owner(slow: Slow) -> None:
    resolver = SystemResolver()

    async def looked_up(owner: object, count: int) -> None:
        names = [f"{number}.example" for number in range(count)]
        await asyncio.gather(*(resolver.of(owner).resolve(name) for name in names))

    greedy = asyncio.create_task(looked_up("greedy", 2 * THREADS))
    await until_waiting(slow, SHARE)
    greedy.cancel()
    await asyncio.gather(greedy, return_exceptions=True)
    again = asyncio.create_task(looked_up("greedy", THREADS))
    others = [asyncio.create_task(looked_up(owner, 1)) for owner in range(3)]
    await until_waiting(slow, SHARE + 3)
    slow.answers.set()
    await asyncio.gather(again, *others)

    assert slow.most == SHARE + 3


async def test_nothing_is_kept_of_owners_whose_lookups_have_ended(slow: Slow) -> None:
    resolver = SystemResolver()
    slow.answers.set()
    for owner in range(3):
        await resolver.of(owner).resolve("x.example")
    async with asyncio.timeout(10):
        while resolver._lookups._shares:  # a thread is just about to end
            await asyncio.sleep(0.001)


def test_a_lookup_that_hangs_does_not_hold_up_the_end_of_the_process() -> None:
    run = subprocess.run(
        [sys.executable, "-c", _HUNG], capture_output=True, text=True, timeout=20, check=False
    )

    assert (run.returncode, run.stdout, run.stderr) == (0, "over\n", "")


async def test_a_lookup_that_fails_when_everybody_has_left_is_reported_by_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    begun, fails = threading.Event(), threading.Event()

    def fail(*_: Any, **__: Any) -> Any:
        begun.set()
        fails.wait(20)
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    names = Names()
    waiting = asyncio.create_task(names.resolve("unknown.example"))
    async with asyncio.timeout(10):
        while not begun.is_set():
            await asyncio.sleep(0.001)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    fails.set()
    async with asyncio.timeout(10):
        while names._lookups._running:
            await asyncio.sleep(0.001)
    gc.collect()

    assert reported == []


async def test_a_lookup_that_fails_keeps_nothing_of_who_waited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    class Request:
        """What a caller holds."""

    async def ask(resolver: AbstractResolver) -> "weakref.ref[Request]":
        request = Request()
        with pytest.raises(OSError):
            await resolver.resolve("unknown.example")
        return weakref.ref(request)

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    gc.disable()
    try:
        kept = [await ask(resolver) for resolver in (Names(), SystemResolver())]
        async with asyncio.timeout(10):
            while any(request() is not None for request in kept):
                await asyncio.sleep(0.001)
    finally:
        gc.enable()
