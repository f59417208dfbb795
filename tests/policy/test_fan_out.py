"""Several calls make the outputs of one generation: who is asked for what, and what they are."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.body import Body, Secret
from core.errors import Fault, GatewayError, Reason, UpstreamError
from core.model import EMPTY_REPORT, Ask, Channel, Final, Kind, Preview, Report, Resubmit, Usage
from core.policy.budgets import Budgets
from core.policy.failover import Attempt, Failover, Fleet, Plan, Stop
from core.policy.fan_out import SEEDS, gapless, most_useful, part_of, placed, together
from core.policy.health import HealthBook
from core.policy.hedging import patience
from core.policy.routing import Needs, Preference, Unroutable, Why, eligible

OPERATION = "image.generate"


def channel(name: str, **more: Any) -> Channel:
    return Channel(name, "openai_images", "m", "http://127.0.0.1", Secret("k"), **more)


ONE = channel("one", maximum_count=1)
ALL = channel("all", maximum_count=10)
JOB = channel("job", maximum_count=1, resubmit=Resubmit.RECONCILE_FIRST)


def fleet() -> Fleet:
    return Fleet(HealthBook(), Budgets(), random.Random(5).random)


def begin(*channels: Channel, count: int = 4, shared: Fleet | None = None) -> Failover:
    needs = Needs(count=count, is_divisible=True)
    return Failover(shared or fleet(), Plan(channels, OPERATION, needs))


def booked(failover: Failover, now: float = 0.0) -> Attempt:
    attempt = failover.next_channel(now)
    assert isinstance(attempt, Attempt)
    return attempt


def ask(count: int, **parameters: Any) -> Ask:
    return Ask("m", Kind.IMAGE, Body("a fox"), count=count, parameters=parameters)


def test_a_channel_of_single_outputs_can_serve_several_unless_it_leaves_jobs() -> None:
    several = Needs(count=4, is_divisible=True)

    assert eligible([ONE, JOB], several, Preference()) == (ONE,)
    assert eligible([JOB], several, Preference()) == Unroutable(Why.PARAMETER, "output_count")
    assert eligible([ONE], Needs(count=4), Preference()) == Unroutable(
        Why.PARAMETER, "output_count"
    )


@pytest.mark.parametrize("order", [(ONE, ALL), (ALL, ONE)])
def test_within_a_tier_the_channel_that_makes_all_comes_first(order) -> None:
    assert booked(begin(*order)).channel is ALL


def test_the_operators_tiers_come_before_that() -> None:
    first = channel("first", maximum_count=1, priority=0)
    second = channel("second", maximum_count=10, priority=1)

    assert booked(begin(first, second)).channel is first


def test_parts_may_go_to_different_channels_and_count_attempts_together() -> None:
    failover = begin(ONE, channel("two", maximum_count=1, weight=1))
    first = booked(failover)
    rest = failover.branch(3)
    second = booked(rest)

    assert (first.number, second.number) == (1, 2)
    assert (failover.count, rest.count) == (1, 3)
    assert rest.attempts == 1
    error = UpstreamError(Fault.SERVER_ERROR)
    failover.failed(first, error, 0.0)
    assert booked(failover).number == 3
    failover.close()
    rest.close()


def test_a_part_does_not_ask_again_who_failed_the_whole() -> None:
    failover = begin(ALL, ONE)
    failover.failed(booked(failover), UpstreamError(Fault.SERVER_ERROR), 0.0)
    assert booked(failover).channel is ONE
    rest = failover.branch(3)

    assert booked(rest).channel is ONE
    assert rest.attempts == 2


def test_what_is_missing_is_asked_of_an_untried_channel_only() -> None:
    failover = begin(ALL, channel("b", priority=1))
    assert failover.fell_short(booked(failover), 2, 0.0)
    second = booked(failover)
    assert (second.channel.name, failover.count) == ("b", 2)
    assert failover.fell_short(second, 1, 0.0)

    stop = failover.next_channel(0.0)

    assert isinstance(stop, Stop)


def test_what_is_missing_is_not_waited_for_at_a_channel_that_failed() -> None:
    failover = begin(ALL, channel("b", priority=1))
    failover.failed(booked(failover), UpstreamError(Fault.SERVER_ERROR), 0.0)
    assert failover.fell_short(booked(failover), 2, 0.0)

    assert isinstance(failover.next_channel(0.0), Stop)


def test_after_previews_nothing_that_is_missing_is_asked_of_others() -> None:
    failover = begin(ALL, channel("b"))
    attempt = booked(failover)
    failover.delivered()

    assert not failover.fell_short(attempt, 2, 0.0)


def test_what_belongs_together_is_not_filled_up() -> None:
    failover = Failover(fleet(), Plan((ALL, channel("b")), OPERATION, Needs(count=4)))

    assert not failover.fell_short(booked(failover), 2, 0.0)


def test_what_a_refused_part_says_is_more_useful_than_overload() -> None:
    errors = [GatewayError(reason, "") for reason in (Reason.UPSTREAM_OVERLOADED, Reason.INTERNAL)]
    refused = GatewayError(Reason.CONTENT_POLICY_VIOLATION, "", metadata={"attempts": "1"})

    assert most_useful(errors, 2).reason is Reason.UPSTREAM_OVERLOADED
    assert most_useful([*errors, refused], 9) is refused
    assert refused.metadata["attempts"] == "9"


@given(st.integers(2, 10), st.integers(0, SEEDS - 1), st.data())
def test_every_part_of_a_request_has_a_seed_of_its_own(count, seed, data) -> None:
    whole = ask(count, seed=seed)
    size = data.draw(st.integers(1, count - 1))
    parts = [range(at, min(at + size, count)) for at in range(0, count, size)]
    seeds = [part_of(whole, tuple(part)).parameters["seed"] for part in parts]

    assert len(set(seeds)) == len(seeds)
    assert all(0 <= each < SEEDS for each in seeds)
    assert part_of(whole, tuple(range(count))) is whole


def test_outputs_of_a_part_get_their_place_in_the_whole() -> None:
    preview = Preview(1, 0, "image/png", Body(b"x"))
    placed_ = placed(preview, (4, 7))

    assert placed_ is not None
    assert placed_.output_index == 7
    assert placed(Final(2, Body(b"x")), (4, 7)) is None
    assert placed(Final(-1, Body(b"x")), (4, 7)) is None


@given(st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9)))
def test_numbers_of_results_have_no_gap_and_keep_their_order(finals, taken) -> None:
    made = [Final(index, Body(b"%d" % index)) for index in sorted(finals)]
    numbered = gapless(made, set(range(len(taken))))
    indices = [final.output_index for final in numbered]

    assert indices == list(range(len(taken), len(taken) + len(finals)))
    assert [final.data for final in numbered] == [final.data for final in made]


def test_what_providers_counted_is_added_up() -> None:
    one = Report(Usage(1, 2, 3, 4), "1024x1024")
    other = Report(Usage(10, 20, 30, None))

    assert together([one, EMPTY_REPORT, one]) == Report(Usage(2, 4, 6, 8), "1024x1024")
    assert together([one, other]).usage == Usage(11, 22, 33, None)
    assert together([]) is EMPTY_REPORT


def served(shared: Fleet, name: str, seconds: float, times: int) -> None:
    health = shared.health.of(name, OPERATION)
    for _ in range(times):
        health.succeeded(health.admit(0.0, 60), seconds)


def test_a_hedge_waits_for_what_is_usual_of_the_channel() -> None:
    shared = fleet()
    served(shared, "all", 2.0, 40)
    attempt = booked(begin(ALL, shared=shared), now=10.0)

    assert patience(attempt, 10.0) == 2.0
    assert patience(attempt, 11.5) == 0.5
    assert patience(attempt, 99.0) == 0.0


def test_nobody_is_hedged_while_it_is_not_known_what_is_usual() -> None:
    shared = fleet()
    served(shared, "all", 2.0, 5)

    assert patience(booked(begin(ALL, shared=shared), now=10.0), 10.0) is None


def test_a_hedge_needs_a_permit_of_both_budgets_and_gives_it_back() -> None:
    shared = fleet()
    failover = begin(ALL, channel("b"), shared=shared)
    booked(failover)
    for _ in range(3):
        assert shared.budgets.take("x", "") is not None

    assert failover.hedge(0.0) is None, "the key has used its own"
    shared.budgets.keys.give_back("")
    hedge = failover.hedge(0.0)
    assert hedge is not None
    assert not shared.budgets.keys.allows("")
    failover.withdrawn(hedge)
    assert shared.budgets.keys.allows("")


def test_no_hedge_on_a_channel_that_is_ejected_or_due_for_a_probe() -> None:
    shared = fleet()
    health = shared.health.of("b", OPERATION)
    health.failed(health.admit(0.0, 600), UpstreamError(Fault.AUTH), 0.0, 0.5)
    failover = begin(ALL, channel("b", priority=1), shared=shared)
    booked(failover)

    assert failover.hedge(1.0) is None
    assert failover.hedge(1000.0) is None


def test_no_hedge_once_the_caller_has_seen_something_or_for_what_makes_fewer() -> None:
    failover = begin(ALL, ONE, count=4)
    booked(failover)
    assert failover.hedge(0.0) is None
    failover = begin(ALL, channel("b"))
    booked(failover)
    failover.delivered()

    assert failover.hedge(0.0) is None


@given(st.integers(2, 10), st.data())
def test_what_is_asked_again_repeats_no_seed_of_what_was_made(count: int, data: Any) -> None:
    """Also where what is missing lies between what was made."""
    missing = tuple(sorted(data.draw(st.sets(st.integers(0, count - 1), min_size=1))))
    part = part_of(ask(count, seed=7), missing)
    begin = part.parameters["seed"]
    assert isinstance(begin, int)
    again = {begin + place for place in range(len(missing))}

    assert again.isdisjoint({7 + index for index in range(count) if index not in missing})
