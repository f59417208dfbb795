"""What a channel would have answered: its own call where the trace has it, else one like it.

"Like it" is a call of that channel for that model at about that time, drawn at random. That keeps
what matters for failover, that a channel's faults and delays come together in time; it does not
know that a channel would have been slower had it been asked more, nor that a certain request was
hard for everybody (docs/simulate.md).
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from dataclasses import replace

from core.errors import Fault, Phase
from core.model import Deadlines, Resubmit
from core.replay.trace import Call, Trace

BUCKET_SECONDS = 10.0
"""Calls within so much time are alike: health's window (`core.policy.circuit`) has six of them."""

_Pool = dict[int, list[Call]]
"""Calls by the number of their bucket."""


class Samples:
    """The calls of a trace, to draw from."""

    def __init__(self, trace: Trace) -> None:
        self._pools: dict[tuple[str, str], _Pool] = {}
        self._order: dict[tuple[str, str], list[int]] = {}
        self.strangers: set[str] = set()
        """Channels that were drawn for and never seen: they answered as the others do."""
        for request in trace.requests:
            for call in request.calls:
                if not call.is_cut:
                    bucket = _bucket(request.at + call.begin)
                    for name in (call.channel, ""):
                        self._add((name, request.model), bucket, call)

    def draw(self, channel: str, model: str, at: float, chance: Callable[[], float]) -> Call | None:
        """A call that the channel answered at about *at*; None where nobody served the model."""
        key = (channel, model)
        if key not in self._pools:
            self.strangers.add(channel)
            key = ("", model)
        pool = self._pools.get(key)
        if pool is None:
            return None
        bucket = _bucket(at)
        calls = pool.get(bucket) or pool[_nearest(self._order[key], bucket)]
        return calls[int(chance() * len(calls))]

    def _add(self, key: tuple[str, str], bucket: int, call: Call) -> None:
        pool = self._pools.setdefault(key, {})
        if bucket not in pool:
            pool[bucket] = []
            insort(self._order.setdefault(key, []), bucket)
        pool[bucket].append(call)


def _bucket(at: float) -> int:
    return int(at // BUCKET_SECONDS)


def _nearest(buckets: Sequence[int], wanted: int) -> int:
    """The one of the sorted *buckets* that is closest; the earlier of two."""
    after = bisect_left(buckets, wanted)
    around = buckets[max(0, after - 1) : after + 1]
    return min(around, key=lambda bucket: abs(bucket - wanted))


def limited(call: Call, deadlines: Deadlines, resubmit: Resubmit) -> Call:
    """The same call under other *deadlines*.

    One that was silent stays silent until the deadline that it met; one that answered too late
    for the new ones is silent, too. (How a job goes on has no phase deadlines.)
    """
    if call.fault is Fault.TIMEOUT:
        return replace(call, seconds=_patience(call, deadlines))
    if resubmit is Resubmit.RECONCILE_FIRST:
        return call
    first = call.seconds if call.first_byte is None else call.first_byte
    if first > deadlines.first_byte:
        return _silent(call, deadlines.first_byte, Phase.FIRST_BYTE)
    if call.seconds > deadlines.total:
        return _silent(call, deadlines.total, Phase.BODY)
    return call


def _patience(call: Call, deadlines: Deadlines) -> float:
    match call.phase:
        case Phase.CONNECT:
            return deadlines.connect
        case Phase.ACKNOWLEDGE:
            return deadlines.acknowledge
        case Phase.FIRST_BYTE:
            return deadlines.first_byte
        case Phase.BODY | Phase.DONE:
            return min((call.first_byte or 0.0) + deadlines.idle, deadlines.total)


def _silent(call: Call, seconds: float, phase: Phase) -> Call:
    first = call.first_byte if phase is Phase.BODY else None
    return Call(call.channel, seconds, first_byte=first, fault=Fault.TIMEOUT, phase=phase)
