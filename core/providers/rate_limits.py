"""What a provider's answer says is left of its rate limits, before any 429. Pure.

Nothing here is standard, so everything is read tolerantly and nonsense is ignored:

- `x-ratelimit-remaining-requests` and `-tokens` with `x-ratelimit-reset-…` as `6m0s`: OpenAI,
  Azure, xAI (providers.md 1.5, 6, 8.3);
- `ratelimit: "name";r=50;t=30`, and `ratelimit-remaining` with `ratelimit-reset` in seconds: the
  drafts of the IETF (draft-ietf-httpapi-ratelimit-headers 3 and 10);
- `x-ratelimit-remaining` with `x-ratelimit-reset` in seconds, or as seconds since 1970: relays;
- `retry-after`, on whatever answer: nothing more until then.
"""

import re
from collections.abc import Mapping

from multidict import istr

from core.providers.faults import retry_after, seconds_of

LONGEST = 60.0
"""Seconds: what is further away is no affair of one process's memory."""
UNSAID = 1.0
"""Seconds until the reset, where a provider says what is left and not until when: the shortest
window that providers have."""
_WHOLE = re.compile(r"\d{1,12}")
_NUMBER = re.compile(r"\d{1,12}(?:\.\d{1,9})?")
_ITEM = re.compile(r";\s*r=(\d{1,12})\b[^,]*?;\s*t=(\d{1,12})\b")
SINCE_1970 = 1e9
"""A number above is a time of day: nobody resets in thirty years."""

_COUNTS = tuple(
    (istr(f"{family}-remaining{kind}"), istr(f"{family}-reset{kind}"))
    for family, kind in (("x-ratelimit", "-requests"), ("x-ratelimit", ""), ("ratelimit", ""))
)
"""How many requests are left, and until when."""
_TOKENS = istr("x-ratelimit-remaining-tokens"), istr("x-ratelimit-reset-tokens")
"""The same of what requests use up: only that none is left is a word about requests."""
_ITEMS = istr("ratelimit")
_WAITS = istr("retry-after"), istr("retry-after-ms")


def allowance(headers: Mapping[str, str], now: float) -> tuple[int, float] | None:
    """How many requests may follow, and in how many seconds that is over; None: nobody said.

    *headers* by lower-case name (or blind to case); *now* in seconds since 1970. Of several
    limits, the one that binds: none left before few, and then the longest wait.
    """
    best: tuple[int, float] | None = None
    for remaining, seconds in _said(headers, now):
        wait = max(0.0, min(seconds, LONGEST))
        if wait and (best is None or (remaining, -wait) < (best[0], -best[1])):
            best = (remaining, wait)
    return best


def _said(headers: Mapping[str, str], now: float) -> list[tuple[int, float]]:
    """Every limit that is told of. Most answers tell of none, so that is found out first."""
    said: list[tuple[int, float]] = []
    for name, reset in _COUNTS:
        if name in headers and _WHOLE.fullmatch(left := headers[name].strip()):
            said.append((int(left), _until(headers.get(reset, ""), now)))
    tokens, reset = _TOKENS
    if tokens in headers and headers[tokens].strip() == "0":
        said.append((0, _until(headers.get(reset, ""), now)))
    if _ITEMS in headers:
        for count, seconds in _ITEM.findall(headers[_ITEMS]):
            said.append((int(count), float(seconds)))
    if _WAITS[0] in headers or _WAITS[1] in headers:
        said.append((0, retry_after(headers, now) or 0.0))
    return said


def _until(reset: str, now: float) -> float:
    """Seconds from *now*: `6m0s`, seconds, or seconds since 1970."""
    text = reset.strip()
    if _NUMBER.fullmatch(text):
        number = float(text)
        return number - now if number >= SINCE_1970 else number
    seconds = seconds_of(text)
    return UNSAID if seconds is None else seconds
