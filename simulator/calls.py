"""What each channel was asked: sizes, times, outcomes and keyed digests, never a word of it."""

import hmac
import secrets
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

KEPT_CALLS: Final = 100_000


@dataclass(slots=True)
class Call:
    """One request a channel received.

    Times are milliseconds of the monotonic clock. `outcome` is `running`, then one of `ok`,
    `error` (the protocol's own refusal), `moderated`, `faulted` (the fault replaced, broke or
    held back the answer) or `disconnected` (the caller left first). `status` is the HTTP status
    sent, None when no header left. `made` counts the results the upstream produced, and would
    bill, whether or not they arrived.
    """

    number: int
    channel: str
    method: str
    path: str
    started_ms: float
    ended_ms: float | None = None
    request_bytes: int = 0
    digest: bytes = b""
    status: int | None = None
    outcome: str = "running"
    fault: str | None = None
    made: int = 0

    def as_json(self) -> dict[str, object]:
        """Give the record as `GET /_calls` shows it."""
        return {
            "number": self.number,
            "channel": self.channel,
            "method": self.method,
            "path": self.path,
            "request_bytes": self.request_bytes,
            "started_ms": round(self.started_ms, 3),
            "ended_ms": None if self.ended_ms is None else round(self.ended_ms, 3),
            "status": self.status,
            "outcome": self.outcome,
            "fault": self.fault,
            "made": self.made,
            "body_digest": self.digest.hex(),
        }


class CallLog:
    """The newest calls and an exact count per channel."""

    def __init__(self, channels: Iterable[str], keep: int = KEPT_CALLS) -> None:
        self._calls: deque[Call] = deque(maxlen=keep)
        self._channels = tuple(channels)
        self._counts: Counter[str] = Counter()
        # Bounded: a path is one of the protocol's, ids left out, or `(other)`.
        self._routes: dict[str, Counter[str]] = {channel: Counter() for channel in self._channels}
        self._number = 0
        # Digests tell equal bodies apart from different ones within this run; without the key
        # nobody can test a guess at a prompt against them.
        self._key = secrets.token_bytes(32)

    def begin(self, channel: str, method: str, path: str, now_ms: float) -> Call:
        """Record a call that has just arrived; the caller fills in the rest as it happens."""
        self._number += 1
        self._counts[channel] += 1
        self._routes[channel][f"{method} {path}"] += 1
        call = Call(self._number, channel, method, path, now_ms)
        self._calls.append(call)
        return call

    def digest(self, body: bytes) -> bytes:
        """Give the body's SHA-256 keyed with this process's random key."""
        return hmac.digest(self._key, body, "sha256")

    def newest(self, channel: str | None = None, limit: int | None = None) -> list[Call]:
        """Give the newest *limit* calls (of *channel*), oldest first."""
        found: list[Call] = []
        for call in self._newest_first():
            if limit is not None and len(found) >= limit:
                break
            if channel is None or call.channel == channel:
                found.append(call)
        return found[::-1]

    def counts(self) -> dict[str, int]:
        """Count the calls of each channel since the last clearing, forgotten records included."""
        return {channel: self._counts[channel] for channel in self._channels}

    def routes(self) -> dict[str, dict[str, int]]:
        """Count the same calls by method and path: `POST /api/v3/contents/generations/tasks`."""
        return {channel: dict(counts) for channel, counts in self._routes.items()}

    def clear(self) -> None:
        """Forget every call; those still running are finished unseen."""
        self._calls.clear()
        self._counts.clear()
        for counts in self._routes.values():
            counts.clear()

    def _newest_first(self) -> Iterator[Call]:
        return reversed(self._calls)
