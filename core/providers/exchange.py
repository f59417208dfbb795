"""One HTTP request and its answer, under the deadlines of its channel."""

import asyncio
import math
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpProcessingError
from yarl import URL

from core.body import Body
from core.errors import Fault, Phase, UpstreamError
from core.model import Channel
from core.providers import multipart
from core.providers.wire import EVENT_STREAM, Call, Reply, invalid

# What an error's body may cost; without one, its status is still a verdict.
_ERROR_BYTES = 1024 * 1024
_ERROR_SECONDS = 2.0
# How long to wait for the end of a stream that can tell nothing more, so that its
# connection can serve again.
_END_SECONDS = 0.05
_KEPT_URLS = 16


class Line:
    """What the calls of one channel have in common: connections, and what is made only once.

    With *at*, all that it leads to: an address that is none of the channel's.
    """

    __slots__ = ("_at", "_base", "_side", "_urls", "session", "timeout")

    def __init__(
        self, channel: Channel, session: aiohttp.ClientSession, at: URL | None = None
    ) -> None:
        self.session = session
        self._at = at
        self.timeout = aiohttp.ClientTimeout(
            connect=channel.deadlines.connect, ceil_threshold=math.inf
        )
        self._base = channel.base_url.rstrip("/")
        self._side = channel.side_url.rstrip("/")
        self._urls: dict[str, URL] = {}

    def url(self, call: Call) -> URL:
        """Where *call* goes. Paths of jobs differ each time: only so many are remembered."""
        if self._at is not None:
            return self._at
        path = call.path
        if call.aside:
            return URL((self._side or self._base) + path, encoded=True)
        url = self._urls.get(path)
        if url is None:
            url = URL(self._base + path, encoded=True)
            if len(self._urls) < _KEPT_URLS:
                self._urls[path] = url
        return url

    def headers(self, call: Call) -> Mapping[str, str]:
        """What of its headers goes along: nothing to an address that a provider gave."""
        return call.headers if self._at is None else {}


class Exchange:
    """A request on its way: its deadlines, its bytes, and the connection under it.

    `close()` must follow in any case: unless the whole answer was read, it cuts the
    connection at once, whatever is still in its buffers. Every failure is an UpstreamError
    without an aiohttp exception behind it; the driver adds phase and status.
    """

    def __init__(self, call: Call, channel: Channel, budget: float | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._call = call
        self._channel = channel
        limits = channel.deadlines
        self._idle = limits.idle
        total = limits.total if budget is None else min(limits.total, budget)
        self._ends_at = self._loop.time() + total
        self._answer_seconds = limits.first_byte
        if call.streams:
            self._answer_seconds = min(limits.acknowledge, limits.first_byte)
        self._sent_at = self._loop.time()
        self._first_read_by: float | None = None
        self._received = 0
        self._maximum = channel.maximum_answer_bytes
        self._limit: asyncio.Timeout | None = None
        self._upload: _Upload | None = None
        self._response: aiohttp.ClientResponse | None = None
        self._connection_lost: asyncio.Future[None] | None = None
        self.phase = Phase.CONNECT
        """Where it stands, and where it failed if it did."""

    @property
    def status(self) -> int:
        """The HTTP status; 0 before the headers."""
        return self._response.status if self._response else 0

    @property
    def headers(self) -> Mapping[str, str]:
        """Of the answer; none before it."""
        return self._response.headers if self._response else {}

    async def open(self, line: Line) -> None:
        """Connect, send, and wait for the headers of the answer."""
        limits, call = self._channel.deadlines, self._call
        self._upload = _upload(call, self._sending)
        # `connect` is kept by aiohttp, which knows when it has a connection. This one covers
        # all, and moves when bytes leave.
        by = self._loop.time() + limits.connect + self._answer_seconds
        limit = asyncio.timeout_at(min(by, self._ends_at))
        try:
            async with limit:
                self._limit = limit
                self._response = await line.session.request(
                    call.method,
                    line.url(call),
                    data=self._upload,
                    headers=line.headers(call),
                    allow_redirects=False,
                    timeout=line.timeout,
                )
        except (aiohttp.ClientError, OSError) as error:
            broken = self._broken(error, expired=limit.expired())
        else:
            if self._upload is None or self._upload.begun:
                self._answered(self._response)
                return
            # The connection held an answer before anything was asked on it. Whoever it is for,
            # it is not this caller's.
            self._response.close()
            self._response = None
            broken = UpstreamError(Fault.UNREACHABLE)
        finally:
            self._limit = None
        try:
            raise broken
        finally:
            # Its traceback holds this frame: without the name, no garbage is left to collect.
            del broken

    @property
    def is_event_stream(self) -> bool:
        """Whether the answer is what a streaming call asks for; relays may send a whole one."""
        response = self._response
        return (
            self._call.streams
            and response is not None
            and response.status == 200
            and response.headers.get("content-type", "").lower().startswith(EVENT_STREAM)
        )

    @property
    def is_sound(self) -> bool:
        """Whether the answer is the sound that was asked for, and its end can be told from a cut.

        What says that it is a text or JSON is none, whatever the status.
        """
        response = self._response
        if not self._call.sound or response is None or response.status != 200:
            return False
        media_type = response.headers.get("content-type", "").lower()
        has_end = response.content_length is not None or (
            response.headers.get("transfer-encoding", "").lower() == "chunked"
        )
        return has_end and not media_type.startswith(("text/", "application/json"))

    async def chunk(self) -> bytes:
        """The next bytes of the answer; none at its end."""
        assert self._response is not None
        content = self._response.content
        if content.is_eof():
            data = content.read_nowait()
        else:
            by = self._first_read_by or self._loop.time() + self._idle
            data = await self._read(content, min(by, self._ends_at))
        if self._first_read_by is not None:
            self._first_read_by = None
            self.phase = Phase.BODY
        self._received += len(data)
        if self._received > self._maximum:
            raise invalid()
        return data

    async def reply(self) -> Reply:
        """The whole answer."""
        response = self._response
        assert response is not None
        body = b""
        try:
            if (response.content_length or 0) > self._maximum:
                raise invalid()
            chunks = []
            while data := await self.chunk():
                chunks.append(data)
            body = b"".join(chunks)
        except UpstreamError:
            if 200 <= response.status < 300:
                raise
        return Reply(response.status, response.headers, Body(body), time.time())

    async def finish(self) -> None:
        """Wait a moment for the end of an answer that can tell nothing more."""
        self._ends_at = min(self._ends_at, self._loop.time() + _END_SECONDS)
        with suppress(UpstreamError):
            while await self.chunk():
                pass

    def close(self) -> None:
        """Give the connection back if it is clean, else cut it; may be called at any time."""
        upload, response = self._upload, self._response
        # The upload's callback leads back here: a cycle, if it were left.
        self._upload = self._response = None
        if self._connection_lost is not None:
            self._connection_lost.remove_done_callback(self._cut)
        if response is not None and response.closed and (upload is None or upload.done):
            return
        if upload is not None and upload.transport is not None:
            # A close would first flush what the peer may never read.
            upload.transport.abort()
        if response is not None:
            response.close()

    async def _read(self, content: aiohttp.StreamReader, by: float) -> bytes:
        limit = asyncio.timeout_at(by)
        try:
            async with limit:
                return await content.readany()
        except (aiohttp.ClientError, OSError) as error:
            broken = self._broken(error, expired=limit.expired())
        try:
            raise broken
        finally:
            del broken

    def _sending(self) -> None:
        """Note that bytes are about to leave: the wait for the answer counts from here."""
        self._sent_at = self._loop.time()
        if self._limit is not None and not self._limit.expired():
            self.phase = Phase.ACKNOWLEDGE if self._call.streams else Phase.FIRST_BYTE
            self._limit.reschedule(min(self._sent_at + self._answer_seconds, self._ends_at))

    def _answered(self, response: aiohttp.ClientResponse) -> None:
        """Note that the headers are there."""
        self.phase = Phase.FIRST_BYTE
        if not 200 <= response.status < 300:
            self._idle = min(self._idle, _ERROR_SECONDS)
            self._maximum = min(self._maximum, _ERROR_BYTES)
        elif self.is_event_stream or self.is_sound:
            self._first_read_by = self._sent_at + self._channel.deadlines.first_byte
        else:
            self.phase = Phase.BODY
        connection = response.connection
        if connection is None or connection.protocol is None:
            return
        # aiohttp 3.14 tells nobody who reads a body that its chunks went wrong, and that it
        # closed the connection for it; so that is listened for here.
        lost = self._connection_lost = connection.protocol.closed
        if lost is None:
            self._cut()
            return
        lost.remove_done_callback(_heard)
        lost.add_done_callback(_heard)
        lost.add_done_callback(self._cut)

    def _cut(self, _: object = None) -> None:
        """Wake whoever reads a body of which nothing more will come."""
        content = self._response.content if self._response else None
        if content is not None and not content.is_eof() and content.exception() is None:
            content.set_exception(aiohttp.ClientPayloadError())

    def _broken(self, error: Exception, *, expired: bool) -> UpstreamError:
        """What an exception of aiohttp, or a deadline, means."""
        if not self._may_have_left(error):
            self.phase = Phase.CONNECT
            return UpstreamError(Fault.TIMEOUT if expired else Fault.UNREACHABLE)
        if expired:
            return UpstreamError(Fault.TIMEOUT)
        if isinstance(error, aiohttp.ClientResponseError) or self._is_malformed():
            return invalid()
        return UpstreamError(Fault.LOST)

    def _may_have_left(self, error: Exception) -> bool:
        """Whether a byte of the request may have reached the provider."""
        if self._response is not None:
            return True
        if isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)):
            return False
        return self._upload is None or self._upload.begun

    def _is_malformed(self) -> bool:
        """Whether the answer broke off because it is no HTTP, and not by the network."""
        connection = self._response.connection if self._response else None
        protocol = connection.protocol if connection else None
        return protocol is not None and isinstance(protocol.exception(), HttpProcessingError)


def _heard(lost: asyncio.Future[None]) -> None:
    """Take the exception of a lost connection, so that no event loop reports it."""
    if not lost.cancelled():
        lost.exception()


class _Upload(aiohttp.Payload):
    """A request's body on its way out; knows whether a byte of the request has left."""

    def __init__(
        self, slices: Sequence[bytes | memoryview], media_type: str, sending: Callable[[], None]
    ) -> None:
        super().__init__(None, content_type=media_type)
        self._slices = slices
        self._size = sum(len(each) for each in slices)
        self._sending = sending
        self._writer: AbstractStreamWriter | None = None
        self.transport: asyncio.WriteTransport | None = None
        self.done = False

    @property
    def begun(self) -> bool:
        """Whether bytes were handed to the transport; the headers leave with the first slice."""
        return self._writer is not None and self._writer.output_size > 0

    async def write(self, writer: AbstractStreamWriter) -> None:
        # From Python 3.12 on, aiohttp starts this before it reads what the connection holds:
        # an answer to nothing that was asked must not pass for the answer to this.
        protocol = writer.transport.get_protocol() if writer.transport else None
        if isinstance(protocol, ResponseHandler) and protocol.should_close:
            raise aiohttp.ClientConnectionError
        self._writer, self.transport = writer, writer.transport
        for each in self._slices:
            self._sending()
            await writer.write(each)
        self.done = True

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        del encoding, errors
        raise TypeError("the body of a request is not for reading")


def _upload(call: Call, sending: Callable[[], None]) -> _Upload | None:
    if call.body is None:
        return None
    if isinstance(call.body, Body):
        return _Upload(list(multipart.sliced(call.body.reveal())), call.media_type, sending)
    boundary = secrets.token_hex(16)
    return _Upload(multipart.encode(call.body, boundary), multipart.media_type(boundary), sending)
