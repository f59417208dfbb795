"""What Stripe remembers of requests with an idempotency key.

docs.stripe.com/api/idempotent_requests: the status and body of the first request are kept once
its execution has begun, a 500 too, for 24 hours; parameters must be the same; nothing is kept of
a request that fails validation or that came while its twin was in flight.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from simulator.stripe_errors import StripeError, invalid

KEPT_SECONDS: Final = 24 * 3_600
KEY_MAX: Final = 255


@dataclass(slots=True)
class Kept:
    """A request and, once it was answered, its answer."""

    path: str
    fingerprint: bytes
    since: int
    request_id: str
    status: int | None = None
    body: bytes = b""


class Idempotency:
    """The requests of one account by their keys."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._kept: dict[str, Kept] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def begin(self, key: str, request: Kept) -> Kept | None:
        """Give the first request with this key if it was answered; raises StripeError."""
        if len(key) > KEY_MAX:
            raise invalid(f"Idempotency keys can be at most {KEY_MAX} characters long.")
        self._prune()
        first = self._kept.setdefault(key, request)
        if first is request:
            return None
        if first.path != request.path:
            raise _mismatch(
                f"Keys for idempotent requests can only be used for the same endpoint they were "
                f"first used for ('{first.path}' and not '{request.path}'). Try using a key other "
                f"than '{key}' if you meant to execute a different request."
            )
        if first.fingerprint != request.fingerprint:
            raise _mismatch(
                f"Keys for idempotent requests can only be used with the same parameters they were "
                f"first used with. Try using a key other than '{key}' if you meant to execute a "
                f"different request."
            )
        if first.status is None:
            raise StripeError(
                409,
                f"There is currently another in-progress request using this Idempotent Key (that "
                f"probably means you submitted twice, and the other request is still going "
                f"through): {key}. Please try again later.",
                "idempotency_key_in_use",
                type="idempotency_error",
                is_validation=True,
            )
        return first

    def keep(self, key: str, status: int, body: bytes) -> None:
        """Remember an answer."""
        kept = self._kept[key]
        kept.status, kept.body = status, body

    def forget(self, key: str) -> None:
        """Take a key back: nothing was executed."""
        self._kept.pop(key, None)

    def _prune(self) -> None:
        """Drop what is too old; the oldest come first."""
        horizon = self._now() - KEPT_SECONDS
        while self._kept:
            key = next(iter(self._kept))
            if self._kept[key].since > horizon:
                return
            del self._kept[key]


def _mismatch(message: str) -> StripeError:
    return StripeError(400, message, type="idempotency_error", is_validation=True)
