"""What is left of a price when the provider is paid, by model, channel and case. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from itertools import product

from billing.pricing import MILLI, PriceError, PriceLine, PriceRow, charged_lines, dearest

Case = Mapping[str, str]
"""Values of what prices or costs depend on."""


@dataclass(frozen=True, slots=True)
class Margin:
    """What one unit brings, and costs, where the conditions hold."""

    unit: str
    conditions: Case
    price_micros: Fraction
    cost_micros: Fraction | None
    """None: not known."""

    @property
    def percent(self) -> Fraction | None:
        """Of the price; None where it is not known, or nothing is charged."""
        if self.cost_micros is None or not self.price_micros:
            return None
        return 100 * (self.price_micros - self.cost_micros) / self.price_micros

    @property
    def is_loss(self) -> bool:
        """Whether the provider costs more than the caller pays."""
        return self.cost_micros is not None and self.cost_micros > self.price_micros


def cases(rows: Iterable[PriceRow], offered: Mapping[str, Sequence[str]]) -> Iterator[Case]:
    """Everything that *rows* tell apart, of the values that are *offered*."""
    names = sorted({name for row in rows for name in row.conditions} & offered.keys())
    for values in product(*(offered[name] for name in names)):
        yield dict(zip(names, values, strict=True))


def margins(
    prices: Sequence[PriceRow],
    costs: Sequence[PriceRow],
    offered: Mapping[str, Sequence[str]],
    now: datetime,
) -> Iterator[Margin]:
    """One for each pair of a price and a cost that some case has.

    Its conditions are those of both: where neither asks about something, it holds for all of it.
    """
    seen: set[tuple[int, int]] = set()
    for unit in sorted({row.unit for row in prices}):
        for case in cases((*prices, *costs), offered):
            price, cost = _row(prices, unit, case, now), _row(costs, unit, case, now)
            if price is None or (id(price), id(cost)) in seen:
                continue
            seen.add((id(price), id(cost)))
            conditions = {**price.conditions, **({} if cost is None else cost.conditions)}
            yield Margin(unit, conditions, _each(price), None if cost is None else _each(cost))


def _row(rows: Sequence[PriceRow], unit: str, case: Case, now: datetime) -> PriceRow | None:
    try:
        return dearest(rows, unit, case, now)
    except PriceError:
        return None


def _each(row: PriceRow) -> Fraction:
    return Fraction(row.amount_micros, row.per)


@dataclass(frozen=True, slots=True)
class Usage:
    """Generations that were priced, charged and served alike."""

    model: str
    channel: str
    quoted: Sequence[PriceLine]
    facts: Case
    """What is known of them besides what chose their price."""
    charged_micros: int
    """Of each."""
    count: int


def real_margins(
    usage: Iterable[Usage], costs: Mapping[str, Sequence[PriceRow]], now: datetime
) -> dict[tuple[str, str], tuple[Margin, int]]:
    """What the generations of each model and channel brought and cost at most, and how many.

    By today's costs. Not known where the cost of any of them is not. What was made for nothing
    (hedges, refusals that are billed) is on the operator's books, not here.
    """
    found: dict[tuple[str, str], tuple[Margin, int]] = {}
    for each in usage:
        name = (each.model, each.channel)
        charged, paid = Fraction(each.charged_micros * each.count), _paid(each, costs, now)
        before, count = found.get(name, (Margin("all", {}, Fraction(0), Fraction(0)), 0))
        cost = None if paid is None or before.cost_micros is None else before.cost_micros + paid
        found[name] = (
            Margin("all", {}, before.price_micros + charged, cost),
            count + each.count,
        )
    return dict(sorted(found.items()))


def _paid(each: Usage, costs: Mapping[str, Sequence[PriceRow]], now: datetime) -> Fraction | None:
    """What the provider charged for all of them; what is not known of them counts as the most."""
    lines = charged_lines(each.quoted, each.charged_micros)
    total = Fraction(0)
    for line in lines:
        facts = {**each.facts, **line.conditions}
        cost = _row(costs.get(each.channel, ()), line.unit, facts, now)
        if cost is None:
            return None
        total += _each(cost) * line.quantity_milli / MILLI
    return total * each.count if lines else None
