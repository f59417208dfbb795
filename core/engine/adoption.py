"""What becomes of generations that nobody works on any more.

Their process ended, or lost its lease, or never learned that its hold was committed. Who has,
or may have, a job at a provider is taken over (`core.engine.adopted`). Who has none is lost with
its request, which was only in that process's memory: it fails as REQUEST_NOT_RETAINED and its
hold is voided, in one commit. That commit is a compare-and-set on the owner and the state, so
any number of adopters may try at once, and an owner that was only slow finds out at its own
finish.
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
from storage.commits import SETTLE_PATIENCE, Commit, CommitRejected, Commits, Committed
from storage.pool import StorageUnavailable

BATCH = 200
READS = 8
"""At once: half of the pool is for requests."""
OWN_SECONDS = 60.0
"""How long a generation of ours may be unknown to us: its hold may still be on its way."""
OWN_LOOK_SECONDS = 15.0
"""Between two looks for those: with 10,000 that we do know each look reads as many rows."""

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


class Jobs(Protocol):
    """What is done with those that have a job: `core.engine.adopted.Adopter`."""

    def job_of(self, attempts: Sequence[AttemptRecord]) -> AttemptRecord | None: ...

    async def adopt(
        self, stray: Stray, attempts: Sequence[AttemptRecord], job: AttemptRecord, epoch: int
    ) -> bool: ...


class Adoption:
    """Ends what nobody else will. *is_running* tells whether this process works on one.

    *on_defect* is told which one the database refuses to end, at every pass.
    """

    def __init__(
        self,
        strays: Strays,
        attempts: AttemptReads,
        commits: Commits,
        is_running: Callable[[UUID], bool],
        jobs: Jobs | None = None,
        on_defect: Callable[[UUID, CommitRejected], None] | None = None,
    ) -> None:
        self._strays = strays
        self._attempts = attempts
        self._commits = commits
        self._is_running = is_running
        self._jobs = jobs
        self._on_defect = on_defect
        self._reading = asyncio.Semaphore(READS)
        self._own_due = float("-inf")

    async def run(self, epoch: int) -> int:
        """Until nothing is left, for the process of *epoch*. Returns how many it ended.

        Raises StorageUnavailable, after it has tried all others.
        """
        outcomes = await self._end_own(epoch)
        after = UUID(int=0)
        while found := await self._strays.strays(BATCH, after):
            outcomes += await self._end_all(found, epoch)
            after = found[-1].id
        failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        # What we did not foresee first: storage comes back by itself.
        failures.sort(key=lambda failure: isinstance(failure, StorageUnavailable))
        if failures:
            raise failures[0]
        return sum(outcome is True for outcome in outcomes)

    async def _end_own(self, epoch: int) -> list[bool | BaseException]:
        """The same for generations of ours that nobody here knows, from time to time."""
        now = asyncio.get_running_loop().time()
        if now < self._own_due:
            return []
        found = await self._strays.open_of(epoch, OWN_SECONDS)
        self._own_due = now + OWN_LOOK_SECONDS
        return await self._end_all(found, epoch)

    async def _end_all(self, found: Sequence[Stray], epoch: int) -> list[bool | BaseException]:
        """Deal with those that nobody works on: whether it was we who did, or why that failed."""
        ends = [self._end(stray, epoch) for stray in found if not self._is_running(stray.id)]
        return await asyncio.gather(*ends, return_exceptions=True)

    async def _end(self, stray: Stray, epoch: int) -> bool:
        """End or adopt one; one that cannot be ended is in nobody's way."""
        async with self._reading:
            attempts = await self._attempts.attempts(stray.account_id, stray.id)
            job = self._jobs.job_of(attempts) if self._jobs is not None else None
            if self._jobs is not None and job is not None:
                return await self._jobs.adopt(stray, attempts, job, epoch)
        try:
            verdict = await self._commits.commit(_lost(stray, attempts))
        except CommitRejected as defect:
            if self._on_defect is not None:
                self._on_defect(stray.id, defect)
            return False
        return isinstance(verdict, Committed)


def _lost(stray: Stray, attempts: Sequence[AttemptRecord]) -> Commit:
    """What fails and voids one."""
    ended = tuple(
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
        attempts=ended,
    )
    void = Void(uuid4(), stray.account_id, stray.hold_id)
    release = KeyRelease(stray.account_id, stray.key_id)
    return Commit((finish, void, release), SETTLE_PATIENCE)
