"""The group committer: many commits in one durable transaction, at most one under way.

There is no timer. An idle committer flushes at once; what arrives during a flush is the
next batch.
A flush is two round trips: lock and read, then, after a pure decision, write and COMMIT. When
the answer is lost, the batch is done again: under the locks it sees which of its records are
there already, so nothing is taken twice.
"""

import asyncio
import struct
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from storage.commits import Commit, CommitRejected, CommitUnanswered, Verdict
from storage.pipeline import ConnectionLost, Pipeline, StatementFailed
from storage.pool import connection_string
from storage.transaction import Participant, Transaction, places_of

_BATCH = 256
_FLUSH_SECONDS = 3.0
_PAUSES = (0.02, 0.05, 0.1, 0.2, 0.4)
# A generic plan, made while the tables are small, must suit them when they are large: by index.
_SERVER = {
    "synchronous_commit": "on",
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_bitmapscan": "off",
    "enable_material": "off",
    "jit": "off",
    "lock_timeout": "2500",
    "statement_timeout": "2500",
    "idle_in_transaction_session_timeout": "3000",
}
# Deadlock, serialisation failure, our own timeouts; the server going, full, read-only or tired of
# us: the same batch may pass later.
_PASSING = ("40", "55P03", "57014", "08", "53", "57P", "58", "25006", "25P0")
# What a record that nobody should have sent makes of our own code.
_DEFECTS = (AssertionError, AttributeError, LookupError, TypeError, ValueError, struct.error)


class _Entry:
    """A commit that waits for its verdict."""

    __slots__ = ("commit", "deadline", "in_doubt", "verdict")

    def __init__(self, commit: Commit, verdict: asyncio.Future[Verdict], deadline: float) -> None:
        self.commit = commit
        self.verdict = verdict
        self.deadline = deadline
        self.in_doubt = False

    def fail(self, error: Exception) -> None:
        if not self.verdict.done():
            self.verdict.set_exception(error)


class Committer:
    """Commits to PostgreSQL, in groups. One per process, open from `async with` to its end."""

    def __init__(self, url: str, participants: Sequence[Participant]) -> None:
        self._conninfo = commit_conninfo(url)
        self._participants = tuple(participants)
        self._places = places_of(self._participants)
        self._queue: deque[_Entry] = deque()
        self._arrived = asyncio.Event()
        self._pipeline: Pipeline | None = None
        self._flusher: asyncio.Task[None] | None = None
        self._is_open = False

    async def __aenter__(self) -> Self:
        self._is_open = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop. Who still waits gets CommitUnanswered: let finishes finish before."""
        self._is_open = False
        if self._flusher is not None:
            self._flusher.cancel()
            await asyncio.wait([self._flusher])

    @property
    def is_connected(self) -> bool:
        """Whether the last that was heard of the database was good."""
        return self._pipeline is not None

    async def commit(self, commit: Commit) -> Verdict:
        """See `storage.commits.Commits.commit`."""
        if not self._is_open:
            raise CommitUnanswered(in_doubt=False)
        # Begun here, so that a defect that ended it costs only those who waited then.
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.create_task(self._run(), name="committer")
        loop = asyncio.get_running_loop()
        entry = _Entry(commit, loop.create_future(), loop.time() + commit.patience)
        self._queue.append(entry)
        self._arrived.set()
        return await entry.verdict

    async def _run(self) -> None:
        """Flush until cancelled."""
        batch: list[_Entry] = []
        try:
            while True:
                await self._arrived.wait()
                batch = self._next_batch()
                await self._answer(batch)
        finally:
            self._hang_up()
            for entry in (*batch, *self._queue):
                entry.fail(CommitUnanswered(in_doubt=entry.in_doubt))
            self._queue.clear()

    def _next_batch(self) -> list[_Entry]:
        """What to flush now."""
        batch = [self._queue.popleft() for _ in range(min(_BATCH, len(self._queue)))]
        if not self._queue:
            self._arrived.clear()
        return batch

    async def _answer(self, batch: Sequence[_Entry]) -> None:
        """Give every entry its verdict or its error, in as many tries as its patience allows.

        Callers that were cancelled before are left out: for them nothing happens.
        """
        tries = 0
        while waiting := [entry for entry in batch if not entry.verdict.done()]:
            try:
                await self._flush(waiting)
            except (StatementFailed, *_DEFECTS) as failure:
                self._hang_up()
                if not (isinstance(failure, StatementFailed) and is_passing(failure)):
                    return await self._isolate(waiting, failure)
            except (ConnectionLost, TimeoutError):
                self._hang_up()
            else:
                return None
            pause = _PAUSES[min(tries, len(_PAUSES) - 1)]
            self._expire((*waiting, *self._queue), pause)
            await asyncio.sleep(pause)
            tries += 1
        return None

    async def _isolate(self, waiting: Sequence[_Entry], failure: Exception) -> None:
        """A record was refused by a constraint or broke our code: it shall fail alone."""
        if len(waiting) == 1:
            waiting[0].fail(rejection(failure))
            return
        for entry in waiting:
            await self._answer([entry])

    async def _flush(self, entries: Sequence[_Entry]) -> None:
        """One transaction for all entries. After an error the connection is of no more use."""
        if self._pipeline is None:
            # A server that does not even greet must not outlast anybody's patience.
            patience = min(entry.deadline for entry in (*entries, *self._queue))
            async with asyncio.timeout_at(patience):
                self._pipeline = await Pipeline.open(self._conninfo)
        commits = [entry.commit for entry in entries]
        transaction = Transaction(self._participants, self._places, commits)
        until = asyncio.get_running_loop().time() + _FLUSH_SECONDS
        rows = await self._pipeline.run(transaction.first_trip(), until)
        verdicts, second_trip = transaction.decide(rows)
        for entry in entries:
            entry.in_doubt = True
        await self._pipeline.run(second_trip, until)
        for entry, verdict in zip(entries, verdicts, strict=True):
            if not entry.verdict.done():  # its caller may be gone; the commit stands
                entry.verdict.set_result(verdict)

    def _expire(self, entries: Sequence[_Entry], pause: float) -> None:
        """Give up on who would lose patience during *pause*."""
        now = asyncio.get_running_loop().time() + pause
        for entry in entries:
            if entry.deadline < now:
                entry.fail(CommitUnanswered(in_doubt=entry.in_doubt))

    def _hang_up(self) -> None:
        """Close the connection at once; the server rolls back what was not committed."""
        if self._pipeline is not None:
            self._pipeline.close()
            self._pipeline = None


def is_passing(failure: StatementFailed) -> bool:
    """Whether the same batch may pass later."""
    return failure.sqlstate.startswith(_PASSING)


def rejection(failure: Exception) -> CommitRejected:
    """What the sender of a poison record is told: names, never values."""
    if isinstance(failure, StatementFailed):
        return CommitRejected(failure.sqlstate, failure.constraint)
    return CommitRejected("", type(failure).__name__)


def commit_conninfo(url: str) -> str:
    """*url* with the settings of the commit path. Holds the password: a secret."""
    given = str(conninfo_to_dict(url).get("options") or "")
    options = " ".join(f"-c {key}={value}" for key, value in _SERVER.items())
    return connection_string(make_conninfo(url, options=f"{given} {options}"), "reapi-commit")
