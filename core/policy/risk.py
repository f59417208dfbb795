"""What keys may cost the operator: refusals and cancels that providers bill all the same. Pure.

The caller never pays for these (semantics.md 23); what each cost stands in the ledger, exactly.
This only counts, in one process, to know when a key has had enough: docs/decisions/0018.
"""

from core.values import dataclass

CAP_MICROS = 5_000_000
"""Millionths of a US dollar for each key within a day: a few videos (decision 0018)."""
DAY_SECONDS = 86_400.0
"""From the first cost that is counted."""


@dataclass(frozen=True, slots=True)
class _Count:
    since: float
    micros: int


class RiskCaps:
    """What each key has cost lately. As large as the number of keys that cost something."""

    def __init__(self, cap_micros: int = CAP_MICROS) -> None:
        self._cap = cap_micros
        self._counts: dict[str, _Count] = {}
        self._swept = 0.0

    def __len__(self) -> int:
        return len(self._counts)

    def is_used_up(self, key: str, now: float) -> bool:
        """Whether *key* has cost all that it may."""
        return bool(self._counts) and self._spent(key, now) >= self._cap

    def add(self, key: str, micros: int, now: float) -> None:
        """Count what *key* has cost, allowed or not."""
        self._sweep(now)
        count = self._counts.get(key)
        if count is None or now >= count.since + DAY_SECONDS:
            count = _Count(now, 0)
        self._counts[key] = _Count(count.since, count.micros + micros)

    def take(self, key: str, micros: int, now: float) -> bool:
        """Count what *key* is about to cost; False, and nothing is counted, where that is more
        than it may.
        """
        if self._spent(key, now) + micros > self._cap:
            return False
        self.add(key, micros, now)
        return True

    def give_back(self, key: str, micros: int) -> None:
        """It did not cost what was taken."""
        count = self._counts.get(key)
        if count is not None:
            self._counts[key] = _Count(count.since, max(0, count.micros - micros))

    def _spent(self, key: str, now: float) -> int:
        count = self._counts.get(key)
        return 0 if count is None or now >= count.since + DAY_SECONDS else count.micros

    def _sweep(self, now: float) -> None:
        """Forget, once a day, whose day is over."""
        if now >= self._swept + DAY_SECONDS:
            self._swept = now
            self._counts = {
                key: count for key, count in self._counts.items() if now < count.since + DAY_SECONDS
            }
