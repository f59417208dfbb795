"""Typed log events: the only way to write a log line.

There is no free-text call. An event is a frozen dataclass whose fields are numbers,
booleans, and labels: strings of our own making (route templates, catalogue models,
reason codes). Anything else is shown as `?`. Records of other libraries are reduced to
logger, level, exception type and frames, because their messages may quote content.
"""

import json
import logging
import re
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import fields
from types import TracebackType
from typing import ClassVar

from core.values import dataclass

_LABEL = re.compile(r"[A-Za-z0-9_.:/{}*\-]{0,96}\Z")

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened."""

    level: ClassVar[str] = "info"
    """Where the table of levels below does not say."""


@dataclass(frozen=True, slots=True)
class CallEnded(Event):
    """An RPC ended; one for each call."""

    method: str
    code: str
    reason: str
    request_id: str
    milliseconds: float


@dataclass(frozen=True, slots=True)
class RouteEnded(Event):
    """An HTTP request ended; one for each request."""

    route: str
    status: int
    request_id: str
    milliseconds: float


@dataclass(frozen=True, slots=True)
class AttemptEnded(Event):
    """An attempt on a channel ended; an empty fault means that it delivered."""

    channel: str
    model: str
    fault: str
    phase: str
    http_status: int
    milliseconds: float
    operation: str = ""


@dataclass(frozen=True, slots=True)
class GenerationEnded(Event):
    """A generation reached its terminal state."""

    model: str
    channel: str
    state: str
    reason: str
    attempts: int
    milliseconds: float


@dataclass(frozen=True, slots=True)
class ChannelEjected(Event):
    """A channel will not be asked for a while."""

    channel: str
    operation: str
    fault: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ChannelRecovered(Event):
    """A live probe found a channel good again."""

    channel: str
    operation: str


@dataclass(frozen=True, slots=True)
class CredentialCooled(Event):
    """A credential of a channel will not be used for a while; the others are."""

    channel: str
    credential: str
    """Where the catalogue says it is."""
    fault: str
    seconds: float


@dataclass(frozen=True, slots=True)
class CredentialRecovered(Event):
    """A live probe found a credential good again."""

    channel: str
    credential: str


@dataclass(frozen=True, slots=True)
class ChannelAlert(Event):
    """An operator must act: a channel's credential is refused or its balance is spent."""

    channel: str
    fault: str
    credential: str = ""


@dataclass(frozen=True, slots=True)
class ChannelControlled(Event):
    """What an operator said about a channel holds in this process from now on."""

    channel: str
    admission: str
    weight: int
    """0: the catalogue's."""


@dataclass(frozen=True, slots=True)
class ControlsUnheard(Event):
    """Changes of channels cannot be read: those that were heard last go on to hold."""


@dataclass(frozen=True, slots=True)
class SignalHeard(Event):
    """Another process told something about a channel: `ejected`, `recovered`, `credential`."""

    channel: str
    signal: str


@dataclass(frozen=True, slots=True)
class CostLost(Event):
    """The operator bears what a provider bills for an attempt that no caller pays for."""

    channel: str
    model: str
    account: str
    """`hedge`: a hedge that lost; `risk`: a refusal, a cancel or a late bill."""
    micros: int


@dataclass(frozen=True, slots=True)
class HedgeEnded(Event):
    """A second attempt, begun beside one that took long, has ended."""

    channel: str
    """Of the second one."""
    model: str
    outcome: str
    """`won`, `lost`, or `failed`: neither delivered."""


@dataclass(frozen=True, slots=True)
class RequestShed(Event):
    """A request was refused because this process has enough: of which resource."""

    resource: str


@dataclass(frozen=True, slots=True)
class Overloaded(Event):
    """Requests were refused because this process has enough; told once a minute at most."""

    requests: int
    """Since the last record of this."""


@dataclass(frozen=True, slots=True)
class ModelDown(Event):
    """None of a model's channels is open and healthy."""

    model: str
    channels: int


@dataclass(frozen=True, slots=True)
class ModelRecovered(Event):
    """A model has a channel again."""

    model: str


@dataclass(frozen=True, slots=True)
class Adopted(Event):
    """Generations of a process that is gone were ended and voided."""

    count: int


@dataclass(frozen=True, slots=True)
class LeaseLost(Event):
    """The lease was not renewed in time; the generations of this process may be adopted."""

    epoch: int


@dataclass(frozen=True, slots=True)
class OutputsSwept(Event):
    """Outputs whose time was over were removed; those that failed are tried again."""

    removed: int
    failed: int


@dataclass(frozen=True, slots=True)
class PaymentOdd(Event):
    """A payment and the ledger did not agree: a sweep mended it, or nobody can."""

    oddity: str
    """`charged_not_credited`, `credited_not_charged`, `adjusted`; `account_deleted`: booked for an
    account that is erased; or why nothing was booked."""
    payment_intent: str


@dataclass(frozen=True, slots=True)
class BucketProblem(Event):
    """The bucket did not do what it was asked at start; the gateway goes on without."""

    operation: str
    code: str
    status: int


@dataclass(frozen=True, slots=True)
class CatalogueActivated(Event):
    """A changed catalogue was taken over while the gateway runs."""

    version: str
    models: int
    channels: int


@dataclass(frozen=True, slots=True)
class CatalogueRefused(Event):
    """A changed catalogue has a mistake there; the one before stays."""

    file: str = ""
    line: int = 0
    key: str = ""


@dataclass(frozen=True, slots=True)
class Started(Event):
    """A part of the gateway is ready."""

    part: str
    port: int


@dataclass(frozen=True, slots=True)
class CoreReached(Event):
    """A bridge has a connection to its core."""


@dataclass(frozen=True, slots=True)
class CoreUnreachable(Event):
    """A bridge has none: it answers 503 until core is back. *variable* is the one to look at."""

    reason: str
    variable: str


@dataclass(frozen=True, slots=True)
class Stopping(Event):
    """The gateway is shutting down."""

    running: int


@dataclass(frozen=True, slots=True)
class Defect(Event):
    """An exception nobody expected reached a supervision boundary."""

    where: str
    exception: str
    frames: str


def defect(where: str, error: BaseException) -> Defect:
    """Describe *error* by type and frames; never by its message."""
    return Defect(where, type(error).__name__, frames(error.__traceback__))


def frames(trace: TracebackType | None, limit: int = 8) -> str:
    """The innermost frames as `module:line/…`, without source lines or values."""
    stack = traceback.extract_tb(trace)[-limit:]
    return "/".join(f"{frame.name}:{frame.lineno}" for frame in stack)[:96]


Emit = Callable[[Event], None]


def render(event: Event, now: float) -> str:
    """One JSON line."""
    record: dict[str, object] = {"time": round(now, 3), "event": type(event).__name__}
    for item in fields(event):
        record[item.name] = _safe(getattr(event, item.name))
    return json.dumps(record)


def _safe(value: object) -> object:
    if isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, str) and _LABEL.match(value):
        return str(value)
    return "?"


_LEVELS: Mapping[type[Event], int] = {
    CallEnded: LEVELS["debug"],
    RouteEnded: LEVELS["debug"],
    RequestShed: LEVELS["debug"],
    HedgeEnded: LEVELS["debug"],
    SignalHeard: LEVELS["debug"],
    ControlsUnheard: LEVELS["warning"],
    Overloaded: LEVELS["error"],
    ModelDown: LEVELS["error"],
    GenerationEnded: LEVELS["debug"],
    AttemptEnded: LEVELS["warning"],
    ChannelEjected: LEVELS["warning"],
    CredentialCooled: LEVELS["warning"],
    Adopted: LEVELS["warning"],
    LeaseLost: LEVELS["warning"],
    BucketProblem: LEVELS["warning"],
    PaymentOdd: LEVELS["error"],
    CoreUnreachable: LEVELS["warning"],
    CatalogueRefused: LEVELS["error"],
    ChannelAlert: LEVELS["error"],
    Defect: LEVELS["error"],
}


def _level(event: Event) -> int:
    if type(event) is AttemptEnded and not event.fault:
        return LEVELS["debug"]
    level = _LEVELS.get(type(event))
    return LEVELS[event.level] if level is None else level


def emitter(level: str) -> Emit:
    """An `Emit` that writes lines of *level* and above to standard error."""
    threshold = LEVELS[level]

    def emit(event: Event) -> None:
        if _level(event) >= threshold:
            sys.stderr.write(render(event, time.time()) + "\n")

    return emit


class SilentHandler(logging.Handler):
    """Reduces records of other libraries to what cannot hold content."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write logger, level, exception type and frames; never message or arguments."""
        line: dict[str, object] = {
            "time": round(record.created, 3),
            "event": "Foreign",
            "logger": _safe(record.name),
            "level": _safe(record.levelname),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = _safe(record.exc_info[0].__name__)
            line["frames"] = _safe(frames(record.exc_info[2]))
        sys.stderr.write(json.dumps(line) + "\n")


def silence_libraries() -> None:
    """Make `SilentHandler` the only handler of the process."""
    root = logging.getLogger()
    root.handlers[:] = [SilentHandler()]
    root.setLevel(logging.WARNING)
    for name in list(logging.root.manager.loggerDict):
        logger = logging.getLogger(name)
        logger.handlers[:] = []
        logger.propagate = True
    logging.captureWarnings(True)
