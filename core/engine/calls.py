"""What a call to a provider has given so far, and how a caller's wish may end it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import field

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
            case Acknowledged():
                return 0
            case Hosted():
                self.hosted.append(piece)
                return 0
            case Report():
                self.report = piece
                return 0
            case Final():
                self.finals.append(piece)
        return len(piece.data)


@asynccontextmanager
async def leaving(live: Live, channel: Channel) -> AsyncIterator[None]:
    """Leave a call as soon as the caller wishes it, unless the channel bills for that.

    Raises CANCELLED then. A channel that bills for what was begun is heard to its end
    (semantics.md 6, 8).
    """
    if channel.bills_on_cancel:
        yield
        return
    loop = asyncio.get_running_loop()
    limit = asyncio.timeout(None)

    def leave() -> None:
        limit.reschedule(loop.time())

    live.on_cancel.add(leave)
    try:
        async with limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise explained(Reason.CANCELLED) from None
    finally:
        live.on_cancel.discard(leave)
