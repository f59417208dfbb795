"""Waiting for other processes: what they do, no event here tells."""

import time
from collections.abc import Callable

PAUSE_SECONDS = 0.02


def wait_until(
    done: Callable[[], object], seconds: float, complaint: Callable[[], str] = lambda: "too slow"
) -> float:
    """Look until *done()* is true; seconds that took. AssertionError after *seconds*."""
    begin = time.monotonic()
    while not done():
        assert time.monotonic() < begin + seconds, complaint()
        time.sleep(PAUSE_SECONDS)
    return time.monotonic() - begin
