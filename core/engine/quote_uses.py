"""That a quote is used once, and in its time: its part in the commit that holds its price. Pure."""

from collections.abc import Collection, Sequence
from uuid import UUID

from core.values import dataclass

Name = tuple[UUID, UUID]
"""Account and quote."""


@dataclass(frozen=True, slots=True)
class UseQuote:
    """A generation carries this quote. Commit as (NewGeneration, KeyUse, UseQuote, Hold).

    Refused by QuoteOver. After NewGeneration, so that a repeated request is a replay and not a
    second use.
    """

    account_id: UUID
    quote_id: UUID
    expires_us: int


@dataclass(frozen=True, slots=True)
class QuoteOver:
    """The quote has expired, or a generation has used it."""

    was_used: bool


class QuoteBook:
    """Which quotes were used, as a commit sees them."""

    def __init__(self, used: Collection[Name], now_us: int) -> None:
        self._used = set(used)
        self._now_us = now_us
        self.taken: list[UseQuote] = []

    def recalls(self, part: UseQuote) -> bool:  # noqa: ARG002 (nothing is remembered)
        """Never: whether its commit was done before is known from the hold beside it."""
        return False

    def recall(self, part: UseQuote) -> None:
        """Answer nothing."""

    def refusal(self, part: UseQuote) -> QuoteOver | None:
        if (part.account_id, part.quote_id) in self._used:
            return QuoteOver(was_used=True)
        return QuoteOver(was_used=False) if part.expires_us <= self._now_us else None

    def turned_away(self, part: UseQuote, refusal: QuoteOver) -> None:
        """Nothing to note."""

    def take(self, part: UseQuote) -> None:
        self._used.add((part.account_id, part.quote_id))
        self.taken.append(part)


class MemoryQuoteUses:
    """The quotes' part in a commit to memory (a `storage.memory.MemoryParticipant`)."""

    parts: tuple[type, ...] = (UseQuote,)

    def __init__(self) -> None:
        self.used: set[Name] = set()

    def book(self, parts: Sequence[UseQuote], now_us: int) -> QuoteBook:
        names = {(part.account_id, part.quote_id) for part in parts}
        return QuoteBook(self.used & names, now_us)

    def apply(self, book: QuoteBook) -> None:
        self.used.update((part.account_id, part.quote_id) for part in book.taken)
