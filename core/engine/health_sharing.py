"""Tells other processes what this one found out about channels, and hears what they did.

By rows of `channel_signal` that expire within a minute, told by NOTIFY and read twice a second
all the same. No request waits for it: what is to be told is picked up from the book's notices,
and what is heard changes the book between two requests. A database that is away changes nothing;
what could not be told is told when it is back, if it still means something.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any, Final
from uuid import UUID, uuid4

import psycopg

from core.catalog.entries import Catalogue
from core.engine.signal_rows import NOTIFY_CHANNEL, Heard, Told, read, sweep, write
from core.keyring import Keyring
from core.log import Emit, SignalHeard
from core.model import Channel
from core.policy.health import Chance, HealthBook
from core.policy.signals import Signal, hear, signal_of
from storage.pool import StorageUnavailable, storage_errors

READ_SECONDS = 0.5
"""Between two looks without a notice: half of the second within which everybody knows."""
ANSWER_SECONDS = 1.0
"""What one statement may take; then the connection counts as dead."""
RETRY_SECONDS = 0.5
GATHER_SECONDS = 0.05
"""What happens within it is told, and heard, at once: many channels fail together."""
SWEEP_SECONDS = 60.0
PURPOSE: Final = "channel-credential"
"""What credentials are digested for: two processes may read different ones by the same name."""

Connect = Callable[[], Awaitable[psycopg.AsyncConnection[Any]]]


class HealthSharing:
    """Shares the *book* of this process; *chance* gives random numbers in [0, 1)."""

    def __init__(
        self,
        book: HealthBook,
        keyring: Keyring,
        catalogue: Catalogue,
        emit: Emit,
        chance: Chance,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._book = book
        self._keyring = keyring
        self._channels: Mapping[str, Channel] = catalogue.channels
        self._emit = emit
        self._chance = chance
        self._now = now
        self._origin = uuid4()
        self._wake = asyncio.Event()
        self._notices = book.listen(self._wake.set)
        self._untold: dict[tuple[str, str, str], tuple[Signal, float]] = {}
        """The newest of each, and until when it means something."""
        self._heard: dict[tuple[str, str, str], UUID] = {}
        """The row of each that was taken over."""
        self._sweep_at = now()

    def use(self, catalogue: Catalogue) -> None:
        """Know the channels of another catalogue from now on."""
        self._channels = catalogue.channels

    async def keep(self, connect: Connect) -> None:
        """Tell and hear, for ever; *connect* opens a connection of its own each time."""
        while True:
            with suppress(StorageUnavailable, OSError, TimeoutError), storage_errors():
                async with await connect() as connection:
                    # That something came is enough; without this psycopg keeps them all.
                    connection.add_notify_handler(_read)
                    async with asyncio.timeout(ANSWER_SECONDS):
                        await connection.execute(f"LISTEN {NOTIFY_CHANNEL}")
                    while True:
                        async with asyncio.timeout(ANSWER_SECONDS):
                            await self._tell(connection)
                            self._take_over(await read(connection, self._origin))
                            await self._sweep(connection)
                        await self._rest(connection)
                        await asyncio.sleep(GATHER_SECONDS)
            await asyncio.sleep(RETRY_SECONDS)

    async def _rest(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Wait until there is something to tell, the server says something, or half a second."""
        loop, place = asyncio.get_running_loop(), connection.fileno()
        loop.add_reader(place, self._wake.set)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(READ_SECONDS):
                    await self._wake.wait()
        finally:
            loop.remove_reader(place)
        self._wake.clear()

    async def _tell(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Write what has not been told; what fails stays untold."""
        now = self._now()
        while self._notices:
            signal = signal_of(self._notices.popleft())
            if signal is not None:
                self._untold[signal.key] = signal, now + signal.seconds
        telling = dict(sorted(self._untold.items()))
        rows = [
            Told(self._origin, uuid4(), signal, until - now, self._seal(signal))
            for signal, until in telling.values()
            if until > now
        ]
        if rows:
            await write(connection, rows)
        for key, told in telling.items():
            if self._untold[key] is told:
                del self._untold[key]

    def _take_over(self, rows: Sequence[Heard]) -> None:
        """Apply the rows of others that are new; what was applied and is gone is forgotten."""
        now, heard = self._now(), {}
        for row in rows:
            key = row.signal.key
            heard[key] = row.id
            is_new = self._heard.get(key) != row.id
            if is_new and row.seal == self._seal(row.signal) and key not in self._untold:
                hear(self._book, row.signal, now, self._chance())
                self._emit(SignalHeard(row.signal.channel, _kind(row.signal)))
        self._heard = heard

    async def _sweep(self, connection: psycopg.AsyncConnection[Any]) -> None:
        if self._now() >= self._sweep_at:
            self._sweep_at = self._now() + SWEEP_SECONDS
            await sweep(connection)

    def _seal(self, signal: Signal) -> bytes | None:
        """Of the credential that it is about, if any; None where this process has none such."""
        channel = self._channels.get(signal.channel)
        if channel is None:
            return None
        if not signal.credential:
            return b""
        secret = channel.credentials.get(signal.credential)
        if secret is None:
            return None
        return self._keyring.mac(PURPOSE, secret.reveal().encode())


def _read(notice: psycopg.Notify) -> None:
    del notice


def _kind(signal: Signal) -> str:
    """For metrics: `ejected`, `recovered` or `credential`."""
    if signal.credential:
        return "credential"
    return "recovered" if signal.fault is None else "ejected"
