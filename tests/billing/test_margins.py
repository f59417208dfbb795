"""What is left of a price when the provider is paid."""

from datetime import UTC, datetime
from fractions import Fraction

from billing.margins import Margin, Usage, margins, real_margins
from billing.pricing import PriceRow, price_lines

NOW = datetime(2030, 6, 1, tzinfo=UTC)
PRICES = [
    PriceRow("second", 100_000, {"resolution": "720p"}),
    PriceRow("second", 200_000, {"resolution": "1080p"}),
]
COSTS = [
    PriceRow("second", 80_000, {"resolution": "720p"}),
    PriceRow("second", 50_000, {"resolution": "720p", "mode": "video"}),
]
OFFERED = {"resolution": ["720p", "1080p"], "mode": ["text", "image", "video"], "size": ["a", "b"]}


def test_each_pair_of_a_price_and_a_cost_is_told_once() -> None:
    assert list(margins(PRICES, COSTS, OFFERED, NOW)) == [
        Margin("second", {"resolution": "720p"}, Fraction(100_000), Fraction(80_000)),
        Margin("second", {"resolution": "1080p"}, Fraction(200_000), None),
        Margin(
            "second",
            {"resolution": "720p", "mode": "video"},
            Fraction(100_000),
            Fraction(50_000),
        ),
    ]


def test_what_a_channel_cannot_serve_has_no_margin() -> None:
    found = list(margins(PRICES, COSTS, {**OFFERED, "mode": ["text"]}, NOW))

    assert [each.percent for each in found] == [20, None]


def test_a_margin_may_be_below_zero_or_unknown() -> None:
    assert Margin("image", {}, Fraction(100), Fraction(101)).is_loss
    assert Margin("image", {}, Fraction(100), Fraction(101)).percent == -1
    assert not Margin("image", {}, Fraction(100), Fraction(100)).is_loss
    assert Margin("image", {}, Fraction(0), Fraction(5)).percent is None
    assert Margin("image", {}, Fraction(0), Fraction(5)).is_loss
    assert not Margin("image", {}, Fraction(100), None).is_loss


def test_prices_and_costs_are_compared_by_the_unit() -> None:
    prices = [PriceRow("character", 15)]
    costs = [PriceRow("character", 40_000, per=1_000)]

    (found,) = margins(prices, costs, {}, NOW)

    assert (found.price_micros, found.cost_micros, found.is_loss) == (15, 40, True)


def test_usage_costs_at_most_what_its_lines_say() -> None:
    quoted = price_lines(PRICES, {"resolution": "720p"}, {"second": 8}, NOW)

    def made(channel: str, count: int, charged: int = 400_000) -> Usage:
        return Usage("m", channel, quoted, {}, charged, count)

    found = real_margins([made("a", 3), made("a", 1, 800_000), made("b", 1)], {"a": COSTS}, NOW)

    margin, count = found["m", "a"]
    assert (margin.price_micros, margin.cost_micros, count) == (2_000_000, 1_600_000, 4)
    assert margin.percent == 20
    assert found["m", "b"][0].cost_micros is None


def test_one_that_is_not_known_makes_the_whole_unknown() -> None:
    known = price_lines(PRICES, {"resolution": "720p"}, {"second": 8}, NOW)
    unknown = price_lines(PRICES, {"resolution": "1080p"}, {"second": 8}, NOW)
    usage = [Usage("m", "a", lines, {}, 800_000, 1) for lines in (known, unknown, known)]

    margin, count = real_margins(usage, {"a": COSTS}, NOW)["m", "a"]

    assert (margin.cost_micros, count) == (None, 3)
    assert (
        real_margins([Usage("m", "a", (), {}, 5, 1)], {"a": COSTS}, NOW)["m", "a"][0].percent
        is None
    )
