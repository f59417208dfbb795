"""What a bridge needs to know, given by the composition root."""

from collections.abc import Callable
from dataclasses import dataclass

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Defect:
    """An exception that nobody expected: where, never what it said."""

    request_id: str
    endpoint: str
    """The route template; empty for an unknown URL."""
    error_type: str
    frames: tuple[str, ...]
    """`file:line function`, innermost last."""


@dataclass(frozen=True, slots=True)
class Served:
    """One HTTP request and its answer."""

    endpoint: str
    """The route template; empty for an unknown URL."""
    status: int
    """0 when the caller was gone before an answer began."""
    request_id: str
    milliseconds: float


def ignore_route(_: Served) -> None:
    """Report nothing."""


def ignore_defect(_: Defect) -> None:
    """Report nothing."""


@dataclass(frozen=True, slots=True)
class BridgeSettings:
    """Limits of the bridge. Sizes in bytes, times in seconds."""

    report_route: Callable[[Served], None] = ignore_route
    """Called once for each request, at its end; must not raise."""
    report_defect: Callable[[Defect], None] = ignore_defect
    """Called at the supervision boundary; must not raise."""
    sync_seconds: float = 290.0
    """How long a synchronous call waits before it answers 504; the SDKs' peers give up at 300."""
    deadline_margin_seconds: float = 10.0
    """How much later the gRPC deadline of such a call is."""
    unary_seconds: float = 30.0
    """Deadline of a transcoded unary call."""
    stream_seconds: float = 3_600.0
    """Deadline of a watch or a download."""
    health_seconds: float = 2.0
    """How long /readyz waits for core."""
    heartbeat_seconds: float = 15.0
    """SSE headers go out after this at the latest, then `: ping` as often."""
    json_bytes: int = 1 * MEBIBYTE
    """The largest JSON body without inline files."""
    unary_bytes: int = 6 * MEBIBYTE
    """The largest JSON body of a transcoded call: base64 of what one gRPC message holds."""
    inline_bytes: int = 64 * MEBIBYTE
    """The most that the files of one request may add up to."""
    inline_count: int = 16
    """Images of one edit, the mask not counted."""
    body_bytes_in_flight: int = 512 * MEBIBYTE
    """Bodies and inline outputs that one process holds before it refuses more bodies."""
    body_idle_seconds: float = 15.0
    """The longest pause while a body arrives."""
    body_grace_seconds: float = 15.0
    """From then on a body must have come at `body_bytes_per_second` on average."""
    body_bytes_per_second: int = 2_048
