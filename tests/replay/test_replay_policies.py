"""The policy file of a replay: what it changes, and what is wrong with it by key."""

import tomllib
from dataclasses import fields

import pytest

from core.policy import budgets, circuit, failover
from core.replay.policies import PolicyError, ReplayPolicy, read_policy
from core.replay.rules import Rules
from core.replay.trace import TracedChannel

CHANNELS = (TracedChannel("a", ("m", "n"), cost_micros=5), TracedChannel("b", ("m",)))


def policy(text: str) -> ReplayPolicy:
    return read_policy(tomllib.loads(text))


def test_an_empty_policy_is_what_the_gateway_does():
    assert policy("") == ReplayPolicy()
    made = Rules().fleet(lambda: 0.0)
    assert made.maximum_attempts == failover.MAXIMUM_ATTEMPTS
    assert Rules().eject_after == circuit.EJECT_AFTER
    assert (Rules().retry_share, Rules().retry_minimum) == (
        budgets.RETRY_SHARE,
        budgets.RETRY_MINIMUM,
    )


def test_a_policy_changes_rules_channels_and_deadlines():
    read = policy(
        """
        [rules]
        maximum_attempts = 2
        eject_seconds = 10
        hedging = true
        [deadlines]
        first_byte = 5
        [channels.a]
        weight = 3
        priority = 1
        cost_micros = 9
        deadlines = { first_byte = 2.5, total = 4 }
        """
    )
    models = read.applied(CHANNELS)

    assert read.rules == Rules(maximum_attempts=2, eject_seconds=10, hedging=True)
    first, second = models["m"]
    assert (first.name, first.weight, first.priority) == ("a", 3, 1)
    assert (first.deadlines.first_byte, first.deadlines.total) == (2.5, 4)
    assert (second.weight, second.deadlines.first_byte) == (100, 5)
    assert [read.cost(channel) for channel in CHANNELS] == [9, None]


def test_a_disabled_channel_serves_nobody():
    models = policy("[channels.a]\ndisabled = true").applied(CHANNELS)

    assert [channel.name for channel in models["m"]] == ["b"]
    assert models["n"] == ()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("rule = 1", "rule"),
        ("rules = 1", "rules"),
        ("[rules]\nejct_after = 1", "rules.ejct_after"),
        ("[rules]\neject_after = 0", "rules.eject_after"),
        ("[rules]\neject_after = 1.5", "rules.eject_after"),
        ("[rules]\nhedging = 1", "rules.hedging"),
        ("[rules]\nrate_limit = nan", "rules.rate_limit"),
        ('[rules]\nrate_limit = "x"', "rules.rate_limit"),
        ("[rules]\nmaximum_attempts = true", "rules.maximum_attempts"),
        ("[deadlines]\nfirst = 1", "deadlines.first"),
        ("[channels]\na = 1", "channels.a"),
        ("[channels.a]\nwieght = 1", "channels.a.wieght"),
        ("[channels.a]\nweight = 0", "channels.a.weight"),
        ("[channels.a]\ndeadlines = 1", "channels.a.deadlines"),
        ("[channels.a.deadlines]\nidle = -1", "channels.a.deadlines.idle"),
    ],
)
def test_a_bad_key_is_named(text, key):
    with pytest.raises(PolicyError) as caught:
        policy(text)

    assert caught.value.key == key
    assert str(caught.value).startswith(f"{key}: ")


def test_a_channel_that_the_trace_does_not_have_is_named():
    with pytest.raises(PolicyError, match=r"channels\.z: the trace has `a`, `b`"):
        policy("[channels.z]\nweight = 1").applied(CHANNELS)


def test_every_rule_can_be_set():
    values = {item.name: item.default for item in fields(Rules)}
    text = "\n".join(f"{name} = {str(value).lower()}" for name, value in values.items())

    assert policy(f"[rules]\n{text}").rules == Rules()
