"""What a provider said is left of a rate limit: who has nothing left is asked after the others.

It steers before the 429 and never closes anything: with nobody else left it is as if nothing had
been said. Pure; times are seconds of one monotonic clock, given by the caller.
"""

LONGEST_SECONDS = 60.0
"""However far away a reset is said to be (`Retry-After` of days, clocks that are wrong)."""


class RateLimit:
    """What one credential of a channel may still send."""

    __slots__ = ("_remaining", "_until")

    def __init__(self) -> None:
        self._remaining = 0
        self._until = 0.0

    def hear(self, remaining: int, seconds: float, now: float) -> None:
        """So many are left for so many seconds; it replaces what was said before."""
        self._remaining = remaining
        self._until = now + max(0.0, min(seconds, LONGEST_SECONDS))

    def is_spent(self, in_flight: int, now: float) -> bool:
        """Whether nothing is left until the reset, or no more than is in flight.

        Providers count a request when it comes, when it ends or by its tokens: who has as much
        in flight as is left may find nothing left.
        """
        return now < self._until and (self._remaining <= 0 or self._remaining < in_flight)

    def seconds_left(self, now: float) -> float:
        """Until what was said means nothing any more."""
        return max(0.0, self._until - now)
