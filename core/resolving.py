"""Names to addresses, in threads of their own.

Whoever names a host chooses how slowly its name server answers. That must not hold up the lookups
of others, reads from the disk, or the end of the process, which would wait for threads of a pool.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import Any
from weakref import WeakValueDictionary

from aiohttp.abc import AbstractResolver, ResolveResult

THREADS = 32
SHARE = 8
"""Threads that the names of one account may take."""

Found = list[tuple[Any, ...]]
"""What `socket.getaddrinfo` gives."""


class Lookups:
    """So many at a time, in all and of one owner; more wait for their turn."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(THREADS)
        self._shares = WeakValueDictionary[object, asyncio.Semaphore]()
        """By owner; whoever waits, and what runs, keeps its own."""

    async def run(self, look: Callable[[], Found], owner: object = None) -> Found:
        """What *look* gives or raises, in a thread; its place is free once it has ended.

        That is so for who has left, too. Where there is an *owner*, it has a share.
        """
        share = self._share(owner)
        await share.acquire()
        try:
            await self._places.acquire()
        except BaseException:
            share.release()
            raise
        return await self._begun(look, share)

    def _share(self, owner: object) -> asyncio.Semaphore:
        share = self._shares.get(owner)
        if share is None:
            share = asyncio.Semaphore(THREADS if owner is None else SHARE)
            self._shares[owner] = share
        return share

    def _begun(self, look: Callable[[], Found], share: asyncio.Semaphore) -> asyncio.Future[Found]:
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Found] = loop.create_future()

        def free() -> None:
            self._places.release()
            share.release()

        def settle(set_outcome: Callable[[], None]) -> None:
            free()
            if not found.done():
                set_outcome()

        def run() -> None:
            try:
                outcome = partial(found.set_result, look())
            except Exception as error:  # noqa: BLE001 - whoever waits raises it
                outcome = partial(found.set_exception, error.with_traceback(None))
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(settle, outcome)

        try:
            Thread(target=run, name="dns", daemon=True).start()
        except RuntimeError as error:
            free()
            raise OSError("no thread to look a name up") from error
        return found


class SharedLookups:
    """One lookup of a name at a time: who asks again while it is slow takes no other thread."""

    def __init__(self) -> None:
        self._lookups = Lookups()
        self._running: dict[object, asyncio.Task[Found]] = {}

    async def run(self, key: object, look: Callable[[], Found]) -> Found:
        """What *look* gives or raises; whoever comes with the same *key* meanwhile gets it, too."""
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.create_task(self._lookups.run(look))
            task.add_done_callback(partial(self._ended, key))
        try:
            return list(await asyncio.shield(task))
        finally:
            del task  # whose error holds this frame, and that of whoever waits

    def _ended(self, key: object, task: asyncio.Task[Found]) -> None:
        del self._running[key]
        if not task.cancelled():
            task.exception()  # everybody who waited for it may have left


class SystemResolver(AbstractResolver):
    """The system's resolver, for names that anybody may give: an *owner* of them has a share."""

    def __init__(self, owner: object = None, lookups: Lookups | None = None) -> None:
        self._owner = owner
        self._lookups = lookups or Lookups()

    def of(self, owner: object) -> "SystemResolver":
        """The same threads, for names that *owner* gave."""
        return SystemResolver(owner, self._lookups)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Every address of *host*; raises OSError."""
        look = _look(host, port, family)
        return _results(host, port, await self._lookups.run(look, self._owner))

    async def close(self) -> None:
        """Nothing is kept; a lookup that still runs ends by itself."""


class Names(AbstractResolver):
    """The system's resolver, for names of providers: many channels share one."""

    def __init__(self) -> None:
        self._lookups = SharedLookups()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Every address of *host*; raises OSError."""
        look = _look(host, port, family)
        return _results(host, port, await self._lookups.run((host, port, family), look))

    async def close(self) -> None:
        """Nothing is kept; a lookup that still runs ends by itself."""


def _look(host: str, port: int, family: int) -> Callable[[], Found]:
    return partial(
        socket.getaddrinfo,
        host,
        port,
        family=family,
        type=socket.SOCK_STREAM,
        flags=socket.AI_ADDRCONFIG,
    )


def _results(host: str, port: int, found: Found) -> list[ResolveResult]:
    return [
        ResolveResult(
            hostname=host,
            host=_text(address),
            port=port,
            family=kind,
            proto=protocol,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
        for kind, _, protocol, _, address in found
    ]


def _text(address: tuple[object, ...]) -> str:
    """The address of a socket address; with its zone, so that nobody takes it for a global one."""
    zone = address[3] if len(address) > 3 else 0
    return f"{address[0]}%{zone}" if zone and "%" not in str(address[0]) else str(address[0])
