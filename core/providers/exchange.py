"""One HTTP request and its answer, under the deadlines of its channel."""

import asyncio
import math
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

import aiohttp
from aiohttp.http import HttpProcessingError
from multidict import istr

from core.body import Body
from core.errors import Fault, Phase, UpstreamError
from core.model import Channel
from core.providers import multipart
from core.providers.alarm import Alarm
from core.providers.lease import BROKEN, Lease
from core.providers.line import Line
from core.providers.wire import EVENT_STREAM, Call, Clear, Reply, invalid

# What an error's body may cost; without one, its status is still a verdict.
_ERROR_BYTES = 1024 * 1024
_ERROR_SECONDS = 2.0
# How long to wait for the end of a stream that can tell nothing more, so that its
# connection can serve again.
_END_SECONDS = 0.05
# A body so small leaves with the head; a larger one as fast as the provider reads it.
_AT_ONCE_BYTES = 64 * 1024
# What may be asked twice is asked again, once, where the connection breaks before an answer: it
# may have been an open one that the provider was just about to close.
_REPEATED = frozenset({"GET", "PUT", "DELETE"})
_LENGTH, _TYPE = istr("content-length"), istr("content-type")


class Exchange:
    """A request on its way: its deadlines, its bytes, and the connection under it.

    `close()` must follow in any case: unless the whole answer was read, it cuts the
    connection at once, whatever is still in its buffers. Every failure is an UpstreamError
    without an aiohttp exception behind it; the driver adds phase and status.
    """

    def __init__(self, call: Call, channel: Channel, budget: float | None, clear: Clear) -> None:
        self._loop = asyncio.get_running_loop()
        self._call = call
        self._clear = clear
        limits = channel.deadlines
        total = limits.total if budget is None else min(limits.total, budget)
        self._sent_at = self._loop.time()
        self._ends_at = self._sent_at + total
        self._connect_seconds = limits.connect
        self._first_byte = limits.first_byte
        self._idle = limits.idle
        self._answer_seconds = limits.first_byte
        if call.streams:
            self._answer_seconds = min(limits.acknowledge, limits.first_byte)
        self._first_read_by: float | None = None
        self._received = 0
        self._has_ended = False
        self._maximum = channel.maximum_answer_bytes
        self._alarm = Alarm(self._loop, self._late)
        self._lease: Lease | None = None
        self.phase = Phase.CONNECT
        """Where it stands, and where it failed if it did."""
        self.status = 0
        """The HTTP status; 0 before the headers."""
        self.headers: Mapping[str, str] = {}
        """Of the answer, whatever their case; none before it."""
        self.is_event_stream = False
        """Whether the answer is what a streaming call asks for; relays may send a whole one."""
        self.is_sound = False
        """Whether the answer is the sound that was asked for, and its end can be told from a cut.

        What says that it is a text or JSON is none, whatever the status.
        """

    async def open(self, line: Line) -> None:
        """Connect, send, and wait for the headers of the answer."""
        broken = await self._try(line)
        if broken is not None and broken.fault is Fault.LOST and self._call.method in _REPEATED:
            broken = await self._try(line)
        if broken is None:
            return
        try:
            raise broken
        finally:
            # Its traceback holds this frame: without the name, no garbage is left to collect.
            del broken

    async def chunk(self) -> bytes:
        """The next bytes of the answer; none at its end."""
        assert self._lease is not None
        content = self._lease.content
        assert content is not None
        if content.is_eof() and content.exception() is None:  # no wait that came too late
            data = content.read_nowait()
        else:
            by = self._first_read_by or self._loop.time() + self._idle
            data = await self._read(content, min(by, self._ends_at))
        if content.at_eof():
            self._has_ended = True
            self._lease.release()
        if self._first_read_by is not None:
            self._first_read_by = None
            self.phase = Phase.BODY
        self._received += len(data)
        if self._received > self._maximum:
            raise invalid()
        return data

    async def reply(self) -> Reply:
        """The whole answer."""
        body = b""
        try:
            if int(self.headers.get(_LENGTH, 0)) > self._maximum:
                raise invalid()
            chunks = [await self.chunk()]
            while not self._has_ended:
                chunks.append(await self.chunk())
            body = b"".join(chunks)
        except UpstreamError:
            if 200 <= self.status < 300:
                raise
        return Reply(self.status, self.headers, Body(body), time.time())

    async def finish(self) -> None:
        """Wait a moment for the end of an answer that can tell nothing more."""
        self._ends_at = min(self._ends_at, self._loop.time() + _END_SECONDS)
        with suppress(UpstreamError):
            while await self.chunk():
                pass

    def close(self) -> None:
        """Give the connection back if it is clean, else cut it; may be called at any time."""
        self._alarm.close()
        lease, self._lease = self._lease, None
        if lease is not None:
            lease.close()

    async def _try(self, line: Line) -> UpstreamError | None:
        """Connect and ask once; what went wrong, if there is no answer."""
        if self._lease is not None:
            self._lease.close()
            self._lease = None
        self.phase = Phase.CONNECT
        place = line.place(self._call)
        slices, media_type = _body(self._call)
        size = sum(map(len, slices))
        head = line.head(place, self._call, size, media_type)
        left = self._ends_at - self._loop.time()
        if left <= 0:
            return UpstreamError(Fault.TIMEOUT)
        limit, is_cut = line.connect, left < self._connect_seconds
        if is_cut:
            limit = aiohttp.ClientTimeout(connect=left, ceil_threshold=math.inf)
        try:
            lease = self._lease = await Lease.take(line.connector, place.to, limit)
        except BROKEN as error:
            expired = is_cut and isinstance(error, TimeoutError)
            return UpstreamError(Fault.TIMEOUT if expired else Fault.UNREACHABLE)
        self._clear()
        self._sending()
        if size <= _AT_ONCE_BYTES:
            lease.send(b"".join((head, *slices)))
        else:
            lease.send(head)
            lease.upload(slices, self._sending_more)
        try:
            message = await lease.answer()
        except BROKEN as error:
            return self._broken(error)
        finally:
            self._alarm.rest()
        self.status, self.headers = message.code, message.headers
        self._answered()
        return None

    async def _read(self, content: aiohttp.StreamReader, by: float) -> bytes:
        self._alarm.set(by)
        try:
            return await content.readany()
        except BROKEN as error:
            broken = self._broken(error)
        finally:
            self._alarm.rest()
        try:
            raise broken
        finally:
            del broken

    def _sending(self) -> None:
        """Note that bytes are about to leave: the wait for the answer counts from here."""
        self._sent_at = self._loop.time()
        if not self.status and not self._alarm.rang:
            self.phase = Phase.ACKNOWLEDGE if self._call.streams else Phase.FIRST_BYTE
            self._alarm.set(min(self._sent_at + self._answer_seconds, self._ends_at))

    def _sending_more(self) -> None:
        self._clear()
        self._sending()

    def _answered(self) -> None:
        """Note that the headers are there."""
        self.phase = Phase.FIRST_BYTE
        if not 200 <= self.status < 300:
            self._idle = min(self._idle, _ERROR_SECONDS)
            self._maximum = min(self._maximum, _ERROR_BYTES)
            return
        if self.status == 200:
            self.is_event_stream = self._call.streams and self._type.startswith(EVENT_STREAM)
            self.is_sound = bool(self._call.sound) and self._has_sound()
        if self.is_event_stream or self.is_sound:
            self._first_read_by = self._sent_at + self._first_byte
        else:
            self.phase = Phase.BODY

    @property
    def _type(self) -> str:
        """The media type of the answer, in lower case, with its parameters."""
        return self.headers.get(_TYPE, "").lower()

    def _has_sound(self) -> bool:
        has_end = _LENGTH in self.headers or (
            self.headers.get("transfer-encoding", "").lower() == "chunked"
        )
        return has_end and not self._type.startswith(("text/", "application/json"))

    def _late(self) -> None:
        """Wake whoever waits: nothing came in time."""
        if self._lease is not None:
            self._lease.fail(TimeoutError())

    def _broken(self, error: Exception) -> UpstreamError:
        """What it means that nothing more comes, once the request may have left."""
        # The connection keeps the error, and its traceback keeps who reads the connection.
        error.__traceback__ = None
        if self._alarm.rang:
            return UpstreamError(Fault.TIMEOUT)
        is_malformed = self._lease is not None and self._lease.is_malformed
        if is_malformed or isinstance(error, HttpProcessingError):
            return invalid()
        return UpstreamError(Fault.LOST)


def _body(call: Call) -> tuple[Sequence[bytes | memoryview], str]:
    """The body of a request, in order, and its type."""
    if call.body is None:
        return (), ""
    if isinstance(call.body, Body):
        return multipart.sliced(call.body.reveal()), call.media_type
    boundary = secrets.token_hex(16)
    return multipart.encode(call.body, boundary), multipart.media_type(boundary)
