"""When a message is tried again, and when it and its receiver are given up. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MINUTE: Final = 60.0
HOUR: Final = 3600.0
GAPS: Final = (
    5.0,
    30.0,
    2 * MINUTE,
    10 * MINUTE,
    HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    24 * HOUR,
    24 * HOUR,
    24 * HOUR,
)
"""Seconds from one try to the next: 12 tries; the last one is at GIVE_UP."""
GIVE_UP: Final = 72 * HOUR
"""For how long a message is tried."""
PATIENCE: Final = GIVE_UP - 15 * MINUTE
"""For how long a receiver may fail before it is disabled. Whoever never took anything has his
last chance at GIVE_UP, give or take how long the first try took."""
JITTER: Final = 0.1
"""Of a gap, either way: receivers that came back are not met by everything at once."""
GONE: Final = 410


class Fault(StrEnum):
    """Why a try failed: the contract's `WebhookDelivery.fault`."""

    REFUSED = "refused"
    """No connection, no valid TLS, no HTTP."""
    TIMEOUT = "timeout"
    FORBIDDEN_ADDRESS = "forbidden_address"
    """Not on the open internet, or nowhere: which names exist inside is nobody's business."""
    STATUS = "status"
    """An answer other than 2xx, redirects included."""


@dataclass(frozen=True, slots=True)
class Tried:
    """How a try ended: a *status* of HTTP, 0 where none came; the *fault*, unless it was taken."""

    status: int = 0
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Course:
    """How a message and its receiver have done before this try. Times are ages in seconds."""

    tries: int
    """Of this round; a message that is sent again begins a new one."""
    age: float
    """Since the round began."""
    failing_for: float | None = None
    """Since the receiver's first failure after its last success; None: it does not fail."""
    once: bool = False
    """It is a test: tried once."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from a try."""

    delivered: bool = False
    next_in: float | None = None
    """Seconds until the next try; None: there is none."""
    disable: bool = False
    """The receiver shall not be told anything any more."""


def answered(status: int) -> Tried:
    """What a status means: any 2xx is success."""
    return Tried(status, None if 200 <= status < 300 else Fault.STATUS)


def judge(tried: Tried, course: Course, random: Callable[[], float]) -> Verdict:
    """What follows from *tried*; *random* gives 0 to 1."""
    if tried.fault is None:
        return Verdict(delivered=True)
    if tried.status == GONE:
        return Verdict(disable=True)
    disable = course.failing_for is not None and course.failing_for >= PATIENCE
    if course.once or disable:
        return Verdict(disable=disable)
    return Verdict(next_in=next_gap(course.tries + 1, course.age, random))


def next_gap(tries: int, age: float, random: Callable[[], float]) -> float | None:
    """Seconds until the next try after *tries* of them; None: that was the last.

    The last one of all is at GIVE_UP.
    """
    if tries > len(GAPS) or age >= GIVE_UP:
        return None
    gap = GAPS[tries - 1] * (1 + JITTER * (2 * random() - 1))
    return min(gap, GIVE_UP - age)
