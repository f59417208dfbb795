"""What watchers of a generation are told, in order, with rising sequence numbers."""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any
from uuid import UUID

from core.body import Body
from core.engine.records import AttemptRecord
from core.errors import GatewayError, Reason, describe
from core.model import Asset, Generation, Preview, Sound, Usage
from core.values import dataclass


@dataclass(frozen=True, slots=True)
class RateLimit:
    """Where a key stands within its requests a minute."""

    limit: int
    remaining: int
    reset_seconds: float


@dataclass(frozen=True, slots=True)
class Accepted:
    """Credits are held."""

    generation: Generation
    replayed: bool = False
    rate_limit: RateLimit | None = None


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    """A channel is being tried."""

    number: int
    channel: str
    previous_fault: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the provider's job is, 0 to 100."""

    percent: int


@dataclass(frozen=True, slots=True)
class OutputReady:
    """An output is stored and paid for. `data` is None when it must be read from the store."""

    asset: Asset
    data: Body[bytes] | None = None


@dataclass(frozen=True, slots=True)
class Charged:
    """The charge, and what the provider counted."""

    charged_micros: int
    usage: Usage | None


@dataclass(frozen=True, slots=True)
class Completed:
    """Terminal: at least one output was delivered."""

    generation: Generation


@dataclass(frozen=True, slots=True)
class Failed:
    """Terminal: nothing was delivered, nothing was charged."""

    error: GatewayError
    generation: Generation


Event = (
    Accepted
    | AttemptStarted
    | Progress
    | Preview
    | Sound
    | OutputReady
    | Charged
    | Completed
    | Failed
)


# Numbers of events within an epoch, 32 bits. What rows tell again has the same number live and
# rebuilt, whoever rebuilds it, so that whoever resumes elsewhere misses nothing and hears nothing
# twice. Previews, sounds and progress, which no row tells, are counted up in between.
_ACCEPTED = 1
_ATTEMPT_BITS = 20
"""Attempt *n* is number `n << 20`: a million events fit between two attempts."""
_OUTPUTS = 1 << 31
_CHARGED = _OUTPUTS + (1 << 29)
_END = _OUTPUTS + (1 << 30)
_FIXED: Mapping[type, int] = {
    Accepted: _ACCEPTED,
    Charged: _CHARGED,
    Completed: _END,
    Preview: 0,
    Sound: 0,
    Progress: 0,
}
"""Of events that have the same number in every generation."""


class Live:
    """A generation that runs in this process: its events so far, and its watchers."""

    __slots__ = (
        "_base",
        "_is_nudged",
        "_numbers",
        "_pause",
        "_timers",
        "_waiting",
        "account_id",
        "attempts",
        "cancel_asked",
        "delete_asked",
        "ended",
        "events",
        "finishing",
        "id",
        "on_cancel",
        "percent",
        "task",
    )

    def __init__(self, id_: UUID, account_id: UUID, epoch: int) -> None:
        self.id = id_
        self.account_id = account_id
        self._base = epoch << 32
        self.events: list[Event] = []
        self._numbers: list[int] = []
        """Of the events, rising (semantics.md 11)."""
        self.attempts: dict[int, Callable[[], AttemptRecord]] = {}
        """How each attempt of this process stands now, by its number; rows know it later."""
        self.ended = False
        self.cancel_asked = False
        self.delete_asked = False
        self.finishing = False
        """Its outcome is known and is being recorded."""
        self.percent: int | None = None
        """How far its job was when the provider told last."""
        self.on_cancel: set[Callable[[], None]] = set()
        """End what it does now, where a wish to cancel may."""
        self.task: asyncio.Task[Any] | None = None
        """That lives through it, as soon as it does."""
        self._waiting: dict[asyncio.Future[None], None] = {}
        """In the order in which they came: who leaves is forgotten at once."""
        self._timers: list[asyncio.TimerHandle] = []
        self._pause: asyncio.Future[None] | None = None
        self._is_nudged = False

    async def pause(self, seconds: float) -> None:
        """Wait so long, or until `nudge`; one that came before counts."""
        if self._is_nudged:
            self._is_nudged = False
            return
        loop = asyncio.get_running_loop()
        pause = self._pause = loop.create_future()
        timer = loop.call_later(seconds, _end, pause)
        try:
            await pause
        finally:
            timer.cancel()
            self._pause = None

    def ask_to_cancel(self) -> None:
        """The caller wishes it to end: said once is enough."""
        if self.cancel_asked:
            return
        self.cancel_asked = True
        for leave in tuple(self.on_cancel):
            leave()
        self.nudge()

    def nudge(self) -> None:
        """Something may have happened: whoever pauses shall look at once."""
        if self._pause is None:
            self._is_nudged = True
        else:
            _end(self._pause)

    def publish(self, *events: Event) -> None:
        """Append *events* and wake the watchers. Nothing follows the terminal one."""
        number = self._numbers[-1] if self._numbers else self._base
        for event in events:
            if self.ended:
                break
            number = max(self._base + _place(event), number + _room(event))
            self._numbers.append(number)
            self.events.append(event)
            self.ended = isinstance(event, (Completed, Failed))
        if self._waiting:
            waiting, self._waiting = self._waiting, {}
            for future in waiting:
                if not future.done():
                    future.set_result(None)
        if self.ended:
            for timer in self._timers:
                timer.cancel()

    def leave_in(self, seconds: float, leave: Callable[[], None]) -> None:
        """Call *leave* then, unless it has ended."""
        if not self.ended:
            loop = asyncio.get_running_loop()
            self._timers.append(loop.call_later(max(0.0, seconds), leave))

    async def watch(self, after: int = 0) -> AsyncGenerator[tuple[int, Event], None]:
        """Yield (sequence number, event) after number *after*, until the terminal one."""
        index = bisect_right(self._numbers, after)
        while True:
            while index < len(self.events):
                number, event = self._numbers[index], self.events[index]
                index += 1
                if number > after:  # rows may have told it before it happened here
                    yield number, event
            if self.ended:
                return
            future = asyncio.get_running_loop().create_future()
            self._waiting[future] = None
            try:
                await future
            finally:
                self._waiting.pop(future, None)


def _end(pause: asyncio.Future[None]) -> None:
    if not pause.done():
        pause.set_result(None)


def _place(event: Event) -> int:
    """The number that an event has wherever it is told; 0 if it is told live only."""
    fixed = _FIXED.get(type(event))
    if fixed is not None:
        return fixed
    match event:
        case AttemptStarted(number):
            return number << _ATTEMPT_BITS
        case OutputReady(asset):
            return _OUTPUTS + 2 * asset.output_index + 1
        case Failed(error) if error.reason is not Reason.STILL_RUNNING:
            return _END
        case _:
            return 0  # of Failed as well where the generation goes on: its end is still to come


def _room(event: Event) -> int:
    """By how much its number is above the last: pieces before its last have the one below."""
    return 2 if isinstance(event, Preview | Sound) else 1


def replay(generation: Generation) -> list[tuple[int, Event]]:
    """The events that can be rebuilt from rows, numbered: no previews, no bytes."""
    events: list[Event] = [Accepted(generation, replayed=True)]
    if generation.channel:
        events.append(AttemptStarted(generation.attempt_count, generation.channel, ""))
    if generation.state.is_terminal:
        events.extend(_ending(generation))
    return [((generation.epoch << 32) + _place(event), event) for event in events]


def gone(generation: Generation, error: GatewayError) -> tuple[int, Event]:
    """The terminal event of a generation whose row is no longer shown."""
    return (generation.epoch << 32) + _END, Failed(error, generation)


def _ending(generation: Generation) -> list[Event]:
    """The events that end *generation*, rebuilt from its row."""
    if generation.failure is not None:
        failure = generation.failure
        error = GatewayError(failure.reason, describe(failure.reason), metadata=failure.metadata)
        return [Failed(error, generation)]
    outputs: list[Event] = [OutputReady(asset) for asset in generation.assets]
    usage = generation.report.usage
    return [*outputs, Charged(generation.charged_micros or 0, usage), Completed(generation)]
