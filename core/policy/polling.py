"""When to look at a job next, and when a search has shown that there is none. Pure; seconds."""

from dataclasses import dataclass

JITTER = 0.1
"""Looks at jobs that began together drift apart by so much."""
LONGEST_DELAY = 60.0
"""Between two looks at a job of a provider that fails to answer."""
LONGEST_SEARCH = 30.0
ABSENT_AFTER = 10.0
"""Lists lag behind: a job that was just made may be missing for so long."""
ABSENT_MISSES = 2
CLOCK_SLACK = 300.0
"""Our clock and the provider's may differ by so much."""


@dataclass(slots=True)
class Schedule:
    """The looks at one job: every `interval` seconds since `began`."""

    interval: float
    began: float
    failures: int = 0
    """Looks that failed, since the last one that was answered."""
    looked: float | None = None
    """When the last look began."""

    def failed(self) -> None:
        """A look went wrong."""
        self.failures += 1

    def answered(self) -> None:
        """A look was answered."""
        self.failures = 0


def look_delay(schedule: Schedule, now: float, chance: float) -> float:
    """How long to wait before the next look; *chance* in [0, 1) is its jitter.

    The first comes after half an interval to a whole one, so that looks spread. What a look took
    is part of the interval, as long as half of that is left: an end is noticed in time also
    where answers are slow.
    """
    if now - schedule.began < schedule.interval / 2:
        return schedule.interval * (1 + chance) / 2
    delay = schedule.interval * 2.0 ** min(schedule.failures, 30)
    delay = min(delay, max(LONGEST_DELAY, schedule.interval)) * (1 - JITTER * chance)
    if schedule.looked is None or schedule.failures:
        return delay
    return max(delay / 2, delay - max(0.0, now - schedule.looked))


def search_delay(tries: int, chance: float) -> float:
    """How long to wait before search number *tries* (from 0) for a lost job."""
    return min(1.0 * 2.0 ** min(tries, 10), LONGEST_SEARCH) * (1 - JITTER * chance)


def is_absent(misses: int, since_lost: float) -> bool:
    """Whether so many searches in a row without a find prove that there is no job."""
    return misses >= ABSENT_MISSES and since_lost >= ABSENT_AFTER


def page_ends(is_last: bool, oldest: float, sent_wall: float) -> bool:  # noqa: FBT001 - a value
    """Whether no later page of a list, newest first, can have a job sent at *sent_wall*."""
    return is_last or oldest < sent_wall - CLOCK_SLACK
