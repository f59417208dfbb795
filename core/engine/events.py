"""What watchers of a generation are told, in order, with rising sequence numbers."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from uuid import UUID

from core.body import Body
from core.errors import GatewayError, describe
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


REPLAYED = 1 << 24
"""Where the numbers of events that are rebuilt from rows begin."""


class Live:
    """A generation that runs in this process: its events so far, and its watchers."""

    __slots__ = (
        "_is_nudged",
        "_pause",
        "_waiting",
        "account_id",
        "cancel_asked",
        "delete_asked",
        "ended",
        "events",
        "finishing",
        "first",
        "id",
        "on_cancel",
        "percent",
    )

    def __init__(self, id_: UUID, account_id: UUID, epoch: int) -> None:
        self.id = id_
        self.account_id = account_id
        self.first = (epoch << 32) + 1
        """The sequence number of the first event (semantics.md 11)."""
        self.events: list[Event] = []
        self.ended = False
        self.cancel_asked = False
        self.delete_asked = False
        self.finishing = False
        """Its outcome is known and is being recorded."""
        self.percent: int | None = None
        """How far its job was when the provider told last."""
        self.on_cancel: Callable[[], None] | None = None
        """Ends what it does now, where a wish to cancel may."""
        self._waiting: list[asyncio.Future[None]] = []
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
        if self.on_cancel is not None:
            self.on_cancel()
        self.nudge()

    def nudge(self) -> None:
        """Something may have happened: whoever pauses shall look at once."""
        if self._pause is None:
            self._is_nudged = True
        else:
            _end(self._pause)

    def publish(self, *events: Event) -> None:
        """Append *events* and wake the watchers."""
        self.events.extend(events)
        self.ended = isinstance(events[-1], Completed | Failed)
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def watch(self, after: int = 0) -> AsyncGenerator[tuple[int, Event], None]:
        """Yield (sequence number, event) after number *after*, until the terminal one."""
        index = max(0, after - self.first + 1)
        while True:
            while index < len(self.events):
                yield self.first + index, self.events[index]
                index += 1
            if self.ended:
                return
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future


def _end(pause: asyncio.Future[None]) -> None:
    if not pause.done():
        pause.set_result(None)


def replay(generation: Generation) -> list[tuple[int, Event]]:
    """The events that can be rebuilt from rows: no previews, no bytes.

    They are numbered above all that were seen live, so that whoever resumes gets them.
    """
    events: list[Event] = [Accepted(generation, replayed=True)]
    if generation.channel:
        events.append(AttemptStarted(generation.attempt_count, generation.channel, ""))
    if generation.state.is_terminal:
        events.extend(ending(generation))
    first = (generation.epoch << 32) + REPLAYED
    return [(first + number, event) for number, event in enumerate(events)]


def ending(generation: Generation) -> list[Event]:
    """The events that end *generation*, rebuilt from its row."""
    if generation.failure is not None:
        failure = generation.failure
        error = GatewayError(failure.reason, describe(failure.reason), metadata=failure.metadata)
        return [Failed(error, generation)]
    outputs: list[Event] = [OutputReady(asset) for asset in generation.assets]
    usage = generation.report.usage
    return [*outputs, Charged(generation.charged_micros or 0, usage), Completed(generation)]
