"""What prices and charges are made of: lines that anybody can multiply and add up again."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from billing.pricing import (
    MILLI,
    TIME_UNITS,
    PriceLine,
    PriceRow,
    charged_lines,
    length_of,
    price_lines,
    quote,
    share,
    started,
    total,
)

NOW = datetime(2030, 6, 1, 12, tzinfo=UTC)
QUALITIES, MODES = ("low", "medium", "high"), ("text", "video")
UNITS = ("image", "second", "minute", "character", "token")

AMOUNTS = st.integers(1, 10**9)
PERS = st.sampled_from([1, 60, 1_000, 1_000_000])
TABLES = st.fixed_dictionaries(
    {unit: st.lists(st.tuples(AMOUNTS, PERS), min_size=6, max_size=6) for unit in UNITS}
)
"""Of each unit, an amount for every case."""
COUNTS = st.fixed_dictionaries({unit: st.integers(0, 10**6) for unit in UNITS})
FACTS = st.fixed_dictionaries(
    {}, optional={"quality": st.sampled_from(QUALITIES), "mode": st.sampled_from(MODES)}
)


def rows_of(table: Mapping[str, Sequence[tuple[int, int]]]) -> list[PriceRow]:
    return [
        PriceRow(unit, amount, {"quality": quality, "mode": mode}, per=per)
        for unit, amounts in table.items()
        for (quality, mode), (amount, per) in zip(product(QUALITIES, MODES), amounts, strict=True)
    ]


@given(TABLES, COUNTS, FACTS)
def test_a_price_is_the_sum_of_its_lines_and_each_rounds_up_once(table, units, facts) -> None:
    lines = price_lines(rows_of(table), facts, units, NOW)

    assert [line.unit for line in lines] == list(units)
    assert quote(rows_of(table), facts, units, NOW) == total(lines)
    for line in lines:
        exact = line.unit_micros * line.quantity_milli
        assert line.amount_micros * MILLI * line.per >= exact
        assert (line.amount_micros - 1) * MILLI * line.per < exact


@given(TABLES, COUNTS, COUNTS, FACTS)
def test_more_units_never_cost_less(table, some, more, facts) -> None:
    rows = rows_of(table)
    most = {unit: some[unit] + more[unit] for unit in UNITS}

    assert quote(rows, facts, some, NOW) <= quote(rows, facts, most, NOW)


@given(TABLES, COUNTS, FACTS)
def test_what_is_not_known_costs_as_much_as_whatever_it_turns_out_to_be(
    table, units, facts
) -> None:
    rows = rows_of(table)
    held = quote(rows, facts, units, NOW)

    cases = [
        {"quality": quality, "mode": mode, **facts} for quality, mode in product(QUALITIES, MODES)
    ]
    assert all(quote(rows, case, units, NOW) <= held for case in cases)


@given(TABLES, COUNTS, FACTS, st.integers(1, 50), st.data())
def test_the_lines_of_a_charge_add_up_to_it(table, units, facts, asked, data) -> None:
    quoted = price_lines(rows_of(table), facts, units, NOW)
    charge = share(total(quoted), data.draw(st.integers(0, asked)), asked)

    lines = charged_lines(quoted, charge)

    assert total(lines) == charge
    assert all(line.amount_micros >= 0 and line.quantity_milli >= 0 for line in lines)
    for line, whole in zip(lines, quoted, strict=bool(lines)):
        assert line.quantity_milli <= whole.quantity_milli
        assert (line.unit, line.unit_micros, line.per) == (
            whole.unit,
            whole.unit_micros,
            whole.per,
        )


@given(st.integers(1, 10**9), st.integers(1, 10), st.integers(1, 600), st.data())
def test_a_charge_for_whole_units_is_their_number_times_their_price(
    amount, asked, seconds, data
) -> None:
    rows = [PriceRow("second", amount, {"resolution": "720p"})]
    quoted = price_lines(rows, {"resolution": "720p"}, {"second": asked * seconds}, NOW)
    delivered, made = data.draw(st.integers(1, asked)), data.draw(st.integers(1, seconds))

    (line,) = charged_lines(quoted, share(total(quoted), delivered * made, asked * seconds))

    assert line.quantity_milli == delivered * made * MILLI
    assert line.amount_micros == delivered * made * amount
    assert line.conditions == {"resolution": "720p"}


def test_what_costs_nothing_has_no_lines() -> None:
    quoted = (PriceLine("image", 1_000, 7_000, 7_000),)

    assert charged_lines(quoted, 0) == ()
    assert charged_lines((), 0) == ()
    assert charged_lines(quoted, 7_000) == quoted


def test_a_million_tokens_have_one_price() -> None:
    rows = [PriceRow("token", 2_500_000, per=1_000_000)]

    (line,) = price_lines(rows, {}, {"token": 1_001}, NOW)

    assert (line.quantity_milli, line.unit_micros, line.per) == (1_001_000, 2_500_000, 1_000_000)
    assert line.amount_micros == 2_503


def test_a_started_minute_is_one() -> None:
    assert [started(seconds, TIME_UNITS["minute"]) for seconds in (0, 1, 60, 61)] == [0, 1, 1, 2]
    assert length_of([PriceLine("minute", 0, 1, 0)]) == 60
    assert length_of([PriceLine("second", 0, 1, 0)]) == length_of([]) == 1
