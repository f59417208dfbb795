"""How much this process takes on at once: calls, bytes and turns, refused early and cheaply.

Three things can be too much: the requests that are here, the bytes they hold, and the work on
them, which `core.policy.admission` rations between keys. No key may have more than half of
the first two.
"""

import asyncio
from collections.abc import Callable, Hashable, Sequence
from time import monotonic
from types import TracebackType
from typing import Self

from core.errors import GatewayError, Reason
from core.log import Emit, Event, RequestShed
from core.policy.admission import Gate, Ticket

RETRY_SECONDS = 1.0
TICK_SECONDS = 0.05
"""How often it is looked for requests that only wait, while there is work."""
KEY_SHARE = 0.5
"""Of the calls and bytes of the process may be one key's: the rest is for everybody else."""
KEPT_LIMITS = 10_000
"""Keys over their rate that are remembered; whoever is forgotten is asked about again."""


class _Share:
    """What one key has of the process. Its slots know it: keys are looked up once a request."""

    __slots__ = ("bytes", "calls")

    def __init__(self) -> None:
        self.calls = 0
        self.bytes = 0


class Slot:
    """One admitted request's share of the process; give it back with `release`."""

    __slots__ = ("_admission", "_bytes", "_open", "_share", "key", "ticket")

    def __init__(self, admission: "Admission", key: Hashable, share: _Share) -> None:
        self._admission = admission
        self._share = share
        self._bytes = 0
        self._open = True
        self.key = key
        self.ticket: Ticket | None = None
        """Its turn, from `Admission.turn` on."""

    @property
    def size(self) -> int:
        """How many bytes it holds."""
        return self._bytes

    def grow(self, size: int) -> None:
        """Make the share at least *size* bytes; raises OVERLOADED when that is too much."""
        more = size - self._bytes
        if more > 0:
            self._admission.take(self.key, self._share, more)
            self._bytes = size

    def count(self, size: int) -> None:
        """Add *size* bytes that came from a provider: they are here, whatever the budget."""
        if self._open:
            self._bytes += size
            self._admission.add(self._share, size)

    def received(self) -> None:
        """The whole request is here."""
        if self.ticket is not None:
            self._admission.resume(self.ticket)

    def dispatched(self) -> None:
        """From here on it waits for a provider: another one may have its turn."""
        if self.ticket is not None:
            self._admission.wait(self.ticket)

    def returned(self) -> None:
        """The provider has done its part, one way or the other: what is left is ours."""
        if self.ticket is not None:
            self._admission.resume(self.ticket)

    def release(self) -> None:
        """Give everything back; repeating it changes nothing."""
        if self._open:
            self._open = False
            if self.ticket is not None:
                self._admission.end_turn(self.ticket)
            self._admission.give(self.key, self._share, self._bytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.release()


class Admission:
    """The process's budget. *now* is the monotonic clock."""

    def __init__(
        self,
        maximum_calls: int,
        maximum_bytes: int,
        emit: Emit | None = None,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._maximum_calls = maximum_calls
        self._maximum_bytes = maximum_bytes
        self._emit = emit or _ignore
        self._now = now
        self.gate = Gate()
        self.calls = 0
        self.bytes = 0
        self._shares: dict[Hashable, _Share] = {}
        """Of the keys that have a call here."""
        self._limited: dict[Hashable, tuple[float, GatewayError]] = {}
        """Keys over their rate: until when, and what they were told."""
        self._turns: dict[Ticket, asyncio.Future[None]] = {}
        self._closed = False
        self._timer: asyncio.TimerHandle | None = None

    def enter(self, key: Hashable = None) -> Slot:
        """Admit one request of *key*; raises OVERLOADED when the process is full or stopping."""
        if self._closed:
            raise self._refusal("shutdown", "This process is shutting down; try again.")
        share = self._shares.get(key) or _Share()
        calls = share.calls + 1
        if self.calls >= self._maximum_calls or _is_greedy(key, calls, self._maximum_calls):
            raise self._refusal("requests")
        self.calls += 1
        share.calls = calls
        if calls == 1:
            self._shares[key] = share
        return Slot(self, key, share)

    async def turn(self, slot: Slot) -> None:
        """Wait until the work for *slot* may begin; raises OVERLOADED, RATE_LIMIT_EXCEEDED."""
        now = self._now()
        error = self._limit(slot.key, now)
        if error is not None:
            raise error
        ticket = slot.ticket = self.gate.arrive(slot.key, now)
        if ticket is None:
            raise self._refusal("turns")
        if self._timer is None:
            self._watch()
        if ticket.is_queued:
            turn = self._turns[ticket] = asyncio.get_running_loop().create_future()
            try:
                await turn
            finally:
                self._turns.pop(ticket, None)

    def glance(self, key: Hashable) -> GatewayError | None:
        """The error for a new request of *key*, if there is one already; microseconds."""
        now = self._now()
        error = self._limit(key, now)
        if error is None and self.gate.refuses(key, now):
            error = self._refusal("turns")
        return error

    def over_rate(self, key: Hashable, error: GatewayError) -> None:
        """A hold was refused because *key* is over its rate: known without asking, for so long.

        Exact: nothing gives a rate back before its time (accounts.limits), in no process.
        """
        if error.retry_after:
            if len(self._limited) >= KEPT_LIMITS:
                del self._limited[next(iter(self._limited))]
            self._limited[key] = self._now() + error.retry_after, error

    def wait(self, ticket: Ticket) -> None:
        """Its request waits for a provider."""
        self._wake(self.gate.wait(ticket, self._now()))

    def resume(self, ticket: Ticket) -> None:
        """Its request is worked on again."""
        self.gate.resume(ticket, self._now())
        if self._timer is None:
            self._watch()

    def end_turn(self, ticket: Ticket) -> None:
        """The work for *ticket* is done, or nobody waits for it any more."""
        self._wake(self.gate.leave(ticket, self._now()))

    def close(self) -> None:
        """Refuse everything from now on."""
        self._closed = True

    def take(self, key: Hashable, share: _Share, size: int) -> None:
        """Add *size* bytes of *key* to what is in flight."""
        has, most = share.bytes + size, self._maximum_bytes
        if self.bytes + size > most or _is_greedy(key, has, most):
            raise self._refusal("bytes_in_flight")
        self.add(share, size)

    def add(self, share: _Share, size: int) -> None:
        """Add them whatever the budget."""
        self.bytes += size
        share.bytes += size

    def give(self, key: Hashable, share: _Share, size: int) -> None:
        """End one request that held *size* bytes."""
        self.calls -= 1
        self.bytes -= size
        share.calls -= 1
        share.bytes -= size
        if not share.calls:
            del self._shares[key]

    def _limit(self, key: Hashable, now: float) -> GatewayError | None:
        """What a key over its rate is told."""
        limited = self._limited.get(key) if self._limited else None
        if limited is None:
            return None
        until, error = limited
        if now >= until:
            del self._limited[key]
            return None
        self._emit(RequestShed("rate"))
        return _later(error, until - now)

    def _watch(self) -> None:
        """Look after them while there is work; nothing runs when there is none."""
        self._timer = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._wake(self.gate.tick(self._now()))
        if not self.gate.is_idle:
            self._watch()

    def _wake(self, admitted: Sequence[Ticket]) -> None:
        for ticket in admitted:
            turn = self._turns.get(ticket)
            if turn is not None and not turn.done():
                turn.set_result(None)

    def _refusal(self, resource: str, message: str = "") -> GatewayError:
        self._emit(RequestShed(resource))
        return GatewayError(
            Reason.OVERLOADED,
            message or "The gateway is at capacity; try again in a moment.",
            retry_after=RETRY_SECONDS,
            metadata={"resource": resource},
        )


def _is_greedy(key: Hashable, has: int, maximum: int) -> bool:
    """Whether *key* would have more than its share; nobody in particular has none."""
    return key is not None and has > KEY_SHARE * maximum


def _later(error: GatewayError, seconds: float) -> GatewayError:
    """The same refusal, so much later: only the wait is another one."""
    return GatewayError(
        error.reason,
        error.message,
        retry_after=seconds,
        metadata={**error.metadata, "reset_ms": str(int(seconds * 1000) + 1)},
    )


def _ignore(event: Event) -> None:
    """Tell nobody."""
