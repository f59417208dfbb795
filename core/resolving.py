"""Names to addresses, in threads of their own."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

THREADS = 32

_Found = list[tuple[Any, ...]]
"""What `socket.getaddrinfo` gives."""


class SystemResolver(AbstractResolver):
    """The system's resolver.

    Its threads are nobody else's: whoever names a host chooses how slowly its name server
    answers, and must not hold up the lookups of others, reads from the disk, or the end of the
    process, which would wait for threads of a pool.
    """

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(THREADS)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Every address of *host*; raises OSError."""
        look = partial(
            socket.getaddrinfo,
            host,
            port,
            family=family,
            type=socket.SOCK_STREAM,
            flags=socket.AI_ADDRCONFIG,
        )
        await self._places.acquire()
        found = await self._in_a_thread(look)
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

    async def close(self) -> None:
        """Nothing is kept; a lookup that still runs ends by itself."""

    def _in_a_thread(self, look: Callable[[], _Found]) -> asyncio.Future[_Found]:
        """What *look* gives. Its place is free once it has ended, whoever still waits for it."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[_Found] = loop.create_future()

        def settle(set_outcome: Callable[[], None]) -> None:
            self._places.release()
            if not found.done():
                set_outcome()

        def run() -> None:
            try:
                outcome = partial(found.set_result, look())
            except Exception as error:  # noqa: BLE001 - whoever waits raises it
                outcome = partial(found.set_exception, error)
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(settle, outcome)

        try:
            Thread(target=run, name="dns", daemon=True).start()
        except RuntimeError as error:
            self._places.release()
            raise OSError("no thread to look a name up") from error
        return found


class Names(AbstractResolver):
    """One lookup of a name at a time, whoever waits for it: channels of a provider share its name.

    So no more threads are held up than there are names in the catalogue.
    """

    def __init__(self) -> None:
        self._system = SystemResolver()
        self._lookups: dict[tuple[str, int, int], asyncio.Task[list[ResolveResult]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Every address of *host*; raises OSError."""
        key = host, port, family
        lookup = self._lookups.get(key)
        if lookup is None:
            lookup = asyncio.create_task(self._system.resolve(host, port, family))
            self._lookups[key] = lookup
            lookup.add_done_callback(lambda _: self._lookups.pop(key))
        return list(await asyncio.shield(lookup))

    async def close(self) -> None:
        """Wait for no lookup any more."""
        for lookup in self._lookups.values():
            lookup.cancel()


def _text(address: tuple[object, ...]) -> str:
    """The address of a socket address; with its zone, so that nobody takes it for a global one."""
    zone = address[3] if len(address) > 3 else 0
    return f"{address[0]}%{zone}" if zone and "%" not in str(address[0]) else str(address[0])
