"""Several credentials of one channel: whose fault it is, which is next, and when it comes back."""

import random
from collections import Counter

import pytest

from core.body import Secret
from core.errors import Fault, UpstreamError
from core.model import Channel
from core.policy.budgets import Budgets
from core.policy.decisions import Attempt, Stop, TryAnother
from core.policy.failover import Failover, Fleet, Plan
from core.policy.health import Alert, Cooled, HealthBook, Standing, Warmed
from core.policy.routing import Choice, choose

OPERATION = "image.generate"
OURS = [Fault.AUTH, Fault.QUOTA]


def channel(name: str, *credentials: str, priority: int = 0) -> Channel:
    secrets = {f"env:{each}": Secret(f"sk-{each}") for each in credentials}
    first = next(iter(secrets), "")
    return Channel(
        name=name,
        dialect="d",
        upstream_model="m",
        base_url="https://x.example",
        credential=secrets.get(first, Secret("sk")),
        credential_name=first,
        credentials=secrets,
        priority=priority,
    )


def pick(book: HealthBook, *channels: Channel, now: float = 0.0) -> Choice:
    choice = choose(channels, book, OPERATION, now, random.Random(1).random)
    assert isinstance(choice, Choice)
    return choice


def fail(book: HealthBook, name: str, credential: str, fault: Fault, **more: float) -> None:
    now = more.pop("now", 0.0)
    health = book.of(name, OPERATION)
    slot = health.admit(now, 60, credential)
    health.failed(slot, UpstreamError(fault, **more), now, 0.5)


@pytest.fixture
def book() -> HealthBook:
    return HealthBook()


def test_credentials_take_turns(book) -> None:
    one, used = channel("c", "A", "B", "C"), Counter[str]()
    health = book.of("c", OPERATION)
    for now in range(30):
        name = pick(book, one).channel.credential_name
        used[name] += 1
        health.succeeded(health.admit(float(now), 60, name), now + 0.5)

    assert used == {"env:A": 10, "env:B": 10, "env:C": 10}


def test_the_one_with_the_least_in_flight_is_next_and_its_secret_is_used(book) -> None:
    one = channel("c", "A", "B")
    for _ in range(3):
        book.of("c", OPERATION).admit(0.0, 60, "env:A")
    book.of("c", "image.edit").admit(0.0, 60, "env:B")

    chosen = pick(book, one).channel

    assert chosen.credential_name == "env:B"
    assert chosen.credential.reveal() == "sk-B"
    assert chosen.name == "c"


@pytest.mark.parametrize("fault", OURS)
def test_a_refused_credential_cools_alone_and_for_every_operation(book, fault) -> None:
    one = channel("c", "A", "B")
    pick(book, one)
    fail(book, "c", "env:A", fault)

    assert book.of("c", OPERATION).standing(1.0) is Standing.HEALTHY
    assert {pick(book, one, now=1.0).channel.credential_name for _ in range(5)} == {"env:B"}
    edit = choose([one], book, "image.edit", 1.0, lambda: 0.0)
    assert isinstance(edit, Choice)
    assert (edit.channel.credential_name, edit.standing) == ("env:B", Standing.HEALTHY)


@pytest.mark.parametrize("fault", OURS)
def test_a_channel_is_out_only_while_all_its_credentials_cool(book, fault) -> None:
    one, health = channel("c", "A", "B"), book.of("c", OPERATION)
    pick(book, one)
    fail(book, "c", "env:A", fault)
    fail(book, "c", "env:B", fault, now=5.0)

    assert health.standing(6.0) is Standing.EJECTED
    assert health.ejected_until == 30.0, "when the first of them may be asked again"
    assert book.of("c", "image.edit").standing(6.0) is Standing.EJECTED
    assert health.standing(30.0) is Standing.PROBE_DUE


def test_a_cooled_credential_returns_by_one_probe(book) -> None:
    one, health = channel("c", "A", "B"), book.of("c", OPERATION)
    pick(book, one)
    fail(book, "c", "env:A", Fault.AUTH)
    probe = pick(book, one, now=30.0)
    assert (probe.channel.credential_name, probe.standing) == ("env:A", Standing.PROBE_DUE)
    slot = health.admit(30.0, 60, "env:A")

    assert slot.is_probe
    assert {pick(book, one, now=31.0).channel.credential_name for _ in range(3)} == {"env:B"}

    book.drain()
    health.succeeded(slot, 32.0)

    assert book.drain() == [Warmed("c", "env:A")]
    assert book.alerts() == []
    assert pick(book, one, now=33.0).channel.credential_name == "env:B", "the longest unused"


def test_requests_that_lost_an_attempt_are_spared_the_probe_of_a_credential(book) -> None:
    one, health = channel("c", "A", "B"), book.of("c", OPERATION)
    pick(book, one)
    fail(book, "c", "env:A", Fault.AUTH)

    choice = choose([one], book, OPERATION, 30.0, lambda: 0.0, {"other"})

    assert isinstance(choice, Choice)
    assert choice.channel.credential_name == "env:B"
    assert health.standing(30.0) is Standing.HEALTHY


def test_faults_of_the_channel_are_nobodys_credentials(book) -> None:
    one = channel("c", "A", "B")
    pick(book, one)
    for credential in ("env:A", "env:B", "env:A"):
        fail(book, "c", credential, Fault.SERVER_ERROR)

    assert book.of("c", OPERATION).standing(1.0) is Standing.EJECTED
    assert book.of("c", "image.edit").standing(1.0) is Standing.HEALTHY


def test_a_refused_credential_says_nothing_about_an_operation_that_is_probed(book) -> None:
    health = book.of("c", OPERATION)
    for _ in range(3):
        fail(book, "c", "env:A", Fault.SERVER_ERROR)
    slot = health.admit(30.0, 60, "env:A")
    health.failed(slot, UpstreamError(Fault.AUTH), 31.0, 0.5)

    assert health.ejections == 1
    assert health.standing(61.0) is Standing.PROBE_DUE


def test_a_limit_with_a_delay_rests_one_credential_for_as_long_as_was_asked(book) -> None:
    one = channel("c", "A", "B")
    pick(book, one)
    fail(book, "c", "env:A", Fault.RATE_LIMITED, retry_after=10.0)

    [notice] = book.drain()
    assert isinstance(notice, Cooled)
    assert (notice.credential, notice.ejections) == ("env:A", 0)
    assert 10.0 <= notice.seconds <= 11.0
    assert {pick(book, one, now=1.0).channel.credential_name for _ in range(3)} == {"env:B"}


def test_alerts_name_the_credential(book) -> None:
    fail(book, "c", "env:A", Fault.QUOTA)

    assert book.alerts() == [Alert("c", OPERATION, Fault.QUOTA, 0.0, "env:A")]


def test_a_new_value_at_the_same_place_starts_afresh_and_the_others_do_not(book) -> None:
    old, now = channel("c", "A", "B"), channel("c", "A", "B")
    book.use({"c": old})
    pick(book, old)
    fail(book, "c", "env:A", Fault.AUTH)
    fail(book, "c", "env:B", Fault.AUTH)
    fresh = {**now.credentials, "env:A": Secret("sk-rotated")}
    object.__setattr__(now, "credentials", fresh)
    book.use({"c": now})

    chosen = pick(book, now, now=1.0)

    assert (chosen.channel.credential_name, chosen.standing) == ("env:A", Standing.HEALTHY)
    assert [alert.credential for alert in book.alerts()] == ["env:B"]


def test_a_generation_with_the_old_catalogue_calls_with_the_new_credential(book) -> None:
    old = channel("c", "A")
    book.use({"c": old})
    fresh = channel("c", "A")
    object.__setattr__(fresh, "credentials", {"env:A": Secret("sk-rotated")})
    book.use({"c": fresh})

    assert pick(book, old).channel.credential.reveal() == "sk-rotated"
    assert book.renewed(old).credential.reveal() == "sk-rotated"
    assert book.renewed(channel("gone", "A")).credential.reveal() == "sk-A"


# ---- one generation's attempts


def begin(book: HealthBook, *channels: Channel) -> Failover:
    fleet = Fleet(book, Budgets(), random.Random(5).random)
    return Failover(fleet, Plan(channels, OPERATION))


def attempt(failover: Failover) -> Attempt:
    found = failover.next_channel(0.0)
    assert isinstance(found, Attempt)
    return found


@pytest.mark.parametrize("fault", [*OURS, Fault.RATE_LIMITED])
def test_the_next_credential_of_the_channel_is_tried_at_once(book, fault) -> None:
    first, second = channel("a", "A", "B"), channel("b", "C", priority=1)
    with begin(book, first, second) as failover:
        one = attempt(failover)
        assert failover.failed(one, UpstreamError(fault), 0.0) == TryAnother(0.0)
        two = attempt(failover)
        assert failover.failed(two, UpstreamError(fault), 0.0) == TryAnother(0.0)
        three = attempt(failover)

    used = [(each.channel.name, each.channel.credential_name) for each in (one, two, three)]
    assert used == [("a", "env:A"), ("a", "env:B"), ("b", "env:C")]
    assert two.permit is None, "an untried credential is no retry"


def test_another_credential_does_not_help_against_a_fault_of_the_channel(book) -> None:
    first, second = channel("a", "A", "B"), channel("b", "C", priority=1)
    with begin(book, first, second) as failover:
        failover.failed(attempt(failover), UpstreamError(Fault.SERVER_ERROR), 0.0)

        assert attempt(failover).channel.name == "b"


def test_a_credential_that_was_refused_is_not_tried_again_by_the_same_generation(book) -> None:
    with begin(book, channel("a", "A", "B")) as failover:
        for _ in range(2):
            failover.failed(attempt(failover), UpstreamError(Fault.AUTH), 0.0)

        assert isinstance(failover.next_channel(0.0), Stop)
    assert book.of("a", OPERATION).load.in_flight == 0
    assert [each.in_flight for each in book.load_of("a")] == [0, 0]


def test_one_credential_is_one_try_as_before(book) -> None:
    with begin(book, channel("a", "A"), channel("b", "B", priority=1)) as failover:
        failover.failed(attempt(failover), UpstreamError(Fault.AUTH), 0.0)

        assert attempt(failover).channel.name == "b"


def test_tries_of_credentials_count_among_the_four(book) -> None:
    with begin(book, channel("a", *"ABCDEFG"), channel("b", "X", priority=1)) as failover:
        for _ in range(4):
            failover.failed(attempt(failover), UpstreamError(Fault.AUTH), 0.0)

        assert isinstance(failover.next_channel(0.0), Stop)
        assert failover.attempts == 4


def test_a_credential_that_is_gone_leaves_no_open_circuit_behind(book) -> None:
    old = channel("c", "A", "B")
    book.use({"c": old})
    pick(book, old)
    late = book.of("c", OPERATION).admit(0.0, 60, "env:A")
    fail(book, "c", "env:A", Fault.AUTH)
    assert book.opened
    book.use({"c": channel("c", "B")})
    assert not book.opened
    book.of("c", OPERATION).failed(late, UpstreamError(Fault.AUTH), 1.0, 0.5)

    assert not book.opened
