"""What a call to a provider has given so far, and how a caller's wish may end it."""

import asyncio
from dataclasses import field
from types import TracebackType

from core.engine.events import Live
from core.errors import Reason, explained
from core.model import EMPTY_REPORT, Acknowledged, Channel, Final, Hosted, Piece, Report
from core.values import dataclass


@dataclass(slots=True)
class Taken:
    """The outputs of one call, as far as they have come."""

    finals: list[Final] = field(default_factory=list)
    hosted: list[Hosted] = field(default_factory=list)
    report: Report = EMPTY_REPORT

    def add(self, piece: Piece) -> int:
        """Keep what belongs to the outcome; gives how many bytes *piece* holds in memory."""
        match piece:
            case Final():
                self.finals.append(piece)
            case Report():
                self.report = piece
                return 0
            case Hosted():
                self.hosted.append(piece)
                return 0
            case Acknowledged():
                return 0
        return len(piece.data)


class Leaving:
    """Leaves a call as soon as the caller wishes it, unless the channel bills for that.

    A `with` block around the call: it raises CANCELLED then. A channel that bills for what was
    begun is heard to its end (semantics.md 6, 8). As `asyncio.timeout` does it, without the time.
    """

    __slots__ = ("_cancelling", "_handle", "_has_left", "_live", "_task")

    def __init__(self, live: Live, channel: Channel) -> None:
        self._live = None if channel.bills_on_cancel else live
        self._handle: asyncio.Handle | None = None
        self._has_left = False

    def __enter__(self) -> None:
        if self._live is None:
            return
        task = asyncio.current_task()
        assert task is not None
        self._task, self._cancelling = task, task.cancelling()
        self._live.on_cancel.add(self._leave)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is None:
            return
        self._live.on_cancel.discard(self._leave)
        if self._handle is not None:
            self._handle.cancel()
        if not self._has_left:
            return
        # Whoever else has cancelled the task meanwhile is heard as well.
        others = self._task.uncancel() > self._cancelling
        if kind is asyncio.CancelledError and not others:
            raise explained(Reason.CANCELLED) from None

    def _leave(self) -> None:
        # What has come already is taken first.
        self._handle = asyncio.get_running_loop().call_soon(self._cancel)

    def _cancel(self) -> None:
        self._has_left = True
        self._task.cancel()
