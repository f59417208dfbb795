"""A bounded queue of messages between one writer and one reader of the same event loop.

It is the stream of one direction of a local call: no task, no lock, no timer; a future exists
only while somebody really waits.
"""

import asyncio
from collections import deque

from grpc import aio

# What a message costs the window besides its own bytes, so that tiny messages are bounded too.
MESSAGE_OVERHEAD_BYTES = 1024


class Pipe:
    """Messages in order. The writer must pause (`drained`) once it is `window` bytes ahead.

    `ahead` counts what was put since the queue was last empty, and the writer resumes when it is
    empty again: one wake-up per window instead of one per message. The queue never holds more
    than the window and one message.
    """

    __slots__ = ("_reader", "_writer", "ahead", "closed", "items")

    def __init__(self) -> None:
        self.items: deque[object] = deque()
        self.ahead = 0
        self.closed = False
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None

    def put(self, item: object, size: int) -> None:
        """Append *item* of *size* bytes and wake the reader. Never waits: see `ahead`."""
        self.items.append(item)
        self.ahead += size + MESSAGE_OVERHEAD_BYTES
        if self._reader is not None:
            self.wake_reader()

    def pop(self) -> object:
        """Take the oldest item. There must be one."""
        items = self.items
        item = items.popleft()
        if not items:
            self.ahead = 0
            if self._writer is not None:
                self._wake_writer()
        return item

    def arrival(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
        """Return a future for the next item, close or discard. Only one reader may wait."""
        if self._reader is not None and not self._reader.done():
            raise aio.UsageError("Another task is already reading this stream.")
        self._reader = loop.create_future()
        return self._reader

    def drained(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
        """Return a future for the moment the queue is empty. Only one writer may wait."""
        if self._writer is not None and not self._writer.done():
            raise aio.UsageError("Another task is already writing to this stream.")
        self._writer = loop.create_future()
        return self._writer

    def close(self) -> None:
        """End the stream after what is queued."""
        self.closed = True
        self.wake_reader()

    def discard(self) -> None:
        """End the stream at once: forget what is queued, wake both sides."""
        self.closed = True
        self.items.clear()
        self.ahead = 0
        self.wake_reader()
        self._wake_writer()

    def wake_reader(self) -> None:
        reader = self._reader
        if reader is not None:
            self._reader = None
            if not reader.done():
                reader.set_result(None)

    def _wake_writer(self) -> None:
        writer = self._writer
        if writer is not None:
            self._writer = None
            if not writer.done():
                writer.set_result(None)
