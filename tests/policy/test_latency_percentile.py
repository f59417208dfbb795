"""The 95th percentile that hedges wait for."""

from statistics import quantiles

import pytest

from core.errors import Fault, UpstreamError
from core.policy.health import HealthBook


def test_there_is_none_before_twenty_successes() -> None:
    health = HealthBook().of("c", "o")
    for number in range(19):
        health.succeeded(health.admit(0.0, 60), 1.0)
        assert health.latency_p95(1.0) is None, number
    health.failed(health.admit(0.0, 60), UpstreamError(Fault.SERVER_ERROR), 9.0, 0.5)
    assert health.latency_p95(1.0) is None
    health.succeeded(health.admit(0.0, 60), 1.0)

    assert health.latency_p95(1.0) == 1.0


def test_it_is_that_of_the_latest_successes() -> None:
    health = HealthBook().of("c", "o")
    for number in range(1000):
        health.succeeded(health.admit(0.0, 60), float(number))
    latest = [float(number) for number in range(872, 1000)]

    assert health.latency_p95(1000.0) == pytest.approx(quantiles(latest, n=20)[-1], abs=1.0)


def test_one_slow_call_in_twenty_is_above_it() -> None:
    health = HealthBook().of("c", "o")
    for number in range(20):
        health.succeeded(health.admit(0.0, 60), 50.0 if number == 7 else 2.0)

    assert health.latency_p95(50.0) == 2.0


def test_it_forgets_what_is_long_ago() -> None:
    health = HealthBook().of("c", "o")
    for _ in range(30):
        health.succeeded(health.admit(0.0, 60), 2.0)

    assert health.latency_p95(602.0) == 2.0
    assert health.latency_p95(602.1) is None


def test_the_success_rate_is_of_the_last_minute_and_of_all_blamed_faults() -> None:
    health = HealthBook().of("c", "o")
    assert health.success_permille(0.0) is None
    for _ in range(3):
        health.succeeded(health.admit(0.0, 60), 1.0)
    health.failed(health.admit(0.0, 60), UpstreamError(Fault.AUTH), 1.0, 0.5)

    assert health.success_permille(2.0) == 750
    assert health.last_fault is Fault.AUTH
    assert health.success_permille(100.0) is None
