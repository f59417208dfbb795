"""How long an attempt may take: the channel's phase deadlines within the caller's time.

A caller's deadline travels as remaining budget minus a reserve, which is kept for storing,
charging and answering (field.md D, gRPC). Times are seconds of one monotonic clock.
"""

from collections.abc import Mapping

from core.errors import Phase
from core.model import Deadlines, Kind

RESERVE_SECONDS = 1.0
RESERVE_SHARE = 0.1
"""Of what remains: a short deadline keeps a short reserve."""
SHORTEST_ATTEMPT = 0.05
"""Seconds below which it is no use to begin."""

SLA_SECONDS: Mapping[Kind, float] = {
    Kind.IMAGE: 1800.0,
    Kind.VIDEO: 7200.0,
    Kind.AUDIO: 3600.0,
    Kind.CHAT: 1800.0,
    Kind.TOOL: 7200.0,
}
"""How long after its acceptance a generation whose fate is unknown is given up: FAILED and
voided for ever (semantics.md 22). Where no job can exist, the attempts' own deadlines end it."""


def sla_ends(kind: Kind, accepted: float) -> float:
    """When a generation accepted at *accepted* is given up, if a job may still exist."""
    return accepted + SLA_SECONDS[kind]


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


def expires(deadlines: Deadlines, phase: Phase, entered: float, started: float) -> float:
    """When silence is decided: an attempt in *phase* since *entered* (BODY: since the last
    read), begun at *started*, has timed out from the result on.
    """
    return min(entered + _limit(deadlines, phase), started + deadlines.total)


def _limit(deadlines: Deadlines, phase: Phase) -> float:
    match phase:
        case Phase.CONNECT:
            return deadlines.connect
        case Phase.ACKNOWLEDGE:
            return deadlines.acknowledge
        case Phase.FIRST_BYTE:
            return deadlines.first_byte
        case Phase.BODY | Phase.DONE:
            return deadlines.idle
