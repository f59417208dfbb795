"""Commits in memory: the same books and the same decision, without a database."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from storage.commits import Book, Commit, Verdict, decide


class MemoryParticipant(Protocol):
    """A room of the house that keeps its rows in memory."""

    @property
    def parts(self) -> tuple[type, ...]:
        """The types of record it decides over."""
        ...

    def book(self, parts: Sequence[Any], now_us: int) -> Book:
        """A book over what matters for *parts*; changing it changes nothing here."""
        ...

    def apply(self, book: Any) -> None:
        """Keep what *book* took."""
        ...


class MemoryCommitter:
    """Decides and keeps commits one after another; twin of `storage.committer.Committer`.

    *clock* gives microseconds since 1970.
    """

    def __init__(self, participants: Sequence[MemoryParticipant], clock: Callable[[], int]) -> None:
        self._participants = tuple(participants)
        self._clock = clock

    async def commit(self, commit: Commit) -> Verdict:
        """See `storage.commits.Commits.commit`."""
        (verdict,) = self.commit_batch([commit])
        return verdict

    def commit_batch(self, commits: Sequence[Commit]) -> Sequence[Verdict]:
        """Decide over several at once, in order."""
        now_us = self._clock()
        parts = [part for commit in commits for part in commit.parts]
        books = [
            (room, room.book([part for part in parts if type(part) in room.parts], now_us))
            for room in self._participants
        ]
        verdicts = decide(commits, {kind: book for room, book in books for kind in room.parts})
        for room, book in books:
            room.apply(book)
        return verdicts
