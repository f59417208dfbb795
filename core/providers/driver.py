"""The one place that speaks HTTP to providers: one try, on one channel, without any policy."""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, Self

import aiohttp
from yarl import URL

from core.body import Body
from core.errors import UpstreamError
from core.model import Acknowledged, Ask, Channel, Piece
from core.providers import Dialect
from core.providers.exchange import Exchange
from core.providers.line import Line
from core.providers.rate_limits import allowance
from core.providers.sounds import SoundReader
from core.providers.sse import EventTooLargeError, SseDecoder
from core.providers.wire import Call, Clear, EventReader, Reply, at_any_time, invalid
from core.resolving import Names

# Bodies are asked for as they are: an image does not shrink, and a small answer that
# unpacks to gigabytes would pass the cap.
_HEADERS = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "reapi"}


class Outside(Protocol):
    """Reaches addresses that providers name, guarded: `core.fetch.lending.Lender`."""

    def lend(
        self, url: Body[str], channel: Channel
    ) -> AbstractAsyncContextManager[tuple[aiohttp.ClientSession, URL]]:
        """A session for one call, and the URL as it must be asked; raises UpstreamError."""
        ...


Limited = Callable[[Channel, int, float], None]
"""Told how many requests a channel's credential may still send, and for how many seconds."""


def _nobody(channel: Channel, remaining: int, seconds: float) -> None:
    del channel, remaining, seconds


class Driver:
    """Calls providers. Open it with `async with`; leaving that closes every connection.

    Each channel has its own pool of connections, without a limit, since how many calls it gets is
    decided before they come here. Channels share lookups of names, and those hold up no others.
    """

    def __init__(
        self,
        outside: Outside | None = None,
        connector: Callable[[Channel], aiohttp.BaseConnector] | None = None,
        limited: Limited = _nobody,
    ) -> None:
        """*outside* is needed for calls with a `url` only; *connector* is for tests.

        *limited* is told what answers say about rate limits, of whatever status.
        """
        self._limited = limited
        self._names = Names()
        self._connector = connector or self._tcp
        self._lines: dict[tuple[str, str, str, float], Line] = {}
        """By what they depend on: a channel's address may become another one while jobs run."""
        self._outside = outside

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for line in list(self._lines.values()):  # a late call may add one
            await line.connector.close()
        self._lines.clear()

    async def attempt(
        self,
        dialect: Dialect,
        ask: Ask,
        channel: Channel,
        take: Callable[[Piece], None],
        budget: float | None = None,
        clear: Clear = at_any_time,
    ) -> None:
        """Ask *channel* once, within its deadlines and *budget* seconds, if *clear* lets it.

        Calls *take* with Acknowledged (whatever the status), then previews, sounds and finals as
        they come, then one Report, where the provider says anything; or raises UpstreamError,
        before or after some of them. Being cancelled, or an error of *take*, closes the connection
        at once.
        """
        call = dialect.encode(ask, channel)
        exchange = Exchange(call, channel, budget, clear)
        try:
            await exchange.open(self._line(channel))
            self._hear(exchange, channel)
            take(Acknowledged(exchange.status))
            reader = _reader(exchange, call, dialect, ask, channel.maximum_answer_bytes)
            if reader is None:
                for piece in dialect.read(await exchange.reply(), ask):
                    take(piece)
                return
            while not reader.complete and (data := await exchange.chunk()):
                pieces, failure = reader.feed(data)
                for piece in pieces:
                    take(piece)
                if failure is not None:
                    try:
                        raise failure
                    finally:
                        del failure
            for piece in reader.finish():
                take(piece)
            await exchange.finish()
        except UpstreamError as error:
            error.phase, error.http_status = exchange.phase, exchange.status
            raise
        finally:
            exchange.close()

    async def call(
        self,
        call: Call,
        channel: Channel,
        budget: float | None = None,
        clear: Clear = at_any_time,
    ) -> Reply:
        """Send *call*, if *clear* lets it, and take its whole answer, of whatever status.

        That is within the deadlines. Raises UpstreamError, and what *clear* raises. Being
        cancelled closes the connection at once.
        """
        if call.url is None:
            heard = self._hear if call.method == "POST" else _unheard
            return await _called(call, channel, self._line(channel), budget, clear, heard)
        assert self._outside is not None, "who opens the driver lends it a way outside"
        async with self._outside.lend(call.url, channel) as (session, url):
            assert session.connector is not None
            line = Line(channel, session.connector, session.headers, url)
            return await _called(call, channel, line, budget, clear)

    def _hear(self, exchange: Exchange, channel: Channel) -> None:
        """Tell what an answer says about the limits of what makes something.

        Looks have others, and their `retry-after` is when to look again.
        """
        said = allowance(exchange.headers, time.time())
        if said is not None:
            self._limited(channel, *said)

    def _tcp(self, _: Channel) -> aiohttp.BaseConnector:
        return aiohttp.TCPConnector(limit=0, resolver=self._names)

    def _line(self, channel: Channel) -> Line:
        key = (channel.name, channel.base_url, channel.side_url, channel.deadlines.connect)
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = Line(channel, self._connector(channel), _HEADERS)
        return line


def _unheard(exchange: Exchange, channel: Channel) -> None:
    del exchange, channel


async def _called(
    call: Call,
    channel: Channel,
    line: Line,
    budget: float | None,
    clear: Clear,
    heard: Callable[[Exchange, Channel], None] = _unheard,
) -> Reply:
    exchange = Exchange(call, channel, budget, clear)
    try:
        await exchange.open(line)
        heard(exchange, channel)
        return await exchange.reply()
    except UpstreamError as error:
        error.phase, error.http_status = exchange.phase, exchange.status
        raise
    finally:
        exchange.close()


class _Events:
    """Makes pieces of the bytes of a stream of events."""

    def __init__(self, reader: EventReader, maximum_bytes: int) -> None:
        self._reader = reader
        self._decoder = SseDecoder(maximum_bytes)

    @property
    def complete(self) -> bool:
        return self._reader.complete

    def feed(self, data: bytes) -> tuple[Sequence[Piece], UpstreamError | None]:
        """What *data* completes, and the failure that follows it.

        In a function of its own, so that the text of an image is gone before the image is used.
        """
        pieces: list[Piece] = []
        try:
            for event in self._decoder.feed(data):
                pieces.extend(self._reader.feed(event))
        except UpstreamError as error:
            return pieces, error
        except EventTooLargeError:
            return pieces, invalid()
        return pieces, None

    def finish(self) -> Iterable[Piece]:
        return self._reader.finish()


def _reader(
    exchange: Exchange, call: Call, dialect: Dialect, ask: Ask, maximum_bytes: int
) -> _Events | SoundReader | None:
    """What reads the answer while it comes; None: it is to be read whole."""
    if exchange.is_sound:
        return SoundReader(call.sound)
    if exchange.is_event_stream:
        return _Events(dialect.reader(ask), maximum_bytes)
    return None
