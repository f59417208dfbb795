"""What an HTTP status means for every provider, and how long it asks us to wait. Pure."""

import math
import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from core.errors import Fault

# Where the body says nothing better (providers.md 0, 1.5). Statuses that blame the address
# or the credential are the operator's: another channel may do better.
# fmt: off
STATUS: Mapping[int, Fault] = {
    400: Fault.BAD_REQUEST,
    401: Fault.AUTH,
    402: Fault.QUOTA,
    403: Fault.AUTH,
    404: Fault.NOT_FOUND,
    405: Fault.NOT_FOUND,
    407: Fault.AUTH,
    408: Fault.SERVER_ERROR,
    409: Fault.SERVER_ERROR,
    410: Fault.NOT_FOUND,
    413: Fault.BAD_REQUEST,
    415: Fault.BAD_REQUEST,
    421: Fault.NOT_FOUND,
    422: Fault.BAD_REQUEST,
    425: Fault.OVERLOADED,
    429: Fault.RATE_LIMITED,
    431: Fault.SERVER_ERROR,
    451: Fault.AUTH,
    499: Fault.SERVER_ERROR,
    501: Fault.NOT_FOUND,
    503: Fault.OVERLOADED,
    504: Fault.TIMEOUT,    # a relay gave up waiting: the work may go on behind it
    524: Fault.TIMEOUT,    # the same, from a content network
    529: Fault.OVERLOADED,
}
# fmt: on

_DURATION = re.compile(
    r"(?:(\d{1,9})h)?(?:(\d{1,9})m(?!s))?(?:(\d{1,9}(?:\.\d+)?)s)?(?:(\d{1,9}(?:\.\d+)?)ms)?"
)
_NUMBER = re.compile(r"\d{1,9}(?:\.\d{1,9})?")


def fault_of(status: int) -> Fault:
    """The fault that an HTTP status stands for; of a 2xx, when its body tells of a failure."""
    known = STATUS.get(status)
    if known is not None:
        return known
    if 400 <= status < 500:
        return Fault.BAD_REQUEST
    if 200 <= status < 300 or 500 <= status < 600:
        return Fault.SERVER_ERROR
    # A redirect (never followed: it would carry the credential elsewhere), or no HTTP at all.
    return Fault.INVALID_RESPONSE


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds the provider asks us to wait, or None.

    Reads `retry-after-ms`, then `retry-after` (seconds, or a date compared with *now*, in
    seconds since the epoch), then the reset times of used-up `x-ratelimit-*` limits.
    """
    milliseconds = headers.get("retry-after-ms", "").strip()
    if _NUMBER.fullmatch(milliseconds):
        return float(milliseconds) / 1000
    asked = headers.get("retry-after", "").strip()
    if _NUMBER.fullmatch(asked):
        return float(asked)
    if asked:
        return _until(asked, now)
    return _reset(headers)


def _until(date: str, now: float) -> float | None:
    try:
        when = parsedate_to_datetime(date)
        # A date without a zone (`-0000`) is in UTC, not in this machine's zone.
        seconds = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - now
    except (ValueError, OverflowError):
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _reset(headers: Mapping[str, str]) -> float | None:
    waits = [
        seconds_of(headers.get(f"x-ratelimit-reset-{what}", ""))
        for what in ("requests", "tokens")
        if headers.get(f"x-ratelimit-remaining-{what}", "").strip() == "0"
    ]
    return max((wait for wait in waits if wait is not None), default=None)


def seconds_of(duration: str) -> float | None:
    """`6m0s`, `1.5s`, `12ms` in seconds."""
    match = _DURATION.fullmatch(duration.strip())
    if match is None or not match[0]:
        return None
    hours, minutes, seconds, milliseconds = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000
