"""What requests cost, by the rows of a catalogue."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.pricing import CREDIT_MICROS, PriceError, PriceRow, quote

NOW = datetime(2030, 6, 1, 12, tzinfo=UTC)

IMAGES = [
    PriceRow("image", 11_000, {"quality": "low", "size": "1024x1024"}),
    PriceRow("image", 42_000, {"quality": "medium", "size": "1024x1024"}),
    PriceRow("image", 167_000, {"quality": "high", "size": "1024x1024"}),
    PriceRow("image", 16_000, {"quality": "low", "size": "1536x1024"}),
    PriceRow("image", 63_000, {"quality": "medium", "size": "1536x1024"}),
    PriceRow("image", 250_000, {"quality": "high", "size": "1536x1024"}),
]


def image(n: int = 1, **facts: str) -> int:
    return quote(IMAGES, facts, {"image": n}, NOW)


def test_known_facts_have_one_price() -> None:
    assert image(quality="medium", size="1536x1024") == 63_000
    assert image(3, quality="low", size="1024x1024") == 33_000


def test_an_unknown_fact_costs_the_most_it_may_become() -> None:
    assert image(quality="low") == 16_000
    assert image(size="1024x1024") == 167_000
    assert image() == 250_000


def test_facts_that_no_row_asks_about_change_nothing() -> None:
    assert image(quality="low", size="1024x1024", background="opaque") == 11_000


def test_what_has_no_price_is_an_error_and_not_free() -> None:
    with pytest.raises(PriceError, match="no price"):
        image(quality="ultra", size="1024x1024")
    with pytest.raises(PriceError, match="no price"):
        quote(IMAGES, {}, {"second": 1}, NOW)


def test_two_rows_that_both_hold_are_an_error() -> None:
    rows = [PriceRow("image", 1, {"quality": "low"}), PriceRow("image", 2, {"size": "small"})]

    with pytest.raises(PriceError, match="2 prices"):
        quote(rows, {"quality": "low", "size": "small"}, {"image": 1}, NOW)


def test_the_row_with_more_conditions_is_the_exception() -> None:
    rows = [PriceRow("image", 100), PriceRow("image", 30, {"quality": "low"})]

    assert quote(rows, {"quality": "low"}, {"image": 1}, NOW) == 30
    assert quote(rows, {"quality": "high"}, {"image": 1}, NOW) == 100
    assert quote(rows, {}, {"image": 1}, NOW) == 100


def test_a_started_micro_dollar_is_charged() -> None:
    rows = [PriceRow("token", 2_500_000, per=1_000_000)]

    assert quote(rows, {}, {"token": 0}, NOW) == 0
    assert quote(rows, {}, {"token": 1}, NOW) == 3
    assert quote(rows, {}, {"token": 2}, NOW) == 5
    assert quote(rows, {}, {"token": 1_000_000}, NOW) == 2_500_000


def test_units_add_up() -> None:
    rows = [PriceRow("image", 10), PriceRow("token", 5, per=10)]

    assert quote(rows, {}, {"image": 2, "token": 11}, NOW) == 20 + 6


def test_the_dearest_is_found_by_the_price_of_one_unit() -> None:
    rows = [
        PriceRow("token", 1_000, {"tier": "a"}, per=1_000_000),
        PriceRow("token", 5, {"tier": "b"}, per=1_000),
    ]

    assert quote(rows, {}, {"token": 1_000_000}, NOW) == 5_000


def test_a_price_counts_from_its_moment_on() -> None:
    change = NOW.replace(hour=0)
    rows = [
        PriceRow("image", 10),
        PriceRow("image", 12, effective_from=date(2030, 6, 1)),
        PriceRow("image", 20, effective_from=NOW + timedelta(days=14)),
    ]

    def at(now: datetime) -> int:
        return quote(rows, {}, {"image": 1}, now)

    assert at(change - timedelta(microseconds=1)) == 10
    assert at(change) == at(NOW) == 12
    assert at(NOW + timedelta(days=14)) == 20


def test_two_prices_from_the_same_moment_are_an_error() -> None:
    rows = [PriceRow("image", 10), PriceRow("image", 11)]

    with pytest.raises(PriceError, match="two prices"):
        quote(rows, {}, {"image": 1}, NOW)


def test_a_credit_is_a_thousandth_of_a_dollar() -> None:
    assert CREDIT_MICROS * 1000 == 1_000_000


FACTS = st.dictionaries(
    st.sampled_from(["quality", "size"]),
    st.sampled_from(["low", "medium", "high", "1024x1024", "1536x1024"]),
)


@given(FACTS, st.integers(0, 10))
def test_less_knowledge_never_makes_it_cheaper(facts: Mapping[str, str], n: int) -> None:
    """Holds take the maximum of what is not known: so a settle never exceeds its hold."""
    try:
        known = quote(IMAGES, facts, {"image": n}, NOW)
    except PriceError:
        return
    for forgotten in facts:
        fewer = {name: value for name, value in facts.items() if name != forgotten}
        assert quote(IMAGES, fewer, {"image": n}, NOW) >= known
