"""Replays: the real policy machines over a trace, on virtual time."""

from dataclasses import replace
from time import process_time

import pytest

from core.errors import Fault, Phase
from core.model import Deadlines, Resubmit
from core.replay.policies import ChannelChange, ReplayPolicy
from core.replay.report import recorded_line, table
from core.replay.result import Result, percentile
from core.replay.rules import Rules
from core.replay.samples import Samples, limited
from core.replay.synthetic import Scene, SyntheticChannel, Trouble, synthetic
from core.replay.trace import Call, Request, Trace, TracedChannel
from core.replay.world import World

A, B, C = (SyntheticChannel(name) for name in "abc")
GATEWAY = ReplayPolicy()


def replay(trace: Trace, policy: ReplayPolicy = GATEWAY, seed: int = 1) -> Result:
    return World(trace, policy, Samples(trace), seed).run()


def scene(*troubles: Trouble, requests: int = 2_000, channels=(A, B, C)) -> Trace:
    return synthetic(Scene(1, requests, 20.0, channels, troubles, Deadlines(first_byte=30.0)))


def ruled(**rules) -> ReplayPolicy:
    return ReplayPolicy(rules=Rules(**rules))


def one(*calls: Call, names: str = "ab", **channel) -> Trace:
    """One request; channels are tried by their names."""
    channels = [TracedChannel(name, ("m",), number) for number, name in enumerate(names)]
    described = tuple([replace(item, **channel) for item in channels])
    return Trace((Request(0.0, "m", "image", calls),), described)


def failing(channel: str, fault: Fault, seconds: float = 0.5, **more) -> Call:
    return Call(channel, seconds, fault=fault, phase=Phase.FIRST_BYTE, **more)


def test_a_trace_without_faults_is_delivered_at_once():
    result = replay(scene())

    assert (result.delivered, result.availability, result.attempts) == (2_000, 1.0, 2_000)
    assert result.failures == {}
    assert result.p50 == pytest.approx(2.0, rel=0.1)
    assert result.cost_micros == 2_000 * 7_000
    assert (result.waste_micros, result.unsure_micros, result.hedges) == (0, 0, 0)


def test_the_same_seed_gives_the_same_figures():
    trace = scene(Trouble("a", Fault.TIMEOUT, 0.3))

    assert replay(trace) == replay(trace)
    assert replay(trace) != replay(trace, seed=2)


def test_a_dead_channel_costs_a_few_requests_a_failover_and_nobody_an_image():
    result = replay(scene(Trouble("a", Fault.SERVER_ERROR)))

    assert result.availability == 1.0
    assert 0 < result.failovers < 40
    assert result.calls["a"] < 40


def test_a_failover_takes_the_failing_call_and_the_next_one():
    result = replay(one(failing("a", Fault.SERVER_ERROR), Call("b", 2.0)))

    assert (result.p50, result.attempts, result.failovers) == (2.5, 2, 1)


def test_a_policy_that_never_ejects_asks_the_dead_channel_again_and_again():
    trace = scene(Trouble("a", Fault.SERVER_ERROR))
    ejecting, never = replay(trace), replay(trace, ruled(eject_after=10**6, rate_minimum=10**6))

    assert never.calls["a"] > 10 * ejecting.calls["a"]
    assert never.failovers > 10 * ejecting.failovers


def test_one_attempt_only_loses_what_a_second_would_have_served():
    trace = scene(Trouble("a", Fault.SERVER_ERROR, 0.2))

    alone = replay(trace, ruled(maximum_attempts=1, eject_after=10**6, rate_minimum=10**6))

    assert alone.failures == {"UPSTREAM_ERROR": 2_000 - alone.delivered}
    assert alone.availability is not None
    assert 0.9 < alone.availability < 0.96
    assert replay(trace).availability == 1.0


def test_the_callers_own_faults_are_no_unavailability():
    result = replay(one(failing("a", Fault.CONTENT_POLICY)))

    assert (result.rejected, result.delivered, result.failures) == (1, 0, {})
    assert result.availability is None


def test_a_shorter_deadline_turns_slowness_into_failover():
    slow = one(Call("a", 20.0, first_byte=20.0), Call("b", 1.0))

    assert replay(slow).p50 == 20.0
    shorter = ReplayPolicy(deadlines={"first_byte": 3.0})
    assert replay(slow, shorter).p50 == 4.0
    assert replay(slow, shorter).failovers == 1


def test_silence_lasts_as_long_as_the_deadline_that_it_met():
    limits = Deadlines(1, 2, 3, 4, 50)
    call = Call("a", 9.0, first_byte=2.0, fault=Fault.TIMEOUT)
    phases = (Phase.CONNECT, Phase.ACKNOWLEDGE, Phase.FIRST_BYTE, Phase.BODY)

    lasted = [
        limited(replace(call, phase=phase), limits, Resubmit.DUPLICATE_OK).seconds
        for phase in phases
    ]

    assert lasted == [1, 2, 3, 6]


def test_a_job_has_no_deadline_for_its_first_byte():
    job = Call("a", 900.0, first_byte=900.0)

    assert limited(job, Deadlines(), Resubmit.RECONCILE_FIRST) == job
    assert limited(job, Deadlines(), Resubmit.DUPLICATE_OK).fault is Fault.TIMEOUT


def test_a_lost_job_is_searched_for_before_another_channel_is_asked():
    trace = one(
        failing("a", Fault.LOST), Call("b", 2.0), resubmit=Resubmit.RECONCILE_FIRST, cost_micros=7
    )
    result = replay(trace)

    assert result.p50 is not None
    assert result.p50 > 2.5 + 10
    assert (result.delivered, result.cost_micros, result.unsure_micros) == (1, 7, 7)


def test_an_unknown_outcome_may_cost_besides():
    result = replay(one(failing("a", Fault.TIMEOUT, 5.0), Call("b", 1.0), cost_micros=100))

    assert (result.cost_micros, result.unsure_micros) == (100, 100)


def test_costs_are_not_guessed():
    assert replay(one(Call("a", 1.0))).cost_micros is None


def test_hedging_shortens_the_tail_and_says_what_it_cost():
    trace = scene(requests=4_000)
    plain, hedged = replay(trace), replay(trace, ruled(hedging=True))

    assert plain.p99 is not None
    assert hedged.p99 is not None
    assert hedged.p99 < plain.p99 - 0.5
    assert 0 < hedged.hedges < 600
    assert 0 < hedged.hedges_won < hedged.hedges
    assert (hedged.delivered, hedged.failovers) == (plain.delivered, 0)
    assert hedged.cost_micros == plain.cost_micros + hedged.waste_micros
    assert hedged.waste_micros == 7_000 * (hedged.attempts - hedged.delivered)


def test_jobs_are_never_hedged():
    jobs = [replace(channel, resubmit=Resubmit.RECONCILE_FIRST) for channel in (A, B)]

    assert replay(scene(channels=jobs), ruled(hedging=True)).hedges == 0


def test_everything_that_was_booked_is_given_back():
    world_of = scene(Trouble("a", Fault.TIMEOUT, 0.3), Trouble("b", Fault.LOST, 0.2))
    world = World(world_of, ruled(hedging=True), Samples(world_of), 1)

    result = world.run()

    assert result.requests == 2_000
    fleet = world.fleet
    assert [health.load.in_flight for health in fleet.health] == [0, 0, 0]
    assert (len(fleet.budgets.channels), len(fleet.budgets.keys)) == (0, 0)


def test_weights_and_priorities_move_calls():
    trace = scene(requests=3_000)
    heavy = ReplayPolicy(channels={"a": ChannelChange(weight=1_000)})
    last = ReplayPolicy(channels={"a": ChannelChange(priority=1)})

    assert replay(trace, heavy).calls["a"] > 1.5 * replay(trace).calls["a"]
    assert "a" not in replay(trace, last).calls


def test_a_disabled_channel_is_never_asked_and_no_channel_is_an_answer():
    trace = scene(requests=200, channels=(A, B))
    gone = ChannelChange(disabled=True)

    assert replay(trace, ReplayPolicy(channels={"a": gone})).calls == {"b": 200}
    nobody = replay(trace, ReplayPolicy(channels={"a": gone, "b": gone}))
    assert (nobody.failures, nobody.attempts, nobody.p50) == ({"NO_CHANNEL": 200}, 0, None)


def test_a_request_gets_the_answers_that_it_got():
    taken = [1.0 + number for number in range(20)]
    requests = [Request(n / 10, "m", "image", (Call("a", s),)) for n, s in enumerate(taken)]
    trace = Trace(tuple(requests), (TracedChannel("a", ("m",)),))

    result = replay(trace)

    assert (result.p50, result.p99) == (pytest.approx(10.0), pytest.approx(20.0))


# ---- what nobody recorded


def sampled(*requests: Request, names: str = "ab") -> tuple[Trace, Samples]:
    channels = tuple([TracedChannel(name, ("m",)) for name in names])
    trace = Trace(requests, channels)
    return trace, Samples(trace)


def at(moment: float, *calls: Call) -> Request:
    return Request(moment, "m", "image", calls)


def test_an_answer_is_drawn_from_the_channels_own_calls_of_that_time():
    early, late = Call("a", 1.0), failing("a", Fault.AUTH)
    _, samples = sampled(at(5.0, early), at(6.0, Call("b", 7.0)), at(65.0, late))

    assert samples.draw("a", "m", 9.0, lambda: 0.99) == early
    assert samples.draw("a", "m", 61.0, lambda: 0.0) == late
    assert samples.draw("a", "m", 30.0, lambda: 0.0) == early  # the nearest in time
    assert samples.draw("a", "m", 10_000.0, lambda: 0.0) == late
    assert samples.strangers == set()


def test_a_channel_that_nobody_saw_answers_as_the_others_do_and_is_named():
    call = Call("a", 1.0)
    trace, samples = sampled(at(0.0, call))

    assert samples.draw("b", "m", 3.0, lambda: 0.5) == call
    assert samples.strangers == {"b"}
    assert samples.draw("b", "unknown", 3.0, lambda: 0.5) is None
    only_b = ReplayPolicy(channels={"a": ChannelChange(disabled=True)})
    assert replay(trace, only_b).p50 == 1.0


def test_what_was_given_up_says_nothing_about_its_channel():
    _, samples = sampled(at(0.0, Call("a", 0.1, is_cut=True), Call("a", 4.0)))

    assert samples.draw("a", "m", 0.0, lambda: 0.0) == Call("a", 4.0)


def test_two_policies_meet_the_same_luck():
    calls = [at(float(n), Call("a", 1.0 + n % 7)) for n in range(200)]
    channels = (TracedChannel("a", ("m",)), TracedChannel("b", ("m",), 1))
    trace = Trace(tuple(calls), channels)
    only_b = ReplayPolicy(channels={"a": ChannelChange(disabled=True)})
    also_b = ReplayPolicy(channels={"a": ChannelChange(priority=2)})

    assert replay(trace, only_b).p99 == replay(trace, also_b).p99


# ---- figures


def test_percentiles_are_nearest_ranks():
    values = [float(n) for n in range(1, 101)]

    assert (percentile(values, 0.5), percentile(values, 0.99)) == (50.0, 99.0)
    assert percentile([4.0], 0.99) == 4.0
    assert percentile([], 0.5) is None


def test_a_table_shows_both_and_the_difference():
    trace = scene(Trouble("a", Fault.SERVER_ERROR), requests=500)
    plain, hedged = replay(trace), replay(trace, ruled(maximum_attempts=1))
    lines = {line.split("  ")[0].strip(): line.split() for line in table(hedged, plain).split("\n")}

    assert lines["availability"][1] == "100.000%"
    assert lines["availability"][3].startswith("-")
    assert lines["failed UPSTREAM_ERROR"][2:4] == ["0", str(hedged.failures["UPSTREAM_ERROR"])]
    assert lines["requests"][1:] == ["500", "500", "0"]
    assert "baseline" not in table(plain)


def test_what_was_recorded_stands_beside_the_replay():
    good = Request(0.0, "m", "image", (Call("a", 1.0),), seconds=1.5)
    bad = replace(good, reason="UPSTREAM_ERROR")
    own = replace(good, reason="CONTENT_POLICY_VIOLATION")

    line = recorded_line(Trace((good, bad, own), ()))

    assert line == "as recorded: availability 50.000%, p50 1.500 s, p99 1.500 s"
    assert recorded_line(scene(requests=3)) == ""


def test_ten_thousand_requests_take_seconds():
    trace = scene(Trouble("a", Fault.SERVER_ERROR, 0.3), requests=10_000)
    began = process_time()

    assert replay(trace, ruled(hedging=True)).requests == 10_000
    assert process_time() - began < 5
