"""How long an attempt may take: the channel's phase deadlines within the caller's time.

A caller's deadline travels as remaining budget minus a reserve, which is kept for storing,
charging and answering (field.md D, gRPC). Times are seconds of one monotonic clock.
"""

from core.errors import Reason
from core.model import Deadlines

RESERVE_SECONDS = 1.0
RESERVE_SHARE = 0.1
"""Of what remains: a short deadline keeps a short reserve."""
SHORTEST_ATTEMPT = 0.05
"""Seconds below which it is no use to begin."""
TIMER_SLACK = 0.1
"""Seconds by which an attempt that was cut may be seen to end before its time: the shortest
attempt that was not begun any more, and a timer's own slack."""


def attempts_end(now: float, deadline: float) -> float:
    """When the attempts for a caller who waits until *deadline* must be over.

    Called once, when the generation is accepted: the reserve must not shrink with each
    attempt.
    """
    return deadline - min(RESERVE_SECONDS, RESERVE_SHARE * max(0.0, deadline - now))


def effective(channel: Deadlines, remaining: float | None) -> Deadlines | None:
    """Cut the channel's deadlines to the *remaining* seconds (None: no limit).

    The very same object where nothing is cut; None when too little is left for an attempt.
    """
    if remaining is None or remaining >= channel.total:
        return channel
    if remaining < SHORTEST_ATTEMPT:
        return None
    limit = remaining
    return Deadlines(
        connect=min(channel.connect, limit),
        acknowledge=min(channel.acknowledge, limit),
        first_byte=min(channel.first_byte, limit),
        idle=min(channel.idle, limit),
        total=limit,
    )


def is_over(reason: Reason, ends: float | None, now: float) -> bool:
    """Whether silence until *now* is for the caller's own time, and no fault of a provider.

    *ends* is when the attempts had to be over; None: the caller set no time.
    """
    return reason is Reason.UPSTREAM_TIMEOUT and ends is not None and now >= ends - TIMER_SLACK
