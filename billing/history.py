"""An account's ledger as its owner reads it: movements, months and their lines. Pure.

A month is the rows that stand in the account's chain from the first one at or after its start to
the first one at or after its end: months share no row and leave none out, whatever clocks did.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID

from billing.chain import Entry, Standing, change, word
from billing.ledger import DEBT, REPAYMENT, Transfer, derived_id

USE = frozenset({"hold", "settle", "void"})
"""The kinds that every generation writes; the others are few."""
CSV_HEADING = ("day", "kind", "model", "count", "amount_micros")
_SPENT = "settle"
_NUMBERS: Mapping[str, int] = {"debt": DEBT, "repayment": REPAYMENT}
_MONTHS_A_YEAR = 12
_NIL = UUID(int=0)


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A month in UTC."""

    year: int
    number: int

    @classmethod
    def of(cls, moment: datetime) -> "Month":
        """The month that *moment* is in."""
        utc = moment.astimezone(UTC)
        return cls(utc.year, utc.month)

    @property
    def next(self) -> "Month":
        """The month after."""
        if self.number < _MONTHS_A_YEAR:
            return Month(self.year, self.number + 1)
        return Month(self.year + 1, 1)

    @property
    def start(self) -> datetime:
        """Its first moment."""
        return datetime(self.year, self.number, 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """The first moment of the next."""
        return self.next.start

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.number:02d}"


@dataclass(frozen=True, slots=True)
class Movement:
    """One row of the ledger, with where it stands."""

    sequence: int
    """In the account's chain. A row that is not sealed yet has the one that it will get."""
    entry: Entry
    balance_micros: int
    """What is posted afterwards."""
    generation_id: UUID | None = None
    payment_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Some rows of one kind, on one day."""

    day: date
    kind: str
    """The ledger's."""
    model: str
    count: int
    amount_micros: int
    """The sum of what the rows name: not signed."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a statement: what one kind of movement did to the balance on one day."""

    day: date
    kind: str
    """The contract's word: `debt_repayment`."""
    model: str
    """Of charges, while the rows that know it live; otherwise empty."""
    count: int
    amount_micros: int
    """Signed."""


@dataclass(frozen=True, slots=True)
class Statement:
    """The sums of one month. Opening + added - spent - removed = closing."""

    month: Month
    opening_micros: int
    added_micros: int
    spent_micros: int
    removed_micros: int
    is_final: bool
    """Nothing can be added any more: the month is over, and all its rows are sealed."""

    @property
    def closing_micros(self) -> int:
        return self.opening_micros + self.added_micros - self.spent_micros - self.removed_micros


def moves(kind: str, amount_micros: int) -> int:
    """What rows of that kind and amount do to the balance together."""
    return change(Transfer(_NIL, _NIL, kind, amount_micros)).posted_micros


def followed(sequence: int, standing: Standing, entries: Iterable[Entry]) -> list[Movement]:
    """The movements that *entries* are after the row of that *sequence* and *standing*."""
    found = []
    for number, entry in enumerate(entries, sequence + 1):
        standing += change(entry.transfer)
        found.append(Movement(number, entry, standing.posted_micros))
    return found


def cause_of(row: Transfer) -> UUID:
    """The id of the transfer that brought *row* about, or its own."""
    return derived_id(row.id, _NUMBERS.get(row.kind, 0))


def lines_of(groups: Iterable[Group]) -> list[Line]:
    """The lines of a statement, oldest first: of what changed the balance."""
    found: dict[tuple[date, str, str], tuple[int, int]] = defaultdict(lambda: (0, 0))
    for group in groups:
        if not moves(group.kind, 1):
            continue
        name = (group.day, word(group.kind), group.model)
        count, amount = found[name]
        found[name] = (count + group.count, amount + moves(group.kind, group.amount_micros))
    return [Line(*name, *sums) for name, sums in sorted(found.items())]


def statement_of(
    month: Month, opening_micros: int, lines: Iterable[Line], *, is_final: bool
) -> Statement:
    """The sums of a month from all its lines."""
    added = spent = removed = 0
    for line in lines:
        if line.kind == _SPENT:
            spent -= line.amount_micros
        elif line.amount_micros > 0:
            added += line.amount_micros
        else:
            removed -= line.amount_micros
    return Statement(month, opening_micros, added, spent, removed, is_final)


def statement_between(
    month: Month, balances: tuple[int, int], others: Iterable[Line], *, is_final: bool
) -> Statement:
    """The same from the balances around it and the lines of what is no charge.

    What is left is what was spent: the many rows of charges need not be read.
    """
    opening, closing = balances
    known = statement_of(month, opening, others, is_final=is_final)
    spent = known.closing_micros - closing
    return Statement(month, opening, known.added_micros, spent, known.removed_micros, is_final)


def csv_of(lines: Sequence[Line]) -> str:
    """The lines as text with a heading row (RFC 4180)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(CSV_HEADING)
    for line in lines:
        writer.writerow((line.day, line.kind, line.model, line.count, line.amount_micros))
    return text.getvalue()
