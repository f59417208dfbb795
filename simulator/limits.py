"""The upstream's own rate limit: a token bucket, with the clock as an argument."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class TokenBucket:
    """As many tokens a minute as `per_minute`, at most that many saved up."""

    per_minute: float
    _tokens: float = field(init=False)
    _filled_at: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        """Start full."""
        self._tokens = self.per_minute

    def resize(self, per_minute: float) -> None:
        """Change the limit; what was saved above the new one is lost, a raise starts full."""
        if per_minute != self.per_minute:
            self._tokens = per_minute
            self.per_minute = per_minute

    def take(self, now: float, tokens: float = 1.0) -> bool:
        """Use *tokens* if they are there; *now* is in seconds and never goes back."""
        self._refill(now)
        if self._tokens < tokens:
            return False
        self._tokens -= tokens
        return True

    def remaining(self) -> int:
        """Whole tokens left after the last `take`."""
        return int(self._tokens)

    def reset_after(self, tokens: float | None = None) -> float:
        """Seconds until the bucket is full again, or until it holds *tokens*."""
        missing = (self.per_minute if tokens is None else tokens) - self._tokens
        return max(0.0, missing * 60.0 / self.per_minute)

    def _refill(self, now: float) -> None:
        gained = (now - self._filled_at) * self.per_minute / 60.0
        self._tokens = min(self.per_minute, self._tokens + gained)
        self._filled_at = now


def go_duration(seconds: float) -> str:
    """Write *seconds* as rate-limit headers do: `12ms`, `1s`, `1.5s`, `6m0s`."""
    milliseconds = round(seconds * 1_000)
    if milliseconds < 1_000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    text = f"{rest / 1_000:g}s"
    return f"{minutes}m{text}" if minutes else text
