"""What a key may do: requests a minute and requests at once, exact across processes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID


class KeyUse(NamedTuple):
    """One request on a key: counts against its rate and takes one of its slots."""

    account_id: UUID
    key_id: UUID
    model: str = ""
    """What it asks for; empty where that is no model, which every key may."""


class KeyRelease(NamedTuple):
    """Gives the slot back; goes with the end of the generation."""

    account_id: UUID
    key_id: UUID


class Allowance(NamedTuple):
    """What is left of a key's rate after this request: the `x-ratelimit-*` headers."""

    limit: int
    """Requests a minute."""
    remaining: int
    """Requests that could follow at once."""
    reset_us: int
    """Microseconds until the whole limit is free again."""


class Limit(StrEnum):
    """Which limit refused."""

    REQUESTS = "requests"
    CONCURRENCY = "concurrency"


@dataclass(frozen=True, slots=True)
class LimitExceeded:
    """The key has used up its rate or its slots."""

    limit: Limit
    maximum: int
    """Requests a minute, or at once."""
    retry_after_us: int
    """Until the next request fits; 0 where only the end of another one helps."""


class KeyProblem(StrEnum):
    """Why a key may not be used at all."""

    UNKNOWN = "unknown"
    REVOKED = "revoked"
    EXPIRED = "expired"
    SUSPENDED = "suspended"
    """The account is suspended."""


@dataclass(frozen=True, slots=True)
class KeyRefused:
    """The key is not good, whatever a cache said."""

    problem: KeyProblem


@dataclass(frozen=True, slots=True)
class ModelNotAllowed:
    """The key has a list of models, and this is none of them."""

    model: str


LimitsRefusal = KeyRefused | ModelNotAllowed | LimitExceeded
MINUTE_US = 60_000_000


@dataclass(slots=True)
class KeyState:
    """A key's counters and limits, as a commit sees them."""

    account_id: UUID
    key_id: UUID
    tat_us: int
    """When the requests taken so far would have ended, had they come one by one (GCRA)."""
    in_flight: int
    requests_per_minute: int
    concurrency: int
    problem: KeyProblem | None = None
    allowed_models: tuple[str, ...] = ()
    """Empty: all of them."""
    is_changed: bool = False


class LimitsBook:
    """Which uses of keys fit what earlier ones left. Pure.

    The rate is a generic cell rate algorithm: each request costs one interval, and up to a
    minute's worth of intervals may be taken at once; one more fits after each interval.
    """

    def __init__(self, keys: Iterable[KeyState], now_us: int) -> None:
        # By numbers: hashing a UUID is a call of Python.
        self._keys = {(key.account_id.int, key.key_id.int): key for key in keys}
        self._now_us = now_us

    @property
    def changed(self) -> Sequence[KeyState]:
        """The keys whose counters are others now."""
        return [key for key in self._keys.values() if key.is_changed]

    def recalls(self, part: KeyUse | KeyRelease) -> bool:  # noqa: ARG002 (nothing is remembered)
        """Never: the parts that a use or a release travels with are recognised."""
        return False

    def recall(self, part: KeyUse | KeyRelease) -> Allowance | None:
        if isinstance(part, KeyRelease):
            return None
        key = self._key(part)
        return None if key is None else self._allowance(key)

    def refusal(self, part: KeyUse | KeyRelease) -> LimitsRefusal | None:
        if isinstance(part, KeyRelease):
            return None
        key = self._key(part)
        if key is None:
            return KeyRefused(KeyProblem.UNKNOWN)
        if key.problem is not None:
            return KeyRefused(key.problem)
        if key.allowed_models and part.model and part.model not in key.allowed_models:
            return ModelNotAllowed(part.model)
        interval = MINUTE_US // key.requests_per_minute
        early = self._taken_us(key) + interval - interval * key.requests_per_minute
        if early > 0:
            return LimitExceeded(Limit.REQUESTS, key.requests_per_minute, early)
        if key.in_flight >= key.concurrency:
            return LimitExceeded(Limit.CONCURRENCY, key.concurrency, 0)
        return None

    def turned_away(self, part: KeyUse | KeyRelease, refusal: object) -> None:
        """A refused use takes nothing."""

    def take(self, part: KeyUse | KeyRelease) -> Allowance | None:
        key = self._key(part)
        if isinstance(part, KeyRelease):
            # An operator may have deleted the key or reset its counter: no money hangs on it.
            if key is not None and key.in_flight > 0:
                key.in_flight -= 1
                key.is_changed = True
            return None
        assert key is not None  # else it was refused
        key.tat_us = max(key.tat_us, self._now_us) + MINUTE_US // key.requests_per_minute
        key.in_flight += 1
        key.is_changed = True
        return self._allowance(key)

    def _key(self, part: KeyUse | KeyRelease) -> KeyState | None:
        return self._keys.get((part.account_id.int, part.key_id.int))

    def _taken_us(self, key: KeyState) -> int:
        """How much of the minute is taken now."""
        return max(0, key.tat_us - self._now_us)

    def _allowance(self, key: KeyState) -> Allowance:
        interval = MINUTE_US // key.requests_per_minute
        taken = self._taken_us(key)
        left = max(0, interval * key.requests_per_minute - taken) // interval
        return Allowance(key.requests_per_minute, left, taken)


def key_problem(
    revoked_us: int | None, expires_us: int | None, suspended_us: int | None, now_us: int
) -> KeyProblem | None:
    """Why a key with these marks may not be used now; times in microseconds since 1970."""
    if suspended_us is not None:
        return KeyProblem.SUSPENDED
    if revoked_us is not None:
        return KeyProblem.REVOKED
    if expires_us is not None and expires_us <= now_us:
        return KeyProblem.EXPIRED
    return None
