"""Recomputes a whole ledger from what a dump or the database says, account by account. Pure.

Lines come in the order of `place`, so that a ledger of any size is checked in the memory of its
unresolved holds.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from billing.chain import (
    NOTHING,
    RESERVES,
    Bad,
    Chain,
    ChainCheck,
    Entry,
    Fault,
    Link,
    Seal,
    Standing,
    Verify,
    chain_of,
    change,
    difference,
    is_whole,
)
from billing.ledger import BOOKS, CUSTOMER

PATIENCE_US = 60_000_000
"""By which a row may be older than what is sealed elsewhere: two clocks, and a step of one."""


@dataclass(frozen=True, slots=True)
class BalanceLine:
    """What the table of balances says; the first line of an account."""

    account_id: UUID
    standing: Standing


@dataclass(frozen=True, slots=True)
class LinkLine:
    """A row in its chain, and what stands in the ledger under its id."""

    account_id: UUID
    chain: str
    link: Link
    entry: Entry | None


@dataclass(frozen=True, slots=True)
class SealLine:
    """A seal; after the row that it names."""

    account_id: UUID
    chain: str
    seal: Seal


@dataclass(frozen=True, slots=True)
class LooseLine:
    """A row that is in no chain; the last lines of an account."""

    account_id: UUID
    entry: Entry


Line = BalanceLine | LinkLine | SealLine | LooseLine
Place = tuple[str, int, str, int, int]


class OutOfOrder(Exception):
    """The lines are not in the order of `place`: this is no dump of ours."""


@dataclass(slots=True)
class Counts:
    """What was checked."""

    accounts: int = 0
    rows: int = 0
    seals: int = 0
    unsealed: int = 0
    balances_micros: int = 0
    """The sum of all customers' balances."""
    books: Counter[str] = field(default_factory=Counter)
    """What each of the operator's books has: with the balances it adds up to 0."""

    @property
    def sum_micros(self) -> int:
        return self.balances_micros + sum(self.books.values())


def place(line: Line) -> Place:
    """Where a line stands: no two are at the same place, except loose ones."""
    account = line.account_id.hex
    match line:
        case BalanceLine():
            return account, 0, "", 0, 0
        case LinkLine(chain=chain, link=link):
            return account, 1, chain, link.sequence, 0
        case SealLine(chain=chain, seal=seal):
            return account, 1, chain, seal.sequence, 1
        case LooseLine():
            return account, 2, "", 0, 0


class Audit:
    """Takes line after line and tells the first thing that is wrong with each account."""

    def __init__(self, verify: Verify, sealed_until_us: int) -> None:
        self._verify = verify
        self._sealed_until_us = sealed_until_us
        self._account: _Account | None = None
        self._place: Place | None = None
        self.counts = Counts()

    def take(self, line: Line) -> Iterator[Bad]:
        """The next line; raises OutOfOrder."""
        here = place(line)
        is_first = self._place is None or here > self._place
        if not (is_first or (isinstance(line, LooseLine) and here == self._place)):
            raise OutOfOrder
        self._place = here
        if self._account is None or self._account.id != line.account_id:
            yield from self.end()
            self.counts.accounts += 1
            self._account = _Account(line.account_id, self._verify, self._sealed_until_us)
        self._count(line)
        yield from self._account.take(line)

    def end(self) -> Iterator[Bad]:
        """Nothing more comes."""
        if self._account is not None:
            yield from self._account.end()
            self._account = None

    def _count(self, line: Line) -> None:
        counts = self.counts
        match line:
            case BalanceLine(standing=standing):
                counts.balances_micros += standing.posted_micros
            case LinkLine(entry=entry):
                counts.rows += 1
                self._book(entry)
            case LooseLine(entry=entry):
                counts.unsealed += 1
                self._book(entry)
            case SealLine():
                counts.seals += 1

    def _book(self, entry: Entry | None) -> None:
        if entry is None or entry.transfer.kind in RESERVES:
            return
        debit, credit = BOOKS.get(entry.transfer.kind, (CUSTOMER, CUSTOMER))
        if debit != CUSTOMER:
            self.counts.books[debit] -= entry.transfer.amount_micros
        if credit != CUSTOMER:
            self.counts.books[credit] += entry.transfer.amount_micros


class _Account:
    """One account, until the first thing that is wrong with it."""

    def __init__(self, id_: UUID, verify: Verify, sealed_until_us: int) -> None:
        self.id = id_
        self._verify = verify
        self._sealed_until_us = sealed_until_us
        self._balance: Standing | None = None
        self._check: ChainCheck | None = None
        self._chain: str = Chain.CUSTOMER
        self._last = 0
        self._standing = NOTHING
        self._is_over = False

    def take(self, line: Line) -> Iterator[Bad]:
        if not self._is_over:
            yield from self._found(self._bad(line))

    def end(self) -> Iterator[Bad]:
        if not self._is_over:
            yield from self._found(self._leave_chain() or self._balance_bad())

    def _found(self, bad: Bad | None) -> Iterator[Bad]:
        if bad is not None:
            self._is_over = True
            yield bad

    def _bad(self, line: Line) -> Bad | None:
        match line:
            case BalanceLine(standing=standing):
                self._balance = standing
                return None
            case LinkLine(chain=chain, link=link, entry=entry):
                return self._enter(chain) or self._checking.row(link, entry)
            case SealLine(chain=chain, seal=seal):
                return self._enter(chain) or self._checking.seal(seal)
            case LooseLine(entry=entry):
                return self._leave_chain() or self._loose(entry)

    @property
    def _checking(self) -> ChainCheck:
        assert self._check is not None
        return self._check

    def _enter(self, chain: str) -> Bad | None:
        """Go on with *chain*, which may be another than before."""
        if self._check is not None and self._chain == chain:
            return None
        bad = self._leave_chain()
        self._check, self._chain = ChainCheck(self.id, chain, self._verify), chain
        return bad

    def _leave_chain(self) -> Bad | None:
        check, self._check = self._check, None
        if check is None:
            return None
        if self._chain == Chain.CUSTOMER:
            self._standing, self._last = check.last.standing, check.last.sequence
        return check.end()

    def _loose(self, entry: Entry) -> Bad | None:
        """A row without a seal: it is new, or nobody sealed it."""
        row = entry.transfer
        is_new = entry.created_us >= self._sealed_until_us - PATIENCE_US
        if not is_new or row.kind not in BOOKS or not is_whole(row):
            return Bad(self.id, Chain.CUSTOMER, 0, row.id, Fault.ROW_ADDED)
        if chain_of(row.kind) is Chain.CUSTOMER:
            self._standing += change(row)
        return None

    def _balance_bad(self) -> Bad | None:
        """Whether the table of balances says what the rows come to."""
        fault = difference(self._balance or NOTHING, self._standing)
        if fault is None:
            return None
        return Bad(self.id, Chain.CUSTOMER, self._last, None, fault)
