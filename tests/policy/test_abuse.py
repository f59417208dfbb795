"""Which figures are signs of abuse, and which are not."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.policy.abuse import (
    FAILED_PAYMENTS,
    LEAST_GENERATIONS,
    LOSS_MICROS,
    NETWORKS,
    REFUSED_MILLI,
    Observed,
    Sign,
    signals,
)

NOW = 1_767_225_600.0
ONE = UUID(int=1)


def observed(sign: Sign, figure: int, of: int = 0, account: int = 1) -> Observed:
    return Observed(UUID(int=account), sign, figure, NOW, of=of, key="k" * 12)


@pytest.mark.parametrize(
    ("sign", "least", "milli"),
    [
        (Sign.CARD_TESTING, FAILED_PAYMENTS, FAILED_PAYMENTS * 1_000),
        (Sign.KEY_SHARING, NETWORKS, NETWORKS * 1_000),
        (Sign.PROVIDER_COST, LOSS_MICROS, 5_000),
    ],
)
def test_a_figure_is_a_sign_from_its_threshold_on(sign: Sign, least: int, milli: int) -> None:
    assert signals([observed(sign, least - (1_000 if sign is Sign.PROVIDER_COST else 1))]) == []
    (signal,) = signals([observed(sign, least)])
    assert (signal.account_id, signal.sign, signal.key) == (ONE, sign, "k" * 12)
    assert (signal.observed_milli, signal.threshold_milli) == (milli, milli)
    assert signal.observed_at == NOW


def test_refusals_are_a_rate_of_enough_generations() -> None:
    few = observed(Sign.REFUSAL_RATE, LEAST_GENERATIONS - 1, LEAST_GENERATIONS - 1)
    seldom = observed(Sign.REFUSAL_RATE, 29, 100)
    often = observed(Sign.REFUSAL_RATE, 30, 100)

    assert signals([few, seldom]) == []
    (signal,) = signals([few, seldom, often])
    assert (signal.observed_milli, signal.threshold_milli) == (300, REFUSED_MILLI)


@given(st.lists(st.tuples(st.sampled_from(Sign), st.integers(0, 10**9), st.integers(1, 9))))
def test_the_strongest_come_first_and_no_figure_counts_twice(found) -> None:
    figures = [observed(sign, figure, 10**9, account) for sign, figure, account in found]
    told = signals(figures)

    strengths = [signal.observed_milli / signal.threshold_milli for signal in told]
    assert strengths == sorted(strengths, reverse=True)
    assert all(strength >= 1 for strength in strengths)
    assert len(told) <= len(figures)
