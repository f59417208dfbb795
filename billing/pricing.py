"""What a request costs: prices are data, money is integer micro-dollars. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from fractions import Fraction

CREDIT_MICROS = 1_000
"""One credit is $0.001."""
MILLI = 1_000
"""Quantities of a line are in thousandths: a receipt may tell parts of a unit."""

TIME_UNITS: Mapping[str, int] = {"second": 1, "minute": 60}
"""Units that are lengths, in seconds: a started one is charged, of each output."""


class PriceError(Exception):
    """There is no price, or there are two, for these facts: the catalogue must be mended."""


@dataclass(frozen=True, slots=True)
class PriceRow:
    """What one unit costs where the conditions hold, from a moment on."""

    unit: str
    """`image`, `second`, `minute`, `character`, `token`: what is counted."""
    amount_micros: int
    """For `per` units."""
    conditions: Mapping[str, str] = field(default_factory=dict)
    """All must hold: `{"quality": "high", "size": "1024x1024"}`."""
    effective_from: date | datetime | None = None
    """Aware; a date begins at midnight UTC; None: since ever."""
    per: int = 1
    """Units that the amount is for: 1,000,000 for prices per million tokens."""


@dataclass(frozen=True, slots=True)
class PriceLine:
    """One part of a price or of a charge, so that anybody can multiply it again."""

    unit: str
    quantity_milli: int
    """Units, in thousandths."""
    unit_micros: int
    """What `per` units cost."""
    amount_micros: int
    """Of the line; a started one is charged, once."""
    conditions: Mapping[str, str] = field(default_factory=dict)
    """What chose the price."""
    per: int = 1


def quote(
    rows: Sequence[PriceRow], facts: Mapping[str, str], units: Mapping[str, int], now: datetime
) -> int:
    """The most that so many units may cost, in micro-dollars: the sum of `price_lines`."""
    return total(price_lines(rows, facts, units, now))


def price_lines(
    rows: Sequence[PriceRow], facts: Mapping[str, str], units: Mapping[str, int], now: datetime
) -> tuple[PriceLine, ...]:
    """What the most that so many units may cost is made of, one line for each kind of unit.

    A fact that is missing is not known yet (`auto`): the dearest row that may come to hold
    counts. Raises PriceError when a unit has no row that could hold, or two of equal
    standing hold.
    """
    assert all(count >= 0 for count in units.values())
    return tuple(
        [
            PriceLine(
                unit,
                count * MILLI,
                row.amount_micros,
                # -(-x // y) rounds up.
                -(-row.amount_micros * count // row.per),
                row.conditions,
                row.per,
            )
            for unit, count in units.items()
            for row in [dearest(rows, unit, facts, now)]
        ]
    )


def total(lines: Iterable[PriceLine]) -> int:
    """What *lines* come to."""
    return sum([line.amount_micros for line in lines])


def charged_lines(quoted: Sequence[PriceLine], charged_micros: int) -> tuple[PriceLine, ...]:
    """What a charge is made of, from the lines of the most that it could be: for receipts.

    Their amounts add up to *charged_micros* exactly. A charge is a part of what was quoted
    (`share`), so each line has the same part of its units. Nothing charged: no lines.
    """
    whole, before, taken = total(quoted), 0, 0
    if not charged_micros or not whole:
        return ()
    lines = []
    for line in quoted:
        before += line.amount_micros
        upto = -(-charged_micros * before // whole)
        units = (2 * line.quantity_milli * charged_micros + whole) // (2 * whole)  # the nearest
        lines.append(replace(line, quantity_milli=units, amount_micros=upto - taken))
        taken = upto
    return tuple(lines)


def share(quoted_micros: int, made: int, asked: int) -> int:
    """What *made* units of a quote for *asked* cost; a started micro-dollar is charged.

    All rows of a model have one unit, so a quote is the same amount for each.
    """
    assert 0 <= made <= asked
    return -(-quoted_micros * made // asked)


def started(seconds: int, length: int) -> int:
    """How many units of *length* seconds are begun in *seconds*."""
    return -(-seconds // length)


def length_of(lines: Iterable[PriceLine]) -> int:
    """In steps of how many seconds the length of an output is charged; 1 if it is not."""
    return max([TIME_UNITS.get(line.unit, 1) for line in lines], default=1)


def dearest(
    rows: Iterable[PriceRow], unit: str, facts: Mapping[str, str], now: datetime
) -> PriceRow:
    """Of the rows that hold or may come to hold, the one that costs most per unit."""
    possible = in_force([row for row in rows if row.unit == unit and may_hold(row, facts)], now)
    if not possible:
        raise PriceError(f"no price per {unit} for {sorted(facts.items())}")
    certain = [row for row in possible if row.conditions.keys() <= facts.keys()]
    # Where every fact is known, the row with the most conditions is the exception to the rest.
    most = max((len(row.conditions) for row in certain), default=0)
    exact = [row for row in certain if len(row.conditions) == most]
    if len(exact) > 1:
        raise PriceError(f"{len(exact)} prices per {unit} for {sorted(facts.items())}")
    uncertain = [row for row in possible if not row.conditions.keys() <= facts.keys()]
    return max([*exact, *uncertain], key=lambda row: Fraction(row.amount_micros, row.per))


def may_hold(row: PriceRow, facts: Mapping[str, str]) -> bool:
    """Whether no known fact contradicts the row's conditions."""
    return all(facts.get(name, value) == value for name, value in row.conditions.items())


def in_force(rows: Sequence[PriceRow], now: datetime) -> list[PriceRow]:
    """Of rows with the same conditions, the latest that has begun."""
    latest: dict[frozenset[tuple[str, str]], PriceRow] = {}
    for row in rows:
        if begins(row) > now:
            continue
        name = frozenset(row.conditions.items())
        before = latest.get(name)
        if before is not None and begins(before) == begins(row):
            raise PriceError(f"two prices per {row.unit} for {sorted(row.conditions.items())}")
        if before is None or begins(before) < begins(row):
            latest[name] = row
    return list(latest.values())


def begins(row: PriceRow) -> datetime:
    """From when on the row counts."""
    start = row.effective_from
    if start is None:
        return datetime.min.replace(tzinfo=UTC)
    if isinstance(start, datetime):
        return start
    return datetime.combine(start, time.min, UTC)
