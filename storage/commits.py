"""What a commit is, and the pure decision over a batch of them.

A commit is a tuple of parts: typed records that the rooms of the house contribute
(a key's use, a hold, a new generation). Either all parts are taken or none is. A
batch of commits is decided here, in arrival order, against the books that the rooms
opened from rows they have locked; whoever stores the result does so in one transaction.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from storage.pool import StorageUnavailable

HOLD_PATIENCE = 5.0
SETTLE_PATIENCE = 30.0


class Commit(NamedTuple):
    """Parts that are taken together or not at all.

    The first part that is refused gives the refusal, so the order of the parts is the
    order of the questions: (NewGeneration, KeyUse, Hold) asks for a replay before it
    counts a request, and counts a request before it looks at the balance.
    """

    parts: tuple[object, ...]
    patience: float = HOLD_PATIENCE
    """Seconds to keep trying while the database is away: 5 for holds, 30 for settles."""


class Committed(NamedTuple):
    """Every part is durable. `answers` stand in the order of the parts."""

    answers: tuple[Any, ...]
    resent: bool = False
    """It had been committed before; nothing was taken twice."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing of the commit was taken, for this reason (a record of the room that refused)."""

    refusal: Any


Verdict = Committed | Refused


class CommitUnanswered(StorageUnavailable):
    """The database did not answer in time. `in_doubt`: the commit may have happened."""

    def __init__(self, *, in_doubt: bool) -> None:
        super().__init__("commit in doubt" if in_doubt else "nothing committed")
        self.in_doubt = in_doubt


class CommitRejected(Exception):
    """The database refused a record that the books had let pass: a defect on our side."""

    def __init__(self, sqlstate: str, constraint: str) -> None:
        super().__init__(f"{sqlstate} {constraint}")
        self.sqlstate = sqlstate
        self.constraint = constraint


class Book(Protocol):
    """What one room knows about the rows of a batch, and decides. Pure: no I/O, no clock."""

    def recalls(self, part: Any) -> bool:
        """Whether this very part was committed before (its commit is being sent again)."""
        ...

    def recall(self, part: Any) -> object:
        """The answer to a part of a commit that was committed before; takes nothing."""
        ...

    def refusal(self, part: Any) -> object | None:
        """Why the part cannot be taken after all that was taken so far; takes nothing."""
        ...

    def turned_away(self, part: Any, refusal: Any) -> None:
        """The commit ends with this refusal of ours: note what belongs to it (a claim)."""
        ...

    def take(self, part: Any) -> object:
        """Take the part, which was not refused. Returns the answer."""
        ...


def decide(commits: Iterable[Commit], books: Mapping[type, Book]) -> Sequence[Verdict]:
    """Judge the commits in arrival order; a refused one takes nothing from later ones.

    `books` maps the type of a part to the book that decides over it.
    """
    return [_judge(commit.parts, books) for commit in commits]


def _judge(parts: tuple[object, ...], books: Mapping[type, Book]) -> Verdict:
    pairs = [(books[type(part)], part) for part in parts]
    for book, part in pairs:
        if book.recalls(part):
            return Committed(tuple([book.recall(part) for book, part in pairs]), resent=True)
    for book, part in pairs:
        refusal = book.refusal(part)
        if refusal is not None:
            book.turned_away(part, refusal)
            return Refused(refusal)
    return Committed(tuple([book.take(part) for book, part in pairs]))


class Commits(Protocol):
    """Where commits go: the group committer on PostgreSQL, or its twin in memory."""

    async def commit(self, commit: Commit) -> Verdict:
        """Make the commit durable, or say who refused it.

        Raises CommitUnanswered after `commit.patience` seconds without an answer, and
        CommitRejected for a defect. A caller that is cancelled while this runs learns
        nothing about the outcome: shield it.
        """
        ...
