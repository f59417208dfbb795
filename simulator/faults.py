"""What is wrong with a channel right now, set and cleared while the simulator runs.

What the caller sees of each kind:

status     HTTP `status` with the dialect's own body for it; `code` picks a variant of the body,
           `retry_after` (seconds) sets the header. In a stream, with `after` > 0: that many
           events, then an error event; of a sound that many pieces, then it is cut.
refuse     Connection refused: the listener is closed, idle connections are dropped, calls in
           flight finish. The same port listens again once the fault is cleared.
reset      TCP RST, before the headers or after `after` body bytes.
hang       Never a header, or silence after `after` body bytes; ends when the caller leaves.
slow       Headers that come `delay_ms` late (1,000 when 0); with `after` > 0 the body then drips
           `after` bytes at a time, `delay_ms` before each piece.
cut        An orderly close after `after` body bytes (`after` events of a stream): the announced
           length, or the last chunk, never comes.
garbage    HTTP 200 with an HTML page.
malformed  HTTP 200 that ends in good order and cannot be read: of a plain answer the first half, of
           a stream `after` events and one whose data breaks off, for a sound a page.
in_band    HTTP 200 whose body is the dialect's own error of `status` and `code`; in a stream
           `after` events, then an error event.
empty      HTTP 200 in the dialect's shape, without a result. `variant`: `no_data` (an empty
           list; a stream without its last event), `no_image` (an item without its image) or
           `null_image` (an item whose image is null).
lost       The work is done, or the job made, then the connection is closed without an answer. Calls
           that make nothing (polls, lists, cancels, files) are answered as if nothing were wrong.
job_fails  For dialects with jobs: a job submitted now fails once it has run, `delay_ms` later than
           it would have ended; `code` is its error's (the dialect's internal error if none).
           Calls without a job are answered as if nothing were wrong; OpenAI's images have none.
job_hangs  For dialects with jobs: a job submitted now never ends (Ark: until it expires).
job_relents  For dialects with jobs: a job submitted now is told to have failed, as by `job_fails`,
           and `delay_ms` later (1,000 when 0) to have succeeded after all (fal's stay failed).

`after` counts bytes, except for `cut` in a stream, where it counts events; `unit` (`bytes` or
`events`) decides otherwise; with `headers` a `reset`, `hang` or `cut` comes once these have left,
and no byte of the body. At least the last byte (or event) is always withheld, whatever
`after` says. `delay_ms` is waited before any fault acts (`refuse` excepted). `times` limits the
fault to the next so many calls (null: until cleared; not for `refuse`, whose calls are never
seen). Every request that reaches the channel's port counts as a call, a wrong URL included.

`on` limits a fault to one operation: `call` (makes something and answers with it), `submit` (makes
a job), `poll`, `list`, `cancel` or `file` (reads a hosted result). Without it a fault meets every
operation but `file`: hosted results are another host's business, so only `on` breaks them.
Dialects without jobs have calls only.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Final

from simulator.json_object import ControlError, JsonObject, one_of, within

KINDS: Final = (
    "status",
    "refuse",
    "reset",
    "hang",
    "slow",
    "cut",
    "garbage",
    "malformed",
    "in_band",
    "empty",
    "job_fails",
    "job_hangs",
    "job_relents",
    "lost",
)
OPERATIONS: Final = ("call", "submit", "poll", "list", "cancel", "file")
# Faults of jobs: no call without a job is touched by them, so none uses up their `times`.
JOB_KINDS: Final = frozenset({"job_fails", "job_hangs", "job_relents"})
UNITS: Final = ("bytes", "events", "headers")
EMPTY_VARIANTS: Final = ("no_data", "no_image", "null_image")
SLOW_DEFAULT_MS: Final = 1_000
RELENT_DEFAULT_MS: Final = 1_000
# One day: longer than any test, and far from overflowing a timer.
MAX_DELAY_MS: Final = 86_400_000
MAX_COUNT: Final = 1 << 40


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of one channel; the module's table says what each kind does."""

    kind: str
    status: int = 500
    after: int = 0
    times: int | None = None
    delay_ms: int = 0
    code: str | None = None
    retry_after: int | None = None
    variant: str = "no_data"
    unit: str | None = None
    on: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be acted out."""
        one_of("kind", self.kind, KINDS)
        one_of("variant", self.variant, EMPTY_VARIANTS)
        if self.unit is not None:
            one_of("unit", self.unit, UNITS)
        if self.on is not None:
            one_of("on", self.on, ("submit",) if self.kind in JOB_KINDS else OPERATIONS)
            if self.kind == "refuse":
                raise ControlError("on", "a refused call is never seen, so it cannot be told apart")
        within("status", self.status, 200, 599)
        within("after", self.after, 0, MAX_COUNT)
        within("delay_ms", self.delay_ms, 0, MAX_DELAY_MS)
        if self.retry_after is not None:
            within("retry_after", self.retry_after, 0, MAX_DELAY_MS)
        if self.times is not None:
            within("times", self.times, 1, MAX_COUNT)
            if self.kind == "refuse":
                raise ControlError("times", "a refused call is never seen, so it cannot be counted")

    @property
    def delay_s(self) -> float:
        """Seconds to wait before the fault acts."""
        if self.kind == "slow" and self.delay_ms == 0:
            return SLOW_DEFAULT_MS / 1_000
        return self.delay_ms / 1_000

    @property
    def fails_job(self) -> bool:
        """Whether a job that is made now is told to have failed."""
        return self.kind in {"job_fails", "job_relents"}

    def meets(self, operation: str) -> bool:
        """Say whether a call for *operation* suffers this fault."""
        if self.on is not None:
            return operation == self.on
        if self.kind in JOB_KINDS:
            return operation == "submit"
        return operation in {"call", "submit"} if self.kind == "lost" else operation != "file"

    def as_json(self) -> dict[str, object]:
        """Give the fault as the controls show it."""
        return asdict(self)

    def counts_events(self, *, streamed: bool) -> bool:
        """Say whether `after` counts events of the answer rather than bytes."""
        return streamed and (self.unit or ("events" if self.kind == "cut" else "bytes")) == "events"


def parse_fault(data: object) -> Fault:
    """Read a fault from decoded JSON; raises ControlError naming the field."""
    given = JsonObject(data, tuple(known.name for known in fields(Fault)))
    return Fault(
        kind=given.text("kind"),
        status=given.integer("status", 500),
        after=given.integer("after", 0),
        times=given.integer("times", None),
        delay_ms=given.integer("delay_ms", 0),
        code=given.text_or_none("code"),
        retry_after=given.integer("retry_after", None),
        variant=given.text("variant", "no_data"),
        unit=given.text_or_none("unit"),
        on=given.text_or_none("on"),
    )


@dataclass(slots=True)
class FaultBoard:
    """The fault of each channel; pure bookkeeping."""

    channels: Iterable[str]
    _faults: dict[str, Fault | None] = field(init=False)

    def __post_init__(self) -> None:
        """Start with every channel well."""
        self._faults = dict.fromkeys(self.channels)

    def put(self, channel: str, fault: Fault) -> None:
        """Make *fault* the only fault of *channel*."""
        assert channel in self._faults
        self._faults[channel] = fault

    def clear(self, channel: str) -> None:
        """Heal *channel*."""
        assert channel in self._faults
        self._faults[channel] = None

    def take(self, channel: str, operation: str = "call") -> Fault | None:
        """Give the fault that the call now arriving must suffer, and count it."""
        fault = self._faults[channel]
        if fault is None or not fault.meets(operation):
            return None
        if fault.times is not None:
            left = fault.times - 1
            self._faults[channel] = replace(fault, times=left) if left else None
        return fault

    def all(self) -> dict[str, Fault | None]:
        """Every channel with its fault."""
        return dict(self._faults)
