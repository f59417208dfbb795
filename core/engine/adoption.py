"""What becomes of generations that nobody works on any more.

Their process ended, or lost its lease, or never learned that its hold was committed. Who
has no job upstream is lost with its request, which was only in that process's memory: it
fails as REQUEST_NOT_RETAINED and its hold is voided, in one commit. That commit is a
compare-and-set on the owner and the state, so any number of adopters may try at once, and
an owner that was only slow finds out at its own finish.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol
from uuid import UUID, uuid4

from accounts.limits import KeyRelease
from billing.ledger import Void
from core.engine.records import AttemptRecord, FinishGeneration, Stray
from core.errors import Reason
from core.model import AttemptState, GenerationState
from storage.commits import SETTLE_PATIENCE, Commit, Commits, Committed

BATCH = 200
OWN_SECONDS = 60.0
"""How long a generation of ours may be unknown to us: its hold may still be on its way."""

_ENDED = frozenset({AttemptState.DONE, AttemptState.FAILED, AttemptState.LOST})


class Strays(Protocol):
    """Where generations without a living owner are found."""

    async def strays(self, limit: int, after: UUID) -> list[Stray]:
        """Open ones whose owner has no valid lease, by rising id."""
        ...

    async def open_of(self, epoch: int, older_than_seconds: float) -> list[Stray]:
        """Open ones of one owner, older than that."""
        ...


class AttemptReads(Protocol):
    """Where attempts are read."""

    async def attempts(self, account_id: UUID, id_: UUID) -> list[AttemptRecord]: ...


class Adoption:
    """Ends what nobody else will. *is_running* tells whether this process works on one."""

    def __init__(
        self,
        strays: Strays,
        attempts: AttemptReads,
        commits: Commits,
        is_running: Callable[[UUID], bool],
    ) -> None:
        self._strays = strays
        self._attempts = attempts
        self._commits = commits
        self._is_running = is_running

    async def run(self, epoch: int) -> int:
        """Until nothing is left, for the process of *epoch*. Returns how many it ended.

        Raises StorageUnavailable.
        """
        ended = await self._end_all(await self._strays.open_of(epoch, OWN_SECONDS))
        after = UUID(int=0)
        while found := await self._strays.strays(BATCH, after):
            ended += await self._end_all(found)
            after = found[-1].id
        return ended

    async def _end_all(self, found: Sequence[Stray]) -> int:
        """End those that nobody works on. Returns how many it was we who ended."""
        commits = [
            self._commits.commit(await self._end(stray))
            for stray in found
            # A job upstream is finished by whoever polls it, not here.
            if not stray.has_job and not self._is_running(stray.id)
        ]
        verdicts = await asyncio.gather(*commits)
        return sum(isinstance(verdict, Committed) for verdict in verdicts)

    async def _end(self, stray: Stray) -> Commit:
        """What fails and voids one."""
        attempts = await self._attempts.attempts(stray.account_id, stray.id)
        lost = tuple(
            attempt if attempt.state in _ENDED else replace(attempt, state=AttemptState.LOST)
            for attempt in attempts
        )
        finish = FinishGeneration(
            id=stray.id,
            account_id=stray.account_id,
            key_id=stray.key_id,
            owner_epoch=stray.owner_epoch,
            model=stray.model,
            state=GenerationState.FAILED,
            reason=Reason.REQUEST_NOT_RETAINED,
            attempts=lost,
        )
        void = Void(uuid4(), stray.account_id, stray.hold_id)
        release = KeyRelease(stray.account_id, stray.key_id)
        return Commit((finish, void, release), SETTLE_PATIENCE)
