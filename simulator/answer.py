"""What passes between a channel's front and the dialect it speaks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from simulator.faults import Fault
from simulator.jobs import JobBook
from simulator.knobs import Knobs


@dataclass(frozen=True, slots=True)
class Incoming:
    """One request, whole. `now` is the monotonic clock in seconds."""

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    knobs: Knobs
    now: float
    # Set when the answer must be empty of results although it succeeds.
    empty: str | None = None
    # What follows the `?`, not decoded.
    query: str = field(default="", repr=False)
    # A fault of jobs that the job made by this request must suffer.
    job_fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, ready to be sent, or to be broken by a fault on the way.

    A plain answer has one frame, its body; a streamed one has a frame per event, or per piece.
    `made` counts the results that were produced and would be billed.
    """

    status: int
    headers: Mapping[str, str]
    frames: tuple[bytes, ...] = field(repr=False)
    streamed: bool = False
    # A stream of plain bytes, such as a sound, has no event to say that it failed.
    has_events: bool = True
    outcome: str = "ok"
    made: int = 0
    wait_s: float = 0.0
    interval_s: float = 0.0


class Dialect(Protocol):
    """One upstream's wire protocol. Knows nothing of listeners, records or most faults."""

    def route(self, path: str) -> str:
        """Give *path* as it may be recorded: a path of the protocol, or `(other)`."""

    async def answer(self, incoming: Incoming) -> Answer:
        """Answer a request as the healthy upstream would."""

    def failure(self, fault: Fault) -> Answer:
        """Give the protocol's own answer for a `status` fault."""

    def failure_event(self, fault: Fault) -> bytes:
        """Give the event with which a stream of this protocol fails."""

    def too_large(self, limit: int) -> Answer:
        """Answer a body longer than *limit* bytes."""


class JobDialect(Dialect, Protocol):
    """A protocol with jobs, which outlive the calls that make them, and with hosted results."""

    @property
    def book(self) -> JobBook:
        """The channel's jobs."""

    def operation(self, method: str, path: str) -> str:
        """Say what a call is for: one of `simulator.faults.OPERATIONS`."""

    def serve_at(self, base_url: str) -> None:
        """Learn where the channel listens, before the first call."""

    async def close(self) -> None:
        """End what runs in the background."""
