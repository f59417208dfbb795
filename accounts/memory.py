"""Keys and their limits in memory: the twin of what PostgreSQL keeps."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from accounts.granting import both
from accounts.limits import KeyRelease, KeyState, KeyUse, LimitsBook, key_problem


@dataclass(slots=True)
class MemoryKey:
    """A key's row; times in microseconds since 1970."""

    requests_per_minute: int
    concurrency: int
    expires_us: int | None = None
    revoked_us: int | None = None
    allowed_models: tuple[str, ...] = ()
    tat_us: int = 0
    in_flight: int = 0


class MemoryLimits:
    """The limits' part in a commit to memory (a `storage.memory.MemoryParticipant`)."""

    parts: tuple[type, ...] = (KeyUse, KeyRelease)

    def __init__(self) -> None:
        self.keys: dict[tuple[UUID, UUID], MemoryKey] = {}
        self.suspended: dict[UUID, int] = {}
        """When accounts were suspended."""
        self.models: dict[UUID, tuple[str, ...]] = {}
        """Which ones accounts allow; none: all."""

    def book(self, parts: Sequence[KeyUse | KeyRelease], now_us: int) -> LimitsBook:
        names = {(part.account_id, part.key_id) for part in parts}
        return LimitsBook([self._state(*name, now_us) for name in names & self.keys.keys()], now_us)

    def apply(self, book: LimitsBook) -> None:
        for state in book.changed:
            name = (state.account_id, state.key_id)
            self.keys[name] = replace(
                self.keys[name], tat_us=state.tat_us, in_flight=state.in_flight
            )

    def _state(self, account_id: UUID, key_id: UUID, now_us: int) -> KeyState:
        key = self.keys[account_id, key_id]
        problem = key_problem(
            key.revoked_us, key.expires_us, self.suspended.get(account_id), now_us
        )
        limits = (key.requests_per_minute, key.concurrency)
        models = tuple(both(key.allowed_models, self.models.get(account_id, ())))
        counters = (key.tat_us, key.in_flight)
        return KeyState(account_id, key_id, *counters, *limits, problem, models)
