"""Who can serve a request, and who of them is asked first."""

import random
import time
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.body import Body, Secret
from core.errors import Fault, Reason, UpstreamError
from core.model import Ask, Channel, Input, Kind, Role
from core.policy.health import HealthBook, Standing
from core.policy.routing import (
    ANY,
    Choice,
    Needs,
    Plan,
    Preference,
    Unroutable,
    Why,
    choose,
    eligible,
    operation_of,
)

OPERATION = "image.generate"
DEFAULTS = {"size": "auto", "output_format": "png"}


def channel(name: str, **more: Any) -> Channel:
    return Channel(name, "openai_images", "m", "http://127.0.0.1", Secret("k"), **more)


def ask(**more: Any) -> Ask:
    return Ask("m", Kind.IMAGE, Body("p"), **more)


def needs(**more: Any) -> Needs:
    return Needs.of(ask(**more), DEFAULTS)


def eject(book: HealthBook, name: str, now: float = 0.0) -> None:
    health = book.of(name, OPERATION)
    health.failed(health.admit(now, 600), UpstreamError(Fault.AUTH), now, 0.5)


def pick(channels, book, now=0.0, tried=frozenset(), chance=lambda: 0.4) -> str:
    choice = choose(channels, book, OPERATION, now, chance, tried)
    assert isinstance(choice, Choice)
    return choice.channel.name


# Who can serve it at all


@pytest.mark.parametrize(
    ("unsupported", "asked", "parameter"),
    [
        ("background", {"parameters": {"background": "opaque"}}, "background"),
        ("background=transparent", {"parameters": {"background": "transparent"}}, "background"),
        ("output_format=png", {}, "output_format"),
        ("partials", {"partials": 2}, "partial_count"),
        (
            "input:mask",
            {"inputs": (Input(Role.MASK, Body(b""), "image/png", parameter="mask[0]"),)},
            "mask[0]",
        ),
    ],
)
def test_what_a_channel_cannot_honour_excludes_it_and_is_named(
    unsupported, asked, parameter
) -> None:
    lacking = channel("a", unsupported=frozenset({unsupported}))
    able = channel("b")

    assert eligible([lacking, able], needs(**asked), Preference()) == (able,)
    assert eligible([lacking], needs(**asked), Preference()) == Unroutable(Why.PARAMETER, parameter)


@pytest.mark.parametrize(
    ("unsupported", "asked"),
    [
        ("background", {}),
        ("background=transparent", {"parameters": {"background": "opaque"}}),
        ("output_format=png", {"parameters": {"output_format": "webp"}}),
        ("output_format", {}),
        ("partials", {}),
        ("input:mask", {"inputs": (Input(Role.IMAGE, Body(b""), "image/png"),)}),
    ],
)
def test_what_a_request_does_not_use_excludes_nobody(unsupported, asked) -> None:
    lacking = channel("a", unsupported=frozenset({unsupported}))

    assert eligible([lacking], needs(**asked), Preference()) == (lacking,)


def test_more_outputs_than_a_channel_can_make_exclude_it() -> None:
    one = channel("a", maximum_count=1)

    assert eligible([one], needs(count=2), Preference()) == Unroutable(
        Why.PARAMETER, "output_count"
    )
    assert eligible([one], needs(count=1), Preference()) == (one,)


def test_the_parameter_named_is_the_one_that_excludes_the_most_channels() -> None:
    channels = [
        channel("a", unsupported=frozenset({"size", "quality"})),
        channel("b", unsupported=frozenset({"quality"})),
        channel("c", unsupported=frozenset({"quality", "size"})),
    ]
    asked = needs(parameters={"size": "16x16", "quality": "low"})

    assert eligible(channels, asked, Preference()) == Unroutable(Why.PARAMETER, "quality")


def test_needs_hold_everything_an_ask_uses() -> None:
    mask = Input(Role.MASK, Body(b""), "image/png")
    full = ask(partials=1, inputs=(mask,), parameters={"size": "16x16", "flag": True})

    assert full.used <= set(Needs.of(full, DEFAULTS).tokens)
    assert "flag=true" in Needs.of(full, DEFAULTS).tokens


@pytest.mark.parametrize(
    ("preference", "names"),
    [
        (Preference(only=frozenset({"b", "zz"})), "b"),
        (Preference(excluded=frozenset({"a"})), "bc"),
        (Preference(regions=frozenset({"eu"})), "c"),
        (Preference(only=frozenset({"a", "c"}), excluded=frozenset({"a"})), "c"),
    ],
)
def test_the_caller_may_pin_and_exclude_channels_and_regions(preference, names) -> None:
    channels = [channel("a"), channel("b", region="us"), channel("c", region="eu")]
    found = eligible(channels, needs(), preference)

    assert not isinstance(found, Unroutable)
    assert "".join(each.name for each in found) == names


@pytest.mark.parametrize(
    ("unroutable", "reason", "parameter"),
    [
        (eligible([], Needs(), Preference()), Reason.NO_CHANNEL, ""),
        (
            eligible([channel("a")], Needs(), Preference(excluded=frozenset("a"))),
            Reason.NO_CHANNEL,
            "routing",
        ),
        (
            eligible([channel("a", maximum_count=1)], Needs(count=2), Preference()),
            Reason.NO_CHANNEL,
            "output_count",
        ),
        (Unroutable(Why.FULL), Reason.OVERLOADED, ""),
    ],
)
def test_every_dead_end_is_a_typed_error(unroutable, reason, parameter) -> None:
    error = unroutable.to_error()

    assert (error.reason, error.parameter) == (reason, parameter)
    assert (error.retry_after is not None) == (reason is Reason.OVERLOADED)


def test_edits_and_generations_are_different_operations() -> None:
    image = Input(Role.IMAGE, Body(b""), "image/png")

    assert operation_of(ask()) == "image.generate"
    assert operation_of(ask(inputs=(image,))) == "image.edit"


# Who of them first


def test_the_lowest_priority_number_goes_first() -> None:
    channels = [channel("a", priority=2), channel("b", priority=1), channel("c", priority=3)]

    assert {pick(channels, HealthBook()) for _ in range(20)} == {"b"}


def test_a_healthy_channel_goes_before_an_ejected_one_of_a_better_tier() -> None:
    book = HealthBook()
    eject(book, "a")

    assert pick([channel("a", priority=0), channel("b", priority=9)], book) == "b"


def test_tried_channels_are_left_out() -> None:
    channels = [channel("a"), channel("b")]

    assert pick(channels, HealthBook(), tried={"a"}) == "b"
    assert choose(channels, HealthBook(), OPERATION, 0.0, lambda: 0.0, {"a", "b"}) == Unroutable(
        Why.TRIED
    )


def test_a_full_channel_is_left_out() -> None:
    book, channels = HealthBook(), [channel("a", maximum_in_flight=2), channel("b", priority=1)]
    health = book.of("a", "image.edit")
    slots = [health.admit(0.0, 600) for _ in range(2)]

    assert pick(channels, book) == "b", "edits count against the channel's limit too"

    health.released(slots[0])

    assert pick(channels, book) == "a"


def test_when_all_are_full_it_says_so() -> None:
    book = HealthBook()
    book.of("a", OPERATION).admit(0.0, 600)

    found = choose([channel("a", maximum_in_flight=1)], book, OPERATION, 0.0, lambda: 0.0)

    assert found == Unroutable(Why.FULL)


def test_when_all_are_ejected_ejection_is_ignored() -> None:
    book, channels = HealthBook(), [channel("a", priority=1), channel("b")]
    eject(book, "a")
    eject(book, "b")
    choice = choose(channels, book, OPERATION, 0.0, lambda: 0.0)

    assert isinstance(choice, Choice)
    assert choice.channel.name == "b"
    assert choice.ignores_ejection


def test_a_due_probe_is_taken_by_one_new_request_though_better_channels_exist() -> None:
    book, channels = HealthBook(), [channel("a"), channel("b", priority=5)]
    eject(book, "b")
    due = choose(channels, book, OPERATION, 60.0, lambda: 0.0)
    assert isinstance(due, Choice)

    assert (due.channel.name, due.standing) == ("b", Standing.PROBE_DUE)
    assert not due.ignores_ejection

    due.health.admit(60.0, 600)

    assert pick(channels, book, now=60.0) == "a"


def test_a_request_that_lost_an_attempt_is_spared_the_probe_while_a_healthy_channel_is_left() -> (
    None
):
    book = HealthBook()
    channels = [channel("a"), channel("b"), channel("c", priority=5)]
    eject(book, "b")

    assert pick(channels, book, now=60.0, tried={"a"}) == "c"
    assert pick(channels, book, now=60.0, tried={"a", "c"}) == "b"


def test_of_two_the_cheaper_by_load_latency_and_weight_is_taken() -> None:
    def cheaper(first: Channel, second: Channel, in_flight: int, seconds: float) -> str:
        book = HealthBook()
        for each, duration in ((first, 1.0), (second, seconds)):
            health = book.of(each.name, OPERATION)
            health.succeeded(health.admit(0.0, 600), duration)
        for _ in range(in_flight):
            book.of(first.name, OPERATION).admit(0.0, 600)
        return pick([first, second], book, now=seconds)

    a, b = channel("a"), channel("b")
    assert cheaper(a, b, 0, 1.5) == "a"
    assert cheaper(a, b, 1, 1.5) == "b"
    assert cheaper(a, b, 3, 8.0) == "a"
    assert cheaper(a, channel("b", weight=1000), 0, 1.5) == "b"


def test_an_unmeasured_channel_is_judged_by_its_load_alone() -> None:
    book, channels = HealthBook(), [channel("a"), channel("b")]
    health = book.of("a", OPERATION)
    health.succeeded(health.admit(0.0, 600), 500.0)
    book.of("b", OPERATION).admit(500.0, 600)

    assert pick(channels, book, now=500.0) == "a"


def test_power_of_two_choices_spreads_load_by_weight() -> None:
    chance, book, served = random.Random(7), HealthBook(), Counter[str]()
    weights = {"a": 100, "b": 100, "c": 50}
    channels = [channel(name, weight=weight) for name, weight in weights.items()]
    running = []
    for step in range(5000):
        now = step * 0.01
        choice = choose(channels, book, OPERATION, now, chance.random)
        assert isinstance(choice, Choice)
        served[choice.channel.name] += 1
        running.append((choice.health, choice.health.admit(now, 600)))
        if len(running) > 60:
            health, slot = running.pop(chance.randrange(len(running)))
            health.succeeded(slot, now)

    shares = {name: served[name] / 5000 for name in weights}
    assert shares["a"] == pytest.approx(0.4, abs=0.05)
    assert shares["b"] == pytest.approx(0.4, abs=0.05)
    assert shares["c"] == pytest.approx(0.2, abs=0.05)


def test_choosing_costs_microseconds() -> None:
    book, channels = HealthBook(), [channel(name) for name in "abc"]
    for each in channels:
        health = book.of(each.name, OPERATION)
        health.succeeded(health.admit(0.0, 600), 1.0)
    asked, chance, batches = needs(parameters={"size": "16x16"}), random.Random(1).random, []
    for _ in range(20):
        begun = time.perf_counter()
        for _ in range(200):
            able = eligible(channels, asked, Preference())
            choose(able, book, OPERATION, 1.0, chance)
        batches.append((time.perf_counter() - begun) / 200)

    assert min(batches) < 30e-6, "10 in practice; the rest is for slow machines"


def test_equal_channels_that_are_idle_share_the_load() -> None:
    chance = random.Random(3)
    served = Counter(
        pick([channel(name) for name in "abc"], HealthBook(), chance=chance.random)
        for _ in range(3000)
    )

    assert all(800 < served[name] < 1200 for name in "abc")


@given(
    standings=st.lists(
        st.tuples(
            st.integers(0, 2), st.sampled_from(["healthy", "ejected", "due", "probing", "full"])
        ),
        min_size=1,
        max_size=6,
    ),
    tried=st.sets(st.integers(0, 5)),
    seed=st.integers(0, 2**32),
)
def test_no_ejected_channel_is_chosen_while_an_untried_healthy_one_is_eligible(
    standings, tried, seed
) -> None:
    book, now = HealthBook(), 100.0
    channels = [
        channel(str(index), priority=priority, maximum_in_flight=0 if state == "full" else 9)
        for index, (priority, state) in enumerate(standings)
    ]
    for index, (_, state) in enumerate(standings):
        if state in ("due", "probing"):
            eject(book, str(index), 0.0)
        if state == "ejected":
            eject(book, str(index), 99.0)
        if state == "probing":
            book.of(str(index), OPERATION).admit(99.5, 600)
    names = {str(index) for index in tried}
    choice = choose(channels, book, OPERATION, now, random.Random(seed).random, names)
    open_to_it = [
        each for index, each in enumerate(standings) if index not in tried and each[1] != "full"
    ]

    if not open_to_it:
        assert isinstance(choice, Unroutable)
        return
    assert isinstance(choice, Choice)
    assert choice.channel.name not in names
    priority, state = standings[int(choice.channel.name)]
    states = {each[1] for each in open_to_it}
    if "due" in states and (not tried or "healthy" not in states):
        assert state == "due"
    elif "healthy" in states:
        assert state == "healthy"
    group = {"ejected", "probing"} if state in ("ejected", "probing") else {state}
    assert priority == min(each[0] for each in open_to_it if each[1] in group)


def test_a_probe_comes_first_in_any_tier_whoever_ejected_its_channel() -> None:
    book, channels = HealthBook(), [channel("first"), channel("last", priority=1)]
    book.of("last", OPERATION).hear_ejection(Fault.SERVER_ERROR, 10.0, 1, 0.0)

    assert pick(channels, book, now=9.0) == "first"
    assert pick(channels, book, now=10.0) == "last"
    book.of("last", OPERATION).hear_recovery()
    assert pick(channels, book, now=10.0) == "first"
    assert not book.opened


def test_what_is_known_of_channels_is_believed_only_without_wishes() -> None:
    known, other = channel("known"), channel("other")
    wish = Preference(excluded=frozenset({"known"}))

    assert Plan([known, other], OPERATION, able=(known,)).eligible() == (known,)
    assert Plan([known, other], OPERATION, preference=ANY).eligible() == (known, other)
    assert Plan([known, other], OPERATION, preference=wish, able=(known,)).eligible() == (other,)
