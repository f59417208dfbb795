"""The one place that speaks HTTP to providers: one try, on one channel, without any policy."""

from collections.abc import AsyncGenerator
from typing import Self

import aiohttp

from core.errors import UpstreamError
from core.model import Acknowledged, Ask, Channel, Piece
from core.providers import Dialect
from core.providers.exchange import Exchange, Line
from core.providers.sse import EventTooLargeError, SseDecoder
from core.providers.wire import Call, EventReader, Reply, invalid

# Bodies are asked for as they are: an image does not shrink, and a small answer that
# unpacks to gigabytes would pass the cap.
_HEADERS = (("accept", "*/*"), ("accept-encoding", "identity"), ("user-agent", "reapi"))


class Driver:
    """Calls providers. Open it with `async with`; leaving that closes every connection.

    Channels share nothing: each has its own pool of connections, without a limit, since
    how many calls a channel gets is decided before they come here.
    """

    def __init__(self) -> None:
        self._lines: dict[str, Line] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for line in list(self._lines.values()):  # a late call may add one
            await line.session.close()
        self._lines.clear()

    async def attempt(
        self, dialect: Dialect, ask: Ask, channel: Channel, budget: float | None = None
    ) -> AsyncGenerator[Piece, None]:
        """Ask *channel* once, within its deadlines and *budget* seconds.

        Gives Acknowledged (whatever the status), then previews and finals as they come, then
        one Report; or raises UpstreamError, before or after some of them. Leaving it early, by
        `aclose` or by cancellation, closes the connection at once: use `contextlib.aclosing`.
        """
        call = dialect.encode(ask, channel)
        exchange = Exchange(call, channel, budget)
        try:
            await exchange.open(self._line(channel))
            yield Acknowledged(exchange.status)
            if not exchange.is_event_stream:
                for piece in dialect.read(await exchange.reply(), ask):
                    yield piece
                return
            reader = dialect.reader(ask)
            decoder = SseDecoder(channel.maximum_answer_bytes)
            while not reader.complete and (data := await exchange.chunk()):
                pieces, failure = _pieces(decoder, reader, data)
                for piece in pieces:
                    yield piece
                if failure is not None:
                    try:
                        raise failure
                    finally:
                        del failure
            for piece in reader.finish():
                yield piece
            await exchange.finish()
        except UpstreamError as error:
            error.phase, error.http_status = exchange.phase, exchange.status
            raise
        finally:
            exchange.close()

    async def call(self, call: Call, channel: Channel, budget: float | None = None) -> Reply:
        """Send *call* and take its whole answer, of whatever status, within the deadlines.

        Raises UpstreamError. Being cancelled closes the connection at once.
        """
        exchange = Exchange(call, channel, budget)
        try:
            await exchange.open(self._line(channel))
            return await exchange.reply()
        except UpstreamError as error:
            error.phase, error.http_status = exchange.phase, exchange.status
            raise
        finally:
            exchange.close()

    def _line(self, channel: Channel) -> Line:
        line = self._lines.get(channel.name)
        if line is None:
            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=_HEADERS,
                auto_decompress=False,
            )
            line = self._lines[channel.name] = Line(channel, session)
        return line


def _pieces(
    decoder: SseDecoder, reader: EventReader, data: bytes
) -> tuple[list[Piece], UpstreamError | None]:
    """What *data* completes, and the failure that follows it.

    In a function of its own, so that the text of an image is gone before the image is used.
    """
    pieces: list[Piece] = []
    try:
        for event in decoder.feed(data):
            pieces.extend(reader.feed(event))
    except UpstreamError as error:
        return pieces, error
    except EventTooLargeError:
        return pieces, invalid()
    return pieces, None
