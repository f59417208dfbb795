"""The state of one local call: what both ends share, and the only place where it changes.

    client (call)  ->  requests  ->  handler (context, server)
                         <-  responses <-

A call ends in one of two ways, and the first one wins:

- `finish`: the handler's last word. The client sees it after the responses queued before it.
- `kill`: cancel, deadline, server stop. The client sees it at once, what is queued is dropped,
  and the handler is interrupted as gRPC does it: a handler waiting for a request reads a normal
  end of stream first, and gets CancelledError at its next suspension.
"""

import asyncio
import contextvars
from collections.abc import Callable
from typing import NamedTuple

from google.protobuf.message import Message
from grpc import StatusCode, aio

from core.local import metadata as md
from core.local.pipe import Pipe


class Status(NamedTuple):
    """How a call ended."""

    code: StatusCode
    details: str
    trailing: md.Metadata


OK = Status(StatusCode.OK, "", ())


class Limits(NamedTuple):
    """The largest message, and how far a writer may be ahead of its reader."""

    message_bytes_max: int
    window_bytes: int


class Rpc:
    """One call. `loop` is the only loop it may be used in; `deadline` is in that loop's time."""

    __slots__ = (
        "_callbacks",
        "_initial_waiters",
        "_status_waiters",
        "_timer",
        "cancelled_by_client",
        "deadline",
        "ended",
        "initial",
        "limits",
        "loop",
        "metadata",
        "method",
        "owner",
        "pump",
        "request",
        "requests",
        "response",
        "response_type",
        "responses",
        "status",
        "task",
    )

    def __init__(
        self, method: str, metadata: md.Metadata, timeout: float | None, limits: Limits
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.method = method
        self.metadata = metadata
        self.limits = limits
        self.owner: object = None  # the channel it was made on
        # The client's shape: either a single request (serialised) or a stream of them ...
        self.request: bytes | None = None
        self.requests: Pipe | None = None
        # ... and a single response or a stream of them.
        self.response: object = None
        self.response_type: type[Message] | None = None  # what may be handed over as it is
        self.responses: Pipe | None = None
        self.initial: md.Metadata | None = None
        self.ended: Status | None = None  # the handler's last word
        self.status: Status | None = None  # what the client may see
        self.cancelled_by_client = False
        self.task: asyncio.Task[None] | None = None  # runs the handler
        self.pump: asyncio.Task[None] | None = None  # feeds `requests` from an iterator
        self._initial_waiters: list[asyncio.Future[None]] | None = None
        self._status_waiters: list[asyncio.Future[None]] | None = None
        self._callbacks: list[tuple[Callable[[], None], contextvars.Context]] | None = None
        self.deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        if timeout is not None:
            self.deadline = self.loop.time() + timeout
            if timeout > 0:
                self._timer = self.loop.call_later(timeout, self._expire)
            else:
                self._expire()

    def time_remaining(self) -> float | None:
        """Return the seconds until the deadline, never below 0; None without a deadline."""
        if self.deadline is None:
            return None
        return max(0.0, self.deadline - self.loop.time())

    # What the handler's side does.

    def send_initial(self, metadata: md.Metadata) -> None:
        """Let the client see the initial metadata. Only the first time counts."""
        if self.initial is None:
            self.initial = metadata
            if self._initial_waiters is not None:
                _wake(self._initial_waiters)

    def deliver(self, item: object, size: int) -> None:
        """Send one response of *size* bytes; the handler then waits while too far `ahead`."""
        if size > self.limits.message_bytes_max:
            self.fail(too_large("CLIENT", size, self.limits.message_bytes_max))
            return
        if self.initial is None:
            self.send_initial(())
        if self.responses is not None:
            self.responses.put(item, size)
        elif self.response is None:
            self.response = item
        else:
            self.fail(Status(StatusCode.UNIMPLEMENTED, "More than one response.", ()))

    def finish(self, status: Status) -> None:
        """End the call with the handler's *status*, unless it has ended already."""
        if self.ended is not None or self.status is not None:
            return
        if status is not OK:
            status = _as_carried(status)
        if status.code is StatusCode.OK and self.responses is None and self.response is None:
            status = Status(StatusCode.UNIMPLEMENTED, "No response.", ())
        self.ended = status
        self._stop_helpers()
        self.send_initial(())
        if self.requests is not None:
            self.requests.discard()
        if self.responses is None or not self.responses.items:
            self._publish(status)

    def fail(self, status: Status) -> None:
        """End the call for a broken limit: the client reads what came before, then *status*."""
        if self.ended is None and self.status is None:
            self.finish(status)
            self._interrupt()

    def request_stream(self) -> Pipe:
        """Return the requests as a stream, also of a client that sends a single one."""
        if self.requests is None:
            self.requests = Pipe()
            self.requests.put(self.request, 0)
            self.requests.close()
        return self.requests

    # What the client's side does.

    def accept(self, data: bytes) -> Pipe:
        """Queue one serialised request; returns the stream to wait for while too far `ahead`."""
        pipe = self.request_stream()
        if len(data) > self.limits.message_bytes_max:
            self.fail(too_large("SERVER", len(data), self.limits.message_bytes_max))
        else:
            pipe.put(data, len(data))
        return pipe

    def response_stream(self) -> Pipe:
        """Return the responses of a call whose client reads a stream of them."""
        assert self.responses is not None
        return self.responses

    def take(self) -> object:
        """Take the oldest queued response. The last one makes the handler's status visible."""
        assert self.responses is not None
        item = self.responses.pop()
        if self.ended is not None and not self.responses.items:
            self._publish(self.ended)
        return item

    def cancel(self, details: str) -> bool:
        """End the call for the client. False if it had already ended."""
        if self.status is not None:
            return False
        self.cancelled_by_client = True
        return self.kill(StatusCode.CANCELLED, details)

    def kill(self, code: StatusCode, details: str) -> bool:
        """End the call now, whatever is queued, and interrupt the handler. False if over."""
        if self.status is not None:
            return False
        self._stop_helpers()
        if self.responses is not None:
            self.responses.discard()
        self.send_initial(())
        self._publish(Status(code, details, ()))
        if self.ended is None:
            self._interrupt()
        return True

    def until_initial(self) -> asyncio.Future[None]:
        """Return a future for the moment `initial` is set. It must not be set yet."""
        waiter = self.loop.create_future()
        if self._initial_waiters is None:
            self._initial_waiters = []
        self._initial_waiters.append(waiter)
        return waiter

    def until_status(self) -> asyncio.Future[None]:
        """Return a future for the moment `status` is set. It must not be set yet."""
        waiter = self.loop.create_future()
        if self._status_waiters is None:
            self._status_waiters = []
        self._status_waiters.append(waiter)
        return waiter

    def when_over(self, callback: Callable[[], None]) -> None:
        """Run *callback* once `status` is set, in the context of this registration."""
        if self._callbacks is None:
            self._callbacks = []
        self._callbacks.append((callback, contextvars.copy_context()))

    # Inside.

    def _expire(self) -> None:
        self.kill(StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")

    def _interrupt(self) -> None:
        if self.requests is not None:
            self.requests.discard()
        if self.task is not None:
            # Scheduled after the wake-up that `discard` scheduled: end of stream first.
            self.loop.call_soon(self.task.cancel)

    def _stop_helpers(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.pump is not None:
            self.pump.cancel()
            self.pump = None

    def _publish(self, status: Status) -> None:
        self.status = status
        if self.responses is not None:
            self.responses.wake_reader()
        if self._status_waiters is not None:
            _wake(self._status_waiters)
        if self._callbacks is not None:
            for callback, context in self._callbacks:
                self.loop.call_soon(callback, context=context)
            self._callbacks = None


def _wake(waiters: list[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)
    waiters.clear()


def too_large(receiver: str, size: int, limit: int) -> Status:
    """Return how a call ends for a message that *receiver* (CLIENT, SERVER) refuses."""
    details = f"{receiver}: Received message larger than max ({size} vs. {limit})"
    return Status(StatusCode.RESOURCE_EXHAUSTED, details, ())


def _as_carried(status: Status) -> Status:
    """Return *status*, or what a real channel makes of one whose trailers are too large."""
    size = md.details_size(status.details) + md.size(status.trailing)
    if size <= md.METADATA_BYTES_MAX:
        return status
    limit = md.METADATA_BYTES_MAX
    details = f"received metadata size exceeds hard limit ({size} vs. {limit})"
    return Status(StatusCode.RESOURCE_EXHAUSTED, details, ())


class CallerGone(aio.InternalError):
    """The handler wrote to a call that is over. Its CancelledError is on its way."""
