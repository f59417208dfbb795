"""What a process does about what another one found out about a channel."""

import pytest

from core.errors import Fault, UpstreamError
from core.policy.health import Alert, Cooled, Ejected, HealthBook, Recovered, Standing, Warmed
from core.policy.signals import Signal, hear, signal_of

OPERATION = "image.generate"


def ejected(fault: Fault | None, seconds: float = 30.0, ejections: int = 1) -> Signal:
    return Signal("c", OPERATION, "", fault, seconds, ejections)


def cooled(fault: Fault | None, seconds: float = 30.0) -> Signal:
    return Signal("c", "", "env:A", fault, seconds, 1)


@pytest.fixture
def book() -> HealthBook:
    return HealthBook()


def eject(book: HealthBook, now: float, fault: Fault = Fault.SERVER_ERROR) -> None:
    health = book.of("c", OPERATION)
    for _ in range(3):
        health.failed(health.admit(now, 60), UpstreamError(fault), now, 0.5)


def test_what_is_told_is_heard_as_it_was(book) -> None:
    told = [
        Ejected("c", OPERATION, Fault.TIMEOUT, 30.0, 2),
        Recovered("c", OPERATION),
        Cooled("c", "env:A", Fault.AUTH, 20.0, 1),
        Warmed("c", "env:A"),
    ]

    assert [signal_of(notice) for notice in told] == [
        Signal("c", OPERATION, "", Fault.TIMEOUT, 30.0, 2),
        Signal("c", OPERATION, "", None, 3.0),
        Signal("c", "", "env:A", Fault.AUTH, 20.0, 1),
        Signal("c", "", "env:A", None, 3.0),
    ]
    assert signal_of(Alert("c", OPERATION, Fault.AUTH, 0.0)) is None, "one process calls"


def test_an_ejection_holds_here_for_as_long_and_a_little_longer(book) -> None:
    health = book.of("c", OPERATION)
    hear(book, ejected(Fault.SERVER_ERROR), 100.0, 0.5)

    assert health.standing(131.4) is Standing.EJECTED
    assert health.standing(131.5) is Standing.PROBE_DUE
    assert health.admit(131.5, 60).is_probe, "one of its own"
    assert not health.admit(131.5, 60).is_probe
    assert book.drain() == [], "or it would be told back"


def test_a_probe_that_fails_here_after_an_ejection_elsewhere_ejects_for_longer(book) -> None:
    health = book.of("c", OPERATION)
    hear(book, ejected(Fault.SERVER_ERROR), 0.0, 0.0)
    health.failed(health.admit(30.0, 60), UpstreamError(Fault.SERVER_ERROR), 30.0, 0.5)

    assert health.ejected_until == 90.0


def test_hearing_never_shortens_an_ejection(book) -> None:
    health = book.of("c", OPERATION)
    eject(book, 0.0)
    hear(book, ejected(Fault.SERVER_ERROR, 5.0), 1.0, 0.0)

    assert health.ejected_until == 30.0


@pytest.mark.parametrize("seconds", [1e9, 66.0])
def test_no_word_of_another_ejects_for_longer_than_this_process_would(book, seconds) -> None:
    hear(book, ejected(Fault.SERVER_ERROR, seconds), 0.0, 0.99)

    assert book.of("c", OPERATION).ejected_until == 66.0


def test_a_recovery_elsewhere_ends_the_ejection_here(book) -> None:
    eject(book, 0.0)
    book.drain()
    hear(book, ejected(None), 5.0, 0.5)

    assert book.of("c", OPERATION).standing(5.0) is Standing.HEALTHY
    assert book.drain() == []


def test_a_recovery_of_what_is_healthy_here_keeps_what_is_counted(book) -> None:
    health = book.of("c", OPERATION)
    for _ in range(2):
        health.failed(health.admit(0.0, 60), UpstreamError(Fault.SERVER_ERROR), 0.0, 0.5)
    hear(book, ejected(None), 0.0, 0.5)

    assert health.consecutive == 2


def test_a_credential_that_cools_elsewhere_cools_here_for_all_operations(book) -> None:
    hear(book, cooled(Fault.AUTH), 0.0, 0.0)

    assert book.of("c", OPERATION).standing(29.0) is Standing.EJECTED
    assert book.of("c", "image.edit").standing(29.0) is Standing.EJECTED
    assert book.alerts() == [], "who met it calls the operator"

    hear(book, cooled(None), 5.0, 0.0)

    assert book.of("c", OPERATION).standing(5.0) is Standing.HEALTHY


@pytest.mark.parametrize(
    ("fault", "standing"),
    [(Fault.UNREACHABLE, Standing.HEALTHY), (Fault.SERVER_ERROR, Standing.EJECTED)],
)
def test_a_process_without_a_network_does_not_close_channels_that_work_here(
    book, fault, standing
) -> None:
    health = book.of("c", OPERATION)
    hear(book, ejected(fault), 0.0, 0.0)
    assert health.standing(1.0) is Standing.EJECTED
    health.succeeded(health.admit(1.0, 60), 2.0)  # asked because all were ejected
    assert health.standing(2.0) is Standing.HEALTHY
    assert book.drain() == [Recovered("c", OPERATION)]

    hear(book, ejected(fault), 3.0, 0.0)

    assert health.standing(3.0) is standing

    hear(book, ejected(fault), 62.0, 0.0)

    assert health.standing(62.0) is Standing.EJECTED, "a minute later its word counts again"


def test_each_reader_of_notices_gets_all_of_them(book) -> None:
    woken: list[int] = []
    heard = book.listen(lambda: woken.append(1))
    eject(book, 0.0)

    assert [type(notice) for notice in book.drain()] == [Ejected]
    assert [type(notice) for notice in heard] == [Ejected]
    assert woken == [1]
