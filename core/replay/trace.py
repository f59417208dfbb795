"""A trace: when requests came, and how the calls made for them went. No contents, no ids.

One JSON object a line (docs/simulate.md): a head, the channels, then the requests by time. All
times are seconds: of a request since the trace began, of a call since its request came.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from core.errors import Fault, Phase
from core.model import Deadlines, Resubmit

FORMAT = 1
"""In the head, as `reapi_trace`."""
LONGEST_LINE = 1 << 20

Facts = Mapping[str, Any]


class TraceError(Exception):
    """A line of a trace is none; says which, and why."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line}: {why}")
        self.line = line


@dataclass(frozen=True, slots=True)
class Call:
    """One call to a channel, as it went."""

    channel: str
    seconds: float
    """From its begin to its end."""
    begin: float = 0.0
    first_byte: float | None = None
    """From its begin to the first byte of an output; of a job, to its end."""
    fault: Fault | None = None
    phase: Phase = Phase.DONE
    retry_after: float | None = None
    is_cut: bool = False
    """Given up by the gateway: nobody knows how it would have ended."""
    is_hedge: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One request, and every call that is known of it."""

    at: float
    model: str
    kind: str
    calls: tuple[Call, ...]
    seconds: float | None = None
    """How long its caller waited; None where it was never served."""
    reason: str = ""
    """Why it failed, where it was served and failed: a `reapi.v1.ErrorReason`."""


@dataclass(frozen=True, slots=True)
class TracedChannel:
    """What routing must know of a channel."""

    name: str
    models: tuple[str, ...]
    priority: int = 0
    weight: int = 100
    maximum_in_flight: int = 1000
    resubmit: Resubmit = Resubmit.DUPLICATE_OK
    deadlines: Deadlines = field(default_factory=Deadlines)
    bills_on_cancel: bool = False
    """Whether a call that is given up is charged all the same."""
    cost_micros: int | None = None
    """What the operator pays for a call that delivers, in millionths of a US dollar."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Requests by time, and the channels that could serve them."""

    requests: tuple[Request, ...]
    channels: tuple[TracedChannel, ...]
    source: str = ""
    """`recorded` or `synthetic`."""
    notes: Mapping[str, Any] = field(default_factory=dict)
    """What else its head says."""


# ---- writing


def head_line(source: str, **notes: int | float | str) -> str:
    """The first line of a trace."""
    return _json({"reapi_trace": FORMAT, "source": source, **notes})


def channel_line(channel: TracedChannel) -> str:
    """A channel as a line."""
    limits = {item.name: getattr(channel.deadlines, item.name) for item in fields(Deadlines)}
    facts = {
        "channel": channel.name,
        "models": list(channel.models),
        "priority": channel.priority,
        "weight": channel.weight,
        "maximum_in_flight": channel.maximum_in_flight,
        "resubmit": channel.resubmit,
        "bills_on_cancel": channel.bills_on_cancel,
        "deadlines": limits,
    }
    if channel.cost_micros is not None:
        facts["cost_micros"] = channel.cost_micros
    return _json(facts)


def request_line(request: Request) -> str:
    """A request as a line; what says nothing is left out."""
    facts: dict[str, Any] = {"at": _rounded(request.at), "model": request.model}
    facts["kind"] = request.kind
    if request.seconds is not None:
        facts["seconds"] = _rounded(request.seconds)
    if request.reason:
        facts["reason"] = request.reason
    facts["calls"] = [_call_facts(call) for call in request.calls]
    return _json(facts)


def _call_facts(call: Call) -> dict[str, Any]:
    facts: dict[str, Any] = {"channel": call.channel, "seconds": _rounded(call.seconds)}
    if call.begin:
        facts["begin"] = _rounded(call.begin)
    if call.first_byte is not None:
        facts["first_byte"] = _rounded(call.first_byte)
    if call.fault is not None:
        facts["fault"] = call.fault
        facts["phase"] = call.phase
    if call.retry_after is not None:
        facts["retry_after"] = _rounded(call.retry_after)
    if call.is_cut:
        facts["cut"] = True
    if call.is_hedge:
        facts["hedge"] = True
    return facts


def _rounded(seconds: float) -> float:
    return round(seconds, 6)


def _json(facts: Facts) -> str:
    return json.dumps(facts, separators=(",", ":"))


# ---- reading


def read_trace(lines: Iterable[str], progress: Callable[[int], None] = lambda _n: None) -> Trace:
    """Read the *lines* of a trace; raises TraceError. *progress* hears of every line."""
    numbered = enumerate(lines, 1)
    line, text = next(numbered, (1, ""))
    head = _Reader(_object(line, text), line)
    if head.integer("reapi_trace", 0, 0) != FORMAT:
        raise TraceError(line, f'no trace begins so; one begins {{"reapi_trace": {FORMAT}, …}}')
    source = head.text("source")
    channels: dict[str, TracedChannel] = {}
    requests: list[Request] = []
    for line, text in numbered:
        progress(line)
        if not text.strip():
            continue
        reader = _Reader(_object(line, text), line)
        if "at" in reader.facts:
            request = _request(reader, channels)
            if requests and request.at < requests[-1].at:
                raise TraceError(line, "`at` is before that of the request above")
            requests.append(request)
        else:
            channel = _channel(reader)
            if channel.name in channels:
                raise TraceError(line, f"channel `{channel.name}` came already")
            channels[channel.name] = channel
        reader.end()
    if not requests:
        raise TraceError(line, "there is no request in this trace")
    known = ("reapi_trace", "source")
    notes = {name: value for name, value in head.facts.items() if name not in known}
    return Trace(tuple(requests), tuple(channels.values()), source, notes)


def _object(line: int, text: str) -> Facts:
    if len(text) > LONGEST_LINE:
        raise TraceError(line, f"longer than {LONGEST_LINE} characters")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise TraceError(line, "not a JSON object")
    return found


class _Reader:
    """The fields of one object, each read once."""

    def __init__(self, facts: Facts, line: int) -> None:
        self.facts = facts
        self.line = line
        self._read: set[str] = set()

    def end(self) -> None:
        """Nothing else may be there."""
        rest = sorted(self.facts.keys() - self._read)
        if rest:
            raise TraceError(self.line, f"`{rest[0]}` means nothing here")

    def wrong(self, name: str, what: str) -> TraceError:
        """`name` should be something else."""
        return TraceError(self.line, f"`{name}` must be {what}")

    def number(self, name: str, default: float | None = None) -> float | None:
        """A number, not negative; *default* where it is absent."""
        value = self._take(name, default)
        if value is None:
            return None
        # (NaN compares with nothing.)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
            raise self.wrong(name, "a number, not negative")
        return float(value)

    def seconds(self, name: str) -> float:
        """A number that must be there."""
        value = self.number(name)
        if value is None:
            raise self.wrong(name, "a number of seconds")
        return value

    def integer(self, name: str, default: int, least: int) -> int:
        """A whole number from *least*."""
        value = self._take(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise self.wrong(name, f"a whole number from {least}")
        return value

    def text(self, name: str, default: str | None = None) -> str:
        """A text; without *default* it must be there."""
        value = self._take(name, default)
        if not isinstance(value, str) or (default is None and not value):
            raise self.wrong(name, "a text")
        return value

    def flag(self, name: str) -> bool:
        """True or false; absent is false."""
        value = self._take(name, default=False)
        if not isinstance(value, bool):
            raise self.wrong(name, "true or false")
        return value

    def list(self, name: str) -> list[Any]:
        """A list that must be there."""
        value = self._take(name, None)
        if not isinstance(value, list):
            raise self.wrong(name, "a list")
        return value

    def inner(self, name: str) -> "_Reader | None":
        """An object; None where it is absent."""
        value = self._take(name, None)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.wrong(name, "an object")
        return _Reader(value, self.line)

    def _take(self, name: str, default: Any) -> Any:
        self._read.add(name)
        return self.facts.get(name, default)


def _channel(reader: _Reader) -> TracedChannel:
    models = reader.list("models")
    if not models or not all(isinstance(model, str) for model in models):
        raise reader.wrong("models", "a list of models")
    resubmit = reader.text("resubmit", Resubmit.DUPLICATE_OK)
    if resubmit not in set(Resubmit):
        raise reader.wrong("resubmit", f"one of {', '.join(Resubmit)}")
    cost = reader.number("cost_micros")
    return TracedChannel(
        name=reader.text("channel"),
        models=tuple(models),
        priority=reader.integer("priority", 0, -(1 << 31)),
        weight=reader.integer("weight", 100, 1),
        maximum_in_flight=reader.integer("maximum_in_flight", 1000, 1),
        resubmit=Resubmit(resubmit),
        bills_on_cancel=reader.flag("bills_on_cancel"),
        deadlines=_deadlines(reader.inner("deadlines")),
        cost_micros=None if cost is None else round(cost),
    )


def _deadlines(reader: _Reader | None) -> Deadlines:
    if reader is None:
        return Deadlines()
    given = {item.name: reader.number(item.name) for item in fields(Deadlines)}
    reader.end()
    return Deadlines(**{name: value for name, value in given.items() if value is not None})


def _request(reader: _Reader, channels: Mapping[str, TracedChannel]) -> Request:
    calls = []
    for item in reader.list("calls"):
        if not isinstance(item, dict):
            raise reader.wrong("calls", "a list of objects")
        calls.append(_call(_Reader(item, reader.line), channels))
    return Request(
        at=reader.seconds("at"),
        model=reader.text("model"),
        kind=reader.text("kind"),
        calls=tuple(calls),
        seconds=reader.number("seconds"),
        reason=reader.text("reason", ""),
    )


def _call(reader: _Reader, channels: Mapping[str, TracedChannel]) -> Call:
    name, fault = reader.text("channel"), reader.text("fault", "")
    phase = reader.text("phase", Phase.FIRST_BYTE if fault else Phase.DONE)
    if name not in channels:
        raise TraceError(reader.line, f"no line above describes channel `{name}`")
    if fault and fault not in set(Fault):
        raise reader.wrong("fault", f"one of {', '.join(Fault)}")
    if phase not in set(Phase):
        raise reader.wrong("phase", f"one of {', '.join(Phase)}")
    call = Call(
        channel=name,
        seconds=reader.seconds("seconds"),
        begin=reader.number("begin", 0.0) or 0.0,
        first_byte=reader.number("first_byte"),
        fault=Fault(fault) if fault else None,
        phase=Phase(phase),
        retry_after=reader.number("retry_after"),
        is_cut=reader.flag("cut"),
        is_hedge=reader.flag("hedge"),
    )
    reader.end()
    return call


def lines_of(trace: Trace) -> Iterator[str]:
    """A whole trace as lines."""
    yield head_line(trace.source, **trace.notes)
    yield from map(channel_line, trace.channels)
    yield from map(request_line, trace.requests)
