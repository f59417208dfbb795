"""A connection of aiohttp, leased for one request and its answer: the session is left out.

A session does more for every request than providers need: cookies, redirects, authentication,
tracing, objects of its own for the request and the answer, a task for a body that leaves at once
anyhow. Under it are what we want: a connector (names, TLS, pools) and on each connection a protocol
(HTTP's parser, the flow of bytes). Their methods that are called here, and only here, have no
underscore, but no promise of aiohttp's either: `BaseConnector.connect`, and of `ResponseHandler`
`set_response_params`, `should_close`, `read`, `set_exception`, `closed`. So it was for 3.14;
tests/providers/test_driver_*.py prove each behaviour, before another version is taken.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Self

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError, RawResponseMessage, StreamWriter

BROKEN = (aiohttp.ClientError, aiohttp.EofStream, HttpProcessingError, OSError)
"""What a connection raises that broke, or on which the answer is no HTTP."""

_SWITCHING_PROTOCOLS = 101


class Lease:
    """One connection, with a request on its way and then an answer.

    `close()` must follow in any case.
    """

    __slots__ = ("_connection", "_lost", "_protocol", "_upload", "content")

    def __init__(self, connection: Connection, protocol: ResponseHandler) -> None:
        self._connection: Connection | None = connection
        self._protocol = protocol
        self._upload: asyncio.Task[None] | None = None
        self._lost: asyncio.Future[None] | None = None
        self.content: aiohttp.StreamReader | None = None
        """The body of the answer, once its head is there."""

    @classmethod
    async def take(
        cls,
        connector: aiohttp.BaseConnector,
        to: aiohttp.ClientRequest,
        timeout: aiohttp.ClientTimeout,
    ) -> Self:
        """A connection that fits *to*, one that is open already if there is any.

        Raises one of `BROKEN`, of which TimeoutError says that *timeout* is over. Nothing was
        sent then.
        """
        connection = await connector.connect(to, [], timeout)
        protocol = connection.protocol
        assert protocol is not None
        # A new parser each time: the rest of an old one could make an answer to this request of
        # what came before it.
        protocol.set_response_params(read_until_eof=True, auto_decompress=False)
        if protocol.should_close or not protocol.is_connected():
            # It is gone; or it held an answer before anything was asked on it. Whoever that is
            # for, it is not this caller's.
            connection.close()
            raise aiohttp.ClientConnectionError
        return cls(connection, protocol)

    def send(self, data: bytes) -> None:
        """Hand *data* to the transport, which takes it whole. To be called before any await."""
        transport = self._protocol.transport
        assert transport is not None, "it was there a moment ago"
        transport.write(data)

    def upload(self, slices: Iterable[bytes | memoryview], sending: Callable[[], None]) -> None:
        """Send a body as fast as the peer reads it, while the answer is waited for.

        *sending* is called before each slice; an error of it is what the answer raises.
        """
        self._upload = asyncio.create_task(self._write(slices, sending))

    async def answer(self) -> RawResponseMessage:
        """The head of the answer; raises one of `BROKEN`."""
        while True:
            message, content = await self._protocol.read()
            if not 100 <= message.code < 200 or message.code == _SWITCHING_PROTOCOLS:
                break
        self.content = content
        if not content.is_eof():
            self._listen()
        return message

    @property
    def is_malformed(self) -> bool:
        """Whether the answer broke off because it is no HTTP, and not by the network."""
        return isinstance(self._protocol.exception(), HttpProcessingError)

    def fail(self, error: Exception) -> None:
        """Wake whoever waits for the answer, or for more of it, with *error*."""
        content = self.content
        if content is None:
            self._protocol.set_exception(error)
        elif not content.is_eof() and content.exception() is None:
            content.set_exception(error)

    def release(self) -> None:
        """Give the connection back once the answer has ended, if the request has, too."""
        if self._upload is None or self._upload.done():
            self._forget()
            if self._connection is not None:
                self._connection.release()  # which closes what cannot be used again
                self._connection = None

    def close(self) -> None:
        """Give the connection back if it is clean, else cut it; may be called at any time."""
        if self._connection is not None and self.content is not None and self.content.is_eof():
            self.release()
        connection, self._connection = self._connection, None
        if connection is None:
            return
        self._forget()
        if self._upload is not None:
            self._upload.cancel()
            self._upload = None
        if connection.transport is not None:
            # A close would first flush what the peer may never read.
            connection.transport.abort()
        connection.close()

    async def _write(
        self, slices: Iterable[bytes | memoryview], sending: Callable[[], None]
    ) -> None:
        writer = StreamWriter(self._protocol, asyncio.get_running_loop())
        # Who waits for the answer is told by the protocol that there is no connection any more.
        try:
            with suppress(*BROKEN):
                for each in slices:
                    sending()
                    await writer.write(each)
        except Exception as error:  # noqa: BLE001 - whatever *sending* raises
            self.fail(error)

    def _listen(self) -> None:
        """Note the end of the connection while a body is read.

        aiohttp 3.14 tells nobody who reads one that its chunks went wrong, and that it closed the
        connection for it.
        """
        lost = self._lost = self._protocol.closed
        if lost is None:
            self._cut()
            return
        lost.remove_done_callback(_heard)
        lost.add_done_callback(_heard)
        lost.add_done_callback(self._cut)

    def _forget(self) -> None:
        if self._lost is not None:
            self._lost.remove_done_callback(self._cut)
            self._lost = None

    def _cut(self, _: object = None) -> None:
        self.fail(aiohttp.ClientPayloadError())


def _heard(lost: asyncio.Future[None]) -> None:
    """Take the exception of a lost connection, so that no event loop reports it."""
    if not lost.cancelled():
        lost.exception()
