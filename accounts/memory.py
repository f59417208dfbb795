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
        found = {name: self.keys[name] for name in names if name in self.keys}
        return LimitsBook(
            {name: self._state(name[0], key, now_us) for name, key in found.items()}, now_us
        )

    def apply(self, book: LimitsBook) -> None:
        for name in book.changed:
            state = book.keys[name]
            self.keys[name] = replace(
                self.keys[name], tat_us=state.tat_us, in_flight=state.in_flight
            )

    def _state(self, account_id: UUID, key: MemoryKey, now_us: int) -> KeyState:
        problem = key_problem(
            key.revoked_us, key.expires_us, self.suspended.get(account_id), now_us
        )
        limits = (key.requests_per_minute, key.concurrency)
        models = tuple(both(key.allowed_models, self.models.get(account_id, ())))
        return KeyState(key.tat_us, key.in_flight, *limits, problem, models)
