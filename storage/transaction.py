"""One batch of commits as one transaction: what to lock and read, the decision, what to write."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from storage.commits import Book, Commit, Verdict, decide
from storage.lone import lone
from storage.pipeline import Rows, Statement

Read = tuple[int, str, tuple[Any, ...]]
"""Rank, SQL with casts, parameters. Locks are taken by rising rank, and by rising id within
one statement, in every process: keys 10, budgets 15, balances 20, transfers 30, idempotency 40,
generations 50, what needs no lock above."""

_BEGIN: Statement = ("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE", ())
_COMMIT: Statement = ("COMMIT", ())
_ROLLBACK: Statement = ("ROLLBACK", ())
# The last one: whoever decided before us, under a lock that we had to wait for, has an
# earlier time than we. (In the statement that locks it would be read before the wait.)
_CLOCK: Statement = ("SELECT clock_timestamp()", ())


class Participant(Protocol):
    """A room of the house that takes part in commits: its records, its SQL, its book."""

    @property
    def parts(self) -> tuple[type, ...]:
        """The types of record it decides over."""
        ...

    def reads(self, parts: Sequence[Any]) -> Sequence[Read]:
        """What to lock and read for *parts*, which may have been committed before."""
        ...

    def book(self, rows: Sequence[Rows], now_us: int) -> Book:
        """A book over the rows of `reads`, in that order; *now_us* by the database's clock."""
        ...

    def writes(self, book: Any) -> Sequence[Statement]:
        """What makes durable what *book* took; nothing where it took nothing."""
        ...


def places_of(participants: Sequence[Participant]) -> Mapping[type, int]:
    """Of each type of record, where the room stands that decides over it."""
    return {kind: place for place, room in enumerate(participants) for kind in room.parts}


class Transaction:
    """What one batch does in its two round trips."""

    def __init__(
        self,
        participants: Sequence[Participant],
        places: Mapping[type, int],
        commits: Sequence[Commit],
    ) -> None:
        """*places*: see `places_of` the participants."""
        self._commits = commits
        parts: list[list[Any]] = [[] for _ in participants]
        for commit in commits:
            for part in commit.parts:
                parts[places[type(part)]].append(part)
        self._involved = [each for each in zip(participants, parts, strict=True) if each[1]]
        reads = [
            (rank, index, sql, parameters)
            for index, (room, parts) in enumerate(self._involved)
            for rank, sql, parameters in room.reads(parts)
        ]
        # Stable: statements of one rank and room stay in the room's own order.
        self._reads = sorted(reads, key=lambda read: read[0])

    def first_trip(self) -> list[Statement]:
        """Lock and read, then look at the clock."""
        reads = [lone((sql, parameters)) for _, _, sql, parameters in self._reads]
        return [_BEGIN, *reads, _CLOCK]

    def decide(self, results: Sequence[Rows]) -> tuple[Sequence[Verdict], list[Statement]]:
        """From what the first trip gave: the verdicts, true once the second trip is done.

        The second trip ends in COMMIT, or in ROLLBACK where nothing was taken.
        """
        _, *results, ((now_us,),) = results
        rows: list[list[Rows]] = [[] for _ in self._involved]
        # Back to each room's own order: ranks need not rise within a room's list.
        for (_, index, _, _), found in zip(self._reads, results, strict=True):
            rows[index].append(found)
        books = [
            (room, room.book(found, now_us))
            for (room, _), found in zip(self._involved, rows, strict=True)
        ]
        by_type = {kind: book for room, book in books for kind in room.parts}
        verdicts = decide(self._commits, by_type)
        writes = [lone(statement) for room, book in books for statement in room.writes(book)]
        return verdicts, [*writes, _COMMIT] if writes else [_ROLLBACK]
