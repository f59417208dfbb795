"""Ejection and recovery of channels, by live traffic alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import MEANING, Fault, UpstreamError
from core.policy.health import Alert, Cooled, Health, HealthBook, Recovered, Standing, Warmed

BLAMED = [fault for fault in Fault if MEANING[fault].blames_channel]
UNBLAMED = [fault for fault in Fault if not MEANING[fault].blames_channel]
ORDINARY = [fault for fault in BLAMED if fault not in (Fault.AUTH, Fault.QUOTA)]


@pytest.fixture
def book() -> HealthBook:
    return HealthBook()


@pytest.fixture
def health(book: HealthBook) -> Health:
    return book.of("a", "image.generate")


def fail(health: Health, now: float, fault: Fault = Fault.SERVER_ERROR, **more: float) -> None:
    chance = more.pop("chance", 0.5)
    slot = health.admit(now, 600)
    health.failed(slot, UpstreamError(fault, **more), now, chance)


def eject(health: Health, now: float = 0.0, fault: Fault = Fault.SERVER_ERROR) -> float:
    for _ in range(3):
        fail(health, now, fault)
    assert health.ejected_until is not None
    return health.ejected_until


@pytest.mark.parametrize("fault", ORDINARY)
def test_three_blamed_faults_in_a_row_eject_for_thirty_seconds(health, fault) -> None:
    fail(health, 1.0, fault)
    fail(health, 2.0, fault)

    assert health.standing(2.0) is Standing.HEALTHY

    fail(health, 3.0, fault)

    assert health.standing(32.9) is Standing.EJECTED
    assert health.standing(33.0) is Standing.PROBE_DUE


def test_a_success_in_between_starts_the_count_again(health) -> None:
    for now in (1.0, 2.0, 4.0, 5.0):
        if now == 4.0:
            health.succeeded(health.admit(3.0, 600), 3.5)
        fail(health, now)

    assert health.standing(5.0) is Standing.HEALTHY


@pytest.mark.parametrize("fault", [Fault.AUTH, Fault.QUOTA])
def test_a_refused_credential_or_a_spent_balance_ejects_at_once_and_alerts(
    book, health, fault
) -> None:
    fail(health, 7.0, fault)

    assert health.standing(7.0) is Standing.EJECTED
    assert book.alerts() == [Alert("a", "image.generate", fault, 7.0)]
    assert [type(notice) for notice in book.drain()] == [Alert, Cooled]
    assert book.drain() == []


def test_an_alert_stands_until_the_channel_succeeds(book, health) -> None:
    fail(health, 0.0, Fault.AUTH)
    fail(health, 1.0, Fault.AUTH)
    assert len([notice for notice in book.drain() if isinstance(notice, Alert)]) == 1
    health.succeeded(health.admit(40.0, 600), 41.0)

    assert book.alerts() == []
    assert book.drain() == [Warmed("a", "")]


@pytest.mark.parametrize("fault", UNBLAMED)
def test_callers_and_moderation_never_blame_a_channel(health, fault) -> None:
    for now in range(100):
        fail(health, float(now), fault)

    assert health.standing(100.0) is Standing.HEALTHY


def test_half_of_twenty_verdicts_failing_ejects_without_three_in_a_row(health) -> None:
    for now in range(10):
        health.succeeded(health.admit(float(now), 600), now + 0.1)
        assert health.standing(now + 0.1) is Standing.HEALTHY
        fail(health, now + 0.2)

    assert health.standing(10.0) is Standing.EJECTED


@pytest.mark.parametrize(("gap", "standing"), [(50, Standing.EJECTED), (62, Standing.HEALTHY)])
def test_a_failure_rate_looks_at_the_last_minute_only(health, gap, standing) -> None:
    for now in range(9):
        fail(health, float(now))
        health.succeeded(health.admit(now + 0.1, 600), now + 0.2)
    health.succeeded(health.admit(float(gap), 600), gap + 0.1)
    fail(health, gap + 0.2)

    assert health.standing(gap + 0.2) is standing


def test_faults_of_one_operation_leave_the_others_alone(book, health) -> None:
    eject(health)

    assert book.of("a", "image.edit").standing(0.0) is Standing.HEALTHY
    assert book.of("b", "image.generate").standing(0.0) is Standing.HEALTHY


def test_half_open_admits_exactly_one_probe(health) -> None:
    now = eject(health)
    probe = health.admit(now, 600)

    assert probe.is_probe
    assert health.standing(now + 1) is Standing.PROBING
    assert not health.admit(now + 1, 600).is_probe

    health.succeeded(probe, now + 2)

    assert health.standing(now + 2) is Standing.HEALTHY


@pytest.mark.parametrize("ending", ["cancelled", "not blamed"])
def test_a_probe_without_a_verdict_leaves_its_place_to_the_next(health, ending) -> None:
    now = eject(health)
    probe = health.admit(now, 600)
    if ending == "cancelled":
        health.released(probe)
    else:
        health.failed(probe, UpstreamError(Fault.CONTENT_POLICY), now, 0.5)

    assert health.standing(now) is Standing.PROBE_DUE
    assert health.admit(now, 600).is_probe


def test_a_probe_that_never_reports_gives_way_after_its_patience(health) -> None:
    now = eject(health)
    lost = health.admit(now, 60)

    assert health.standing(now + 59.9) is Standing.PROBING
    assert health.standing(now + 60) is Standing.PROBE_DUE

    second = health.admit(now + 60, 60)
    health.released(lost)

    assert second.is_probe
    assert health.standing(now + 61) is Standing.PROBING


def test_each_failed_probe_ejects_for_longer_up_to_a_minute(health) -> None:
    now, lengths = 0.0, []
    until = eject(health, now)
    for _ in range(5):
        lengths.append(until - now)
        now = until
        fail(health, now)
        assert health.ejected_until is not None
        until = health.ejected_until

    assert lengths == pytest.approx([30, 60, 60, 60, 60])


def test_a_successful_probe_resets_the_length(health) -> None:
    now = eject(health)
    fail(health, now)
    assert health.ejected_until is not None
    now = health.ejected_until
    health.succeeded(health.admit(now, 600), now + 1)

    assert eject(health, now + 2) == pytest.approx(now + 32)


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 27.0), (0.5, 30.0), (0.999999, 33.0)])
def test_ejections_are_jittered_by_a_tenth(health, chance, seconds) -> None:
    fail(health, 0.0, Fault.AUTH, chance=chance)

    assert health.ejected_until == pytest.approx(seconds, abs=0.001)


@pytest.mark.parametrize(
    ("retry_after", "least", "most"), [(0.5, 0.5, 0.55), (45.0, 45.0, 49.5), (900.0, 60.0, 66.0)]
)
@pytest.mark.parametrize("chance", [0.0, 0.999])
def test_a_rate_limit_with_a_delay_ejects_at_once_for_at_least_that_long(
    health, retry_after, least, most, chance
) -> None:
    fail(health, 0.0, Fault.RATE_LIMITED, retry_after=retry_after, chance=chance)

    assert health.ejected_until is not None
    assert least <= health.ejected_until <= most
    assert health.ejections == 0, "it was told when to come back: no longer next time"


@pytest.mark.parametrize("retry_after", [0.0, -1.0, None])
def test_a_rate_limit_without_a_delay_is_one_fault_of_three(health, retry_after) -> None:
    fail(health, 0.0, Fault.RATE_LIMITED, retry_after=retry_after)

    assert health.standing(0.0) is Standing.HEALTHY


def test_a_delay_asked_by_another_fault_does_not_eject(health) -> None:
    fail(health, 0.0, Fault.SERVER_ERROR, retry_after=30.0)

    assert health.standing(0.0) is Standing.HEALTHY


@pytest.mark.parametrize("fault", [Fault.SERVER_ERROR, Fault.RATE_LIMITED])
def test_requests_that_began_before_the_ejection_neither_lengthen_nor_end_it(health, fault) -> None:
    slots = [health.admit(0.0, 600) for _ in range(20)]
    until = eject(health, 1.0, fault)
    for slot in slots[:10]:
        health.failed(slot, UpstreamError(fault, retry_after=60.0), 20.0, 0.9)
    for slot in slots[10:]:
        health.succeeded(slot, 21.0)

    assert health.ejected_until == until
    assert health.standing(21.0) is Standing.EJECTED
    assert health.load.in_flight == 0


def test_requests_that_began_before_a_recovery_do_not_eject_again(health) -> None:
    stragglers = [health.admit(0.0, 600) for _ in range(5)]
    now = eject(health, 1.0)
    stragglers += [health.admit(now - 1, 600) for _ in range(5)]
    health.succeeded(health.admit(now, 600), now + 1)
    for slot in stragglers:
        health.failed(slot, UpstreamError(Fault.TIMEOUT), now + 2, 0.5)

    assert health.standing(now + 2) is Standing.HEALTHY


def test_a_success_while_all_are_ejected_ends_the_ejection(book, health) -> None:
    eject(health)
    book.drain()
    health.succeeded(health.admit(5.0, 600), 6.0)

    assert health.standing(6.0) is Standing.HEALTHY
    assert book.drain() == [Recovered("a", "image.generate")]


def test_failures_while_all_are_ejected_do_not_lengthen_the_ejection(health) -> None:
    until = eject(health)
    for now in range(1, 29):
        fail(health, float(now))

    assert health.ejected_until == until
    assert health.standing(until) is Standing.PROBE_DUE


def test_each_verdict_counts_once(health) -> None:
    slot = health.admit(0.0, 600)
    error = UpstreamError(Fault.AUTH)
    health.released(slot)
    health.failed(slot, error, 1.0, 0.5)
    health.succeeded(slot, 2.0)

    assert health.load.in_flight == 0
    assert health.standing(2.0) is Standing.HEALTHY
    assert health.latency(2.0) is None


def test_latency_is_a_moving_average_that_fades_unconfirmed(health) -> None:
    health.succeeded(health.admit(0.0, 600), 10.0)
    health.succeeded(health.admit(10.0, 600), 15.0)

    assert health.latency(15.0) == pytest.approx(9.0)
    assert health.latency(45.0) == pytest.approx(4.5)


def test_the_load_of_a_channel_spans_its_operations(book) -> None:
    slots = [book.of("a", name).admit(0.0, 600) for name in ("image.generate", "image.edit")]
    assert [health.load.in_flight for health in book] == [2, 2]

    book.of("a", "image.edit").released(slots[1])

    assert [health.load.in_flight for health in book] == [1, 1]


def test_notices_nobody_drains_are_bounded(book) -> None:
    for now in range(1000):
        fail(book.of(f"c{now}", "x"), float(now), Fault.AUTH)

    assert len(book.drain()) == 256


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["ok", "release", *Fault]),
            st.floats(0, 40),
            st.floats(0, 1, exclude_max=True),
            st.none() | st.floats(-5, 500),
            st.booleans(),
        ),
        max_size=60,
    )
)
def test_every_ejection_ends_within_66_seconds_whatever_happens(steps) -> None:
    health = HealthBook().of("a", "x")
    now, late = 0.0, []
    for ending, pause, chance, retry_after, waits in steps:
        now += pause
        slot = health.admit(now, 10.0)
        assert health.standing(now) is not Standing.PROBE_DUE, "this attempt is the probe"
        assert not (slot.is_probe and health.standing(now) is Standing.HEALTHY)
        late.append((slot, ending, chance, retry_after))
        while len(late) > (3 if waits else 0):
            old, what, jitter, wait = late.pop(0)
            if what == "ok":
                health.succeeded(old, now)
            elif what == "release":
                health.released(old)
            else:
                health.failed(old, UpstreamError(what, retry_after=wait), now, jitter)
        if health.ejected_until is not None:
            assert health.ejected_until <= now + 66.0
    assert health.standing(now + 66.0) in (Standing.HEALTHY, Standing.PROBE_DUE)
    assert health.load.in_flight == len(late)
