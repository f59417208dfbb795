"""Traces that nobody recorded: arrivals, delays and faults drawn from a seed.

For every request a call to each channel is drawn, so that whatever a policy asks has an answer
of its own; second tries of a channel are drawn from its others (`core.replay.samples`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import exp, log
from statistics import NormalDist

from core.errors import Fault, Phase
from core.model import Deadlines, Resubmit
from core.replay.chance import Dice
from core.replay.trace import Call, Request, Trace, TracedChannel

MODEL, KIND = "synthetic", "image"
FASTEST = 0.001
_NORMAL = NormalDist()
_SIGMAS_OF_P99 = _NORMAL.inv_cdf(0.99)
_SHORT = {
    Fault.UNREACHABLE: (0.002, Phase.CONNECT),
    Fault.LOST: (0.5, Phase.FIRST_BYTE),
    Fault.INVALID_RESPONSE: (0.5, Phase.BODY),
}
"""How long a fault takes, and how far the call gets; others are answers of `_REFUSAL`."""
_REFUSAL = (0.03, Phase.FIRST_BYTE)
SLOW = "slow"
"""What a trouble is called that is no fault: everything takes so many times as long."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with a channel for a while."""

    channel: str
    fault: Fault | None
    """None: it is slow."""
    amount: float = 1.0
    """The share of calls that fail so, or how many times as long they take."""
    begin: float = 0.0
    end: float = float("inf")

    def holds(self, channel: str, at: float) -> bool:
        """Whether it troubles that channel now."""
        return self.channel == channel and self.begin <= at < self.end


@dataclass(frozen=True, slots=True)
class SyntheticChannel:
    """A channel that takes so long: half the calls take p50 at most, of a hundred all but one p99.

    (Delays are log-normal.)
    """

    name: str
    p50: float = 2.0
    p99: float = 8.0
    priority: int = 0
    weight: int = 100
    cost_micros: int = 7_000
    resubmit: Resubmit = Resubmit.DUPLICATE_OK

    def traced(self, deadlines: Deadlines) -> TracedChannel:
        """As a trace has it."""
        return TracedChannel(
            self.name,
            (MODEL,),
            priority=self.priority,
            weight=self.weight,
            resubmit=self.resubmit,
            deadlines=deadlines,
            bills_on_cancel=True,
            cost_micros=self.cost_micros,
        )

    def seconds(self, chance: float) -> float:
        """A delay."""
        spread = log(self.p99 / self.p50) / _SIGMAS_OF_P99
        return self.p50 * exp(spread * _NORMAL.inv_cdf(min(max(chance, 1e-9), 1 - 1e-9)))


@dataclass(frozen=True, slots=True)
class Scene:
    """What to make a trace of."""

    seed: int
    requests: int
    rate: float
    """A second; arrivals are independent of each other."""
    channels: Sequence[SyntheticChannel]
    troubles: Sequence[Trouble] = ()
    deadlines: Deadlines = field(default_factory=Deadlines)


def synthetic(scene: Scene) -> Trace:
    """The trace of a *scene*: the same from the same seed."""
    channels = tuple([channel.traced(scene.deadlines) for channel in scene.channels])
    notes = {"seed": scene.seed, "rate": scene.rate}
    return Trace(tuple(_requests(scene)), channels, "synthetic", notes)


def _requests(scene: Scene) -> Iterator[Request]:
    dice = Dice(scene.seed)
    at = 0.0
    for _ in range(scene.requests):
        at += -log(1 - dice()) / scene.rate
        calls = [_call(channel, scene, at, dice) for channel in scene.channels]
        yield Request(round(at, 6), MODEL, KIND, tuple(calls))


def _call(channel: SyntheticChannel, scene: Scene, at: float, dice: Callable[[], float]) -> Call:
    seconds, luck = channel.seconds(dice()), dice()
    for trouble in scene.troubles:
        if not trouble.holds(channel.name, at):
            continue
        if trouble.fault is None:
            seconds *= trouble.amount
        elif luck < trouble.amount:
            return _failure(channel.name, trouble.fault, scene.deadlines)
    seconds = round(max(seconds, FASTEST), 6)
    return Call(channel.name, seconds, first_byte=seconds)


def _failure(channel: str, fault: Fault, deadlines: Deadlines) -> Call:
    if fault is Fault.TIMEOUT:
        return Call(channel, deadlines.first_byte, fault=fault, phase=Phase.FIRST_BYTE)
    seconds, phase = _SHORT.get(fault, _REFUSAL)
    return Call(channel, seconds, fault=fault, phase=phase)
