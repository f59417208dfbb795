"""The cells of the fault matrix: what is broken, how, and what must come of it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

KINDS = ("image", "stream", "video", "speech")
TITLES = {"image": "sync image", "stream": "SSE image", "video": "async video", "speech": "speech"}
SEEN = "seen"
"""Prefix of the rows whose caller has seen a preview, or heard a sound, before the fault."""

# Of the channels of the matrix, in seconds.
CONNECT, ACKNOWLEDGE, FIRST_BYTE, IDLE, TOTAL = 1.0, 1.0, 1.5, 1.0, 4.0
SEARCH = 17.0
"""For a job that may have been made: searched at 1, 3, 7 and 15 s, absent after 10 s."""
SLA = 6.0
"""Of the video that never ends."""


class Outcome(Enum):
    """What must come of a request that meets the fault."""

    ANOTHER = "another channel, at once"
    SILENT = "another channel, at the deadline of the phase"
    SEARCHED = "one job, found again or shown to be absent"
    SAME = "the same channel"
    CUT = "one typed error, nothing charged"
    GIVEN_UP = "a typed failure at the deadline of the job"


@dataclass(frozen=True)
class Cell:
    """One fault of one kind of request. `fault` is what the simulator is told.

    None: nobody accepts the connection.
    """

    row: str
    kind: str
    outcome: Outcome
    fault: Mapping[str, Any] | None
    deadline: float = 0.0
    """Seconds after which it must be decided, where it is silent."""

    @property
    def name(self) -> str:
        """For its model, its upstream and its channels."""
        return f"{self.kind}-{re.sub('[^a-z0-9]+', '-', self.row.lower())}"

    @property
    def is_timed(self) -> bool:
        """Whether milliseconds count, so that it is asked alone."""
        return self.outcome is Outcome.ANOTHER

    @property
    def delivers(self) -> bool:
        """Whether the caller must get an output."""
        return self.outcome not in (Outcome.CUT, Outcome.GIVEN_UP)


@dataclass(frozen=True)
class Row:
    """A fault with the kinds that it exists for; `why` not for the others."""

    name: str
    cells: Mapping[str, "_Told"]
    why: str = ""

    def __iter__(self) -> Iterator[Cell]:
        for kind, (outcome, fault, deadline) in self.cells.items():
            yield Cell(self.name, kind, outcome, fault, deadline)


_Told = tuple[Outcome, Mapping[str, Any] | None, float]
_A, _S, _F, _C = Outcome.ANOTHER, Outcome.SILENT, Outcome.SEARCHED, Outcome.CUT
_ON = {"on": "submit"}
_NO_JOB = "only a video is a job here"
_ONE_ANSWER = "its answer is one piece: nothing is seen of it before its end"


def _status(status: int, code: str = "", **more: Any) -> dict[str, Any]:
    return {"kind": "status", "status": status, **({"code": code} if code else {}), **more}


def _calls(fault: Mapping[str, Any]) -> dict[str, _Told]:
    """The same for all calls without a job, before anything is seen."""
    return dict.fromkeys(("image", "stream", "speech"), (_A, fault, 0.0))


def _all(fault: Mapping[str, Any], code: str = "") -> dict[str, _Told]:
    """The same for all, and another channel at once for all; *code* is the videos' for it."""
    on = {} if fault["kind"] == "refuse" else _ON
    video = {**fault, **on, **({"code": code} if code else {})}
    return {**_calls(fault), "video": (_A, video, 0.0)}


def _searched(fault: Mapping[str, Any], deadline: float = 0.0) -> _Told:
    return (_F, {**fault, **_ON}, deadline + SEARCH)


_HEADERS = {"kind": "hang", "unit": "headers"}
_DRIP = {"kind": "slow", "after": 1, "delay_ms": 300}
_PIECE = {"after": 1, "unit": "events"}

ROWS = (
    Row("500", _all(_status(500))),
    Row("429 with Retry-After", _all(_status(429, retry_after=1))),
    Row("401", _all(_status(401))),
    Row("quota spent", _all(_status(429, "insufficient_quota"), "SetLimitExceeded")),
    Row("connection refused", _all({"kind": "refuse"})),
    Row(
        "reset before headers",
        {**_calls({"kind": "reset"}), "video": _searched({"kind": "reset"})},
    ),
    Row(
        "reset after headers",
        {
            **_calls({"kind": "reset", "unit": "headers"}),
            "video": _searched({"kind": "reset", "unit": "headers"}),
        },
    ),
    Row("hang: connect", dict.fromkeys(KINDS, (_S, None, CONNECT))),
    Row(
        "hang: headers",
        {
            "image": (_S, {"kind": "hang"}, FIRST_BYTE),
            "stream": (_S, {"kind": "hang"}, ACKNOWLEDGE),
            "video": _searched({"kind": "hang"}, FIRST_BYTE),
            "speech": (_S, {"kind": "hang"}, FIRST_BYTE),
        },
    ),
    Row(
        "hang: first byte",
        {
            "image": (_S, _HEADERS, IDLE),
            "stream": (_S, _HEADERS, FIRST_BYTE),
            "video": _searched(_HEADERS, IDLE),
            "speech": (_S, _HEADERS, FIRST_BYTE),
        },
    ),
    Row(
        "hang: middle of the body",
        {
            "image": (_S, {"kind": "hang", "after": 100}, IDLE),
            "stream": (_S, {"kind": "hang", "after": 100}, IDLE),
            "video": _searched({"kind": "hang", "after": 10}, IDLE),
        },
        "16 bytes of a sound are heard, see below",
    ),
    Row(
        "slow drip",
        {
            "image": (_S, _DRIP, TOTAL),
            "stream": (_S, _DRIP, TOTAL),
            "video": _searched(_DRIP, TOTAL),
        },
        "16 bytes of a sound are heard, see below",
    ),
    Row(
        "cut before the first event",
        {
            "image": (_A, {"kind": "cut", "after": 100}, 0.0),
            "stream": (_A, {"kind": "cut"}, 0.0),
            "video": _searched({"kind": "cut", "after": 10}),
            "speech": (_A, {"kind": "cut"}, 0.0),
        },
    ),
    Row(
        "malformed body or SSE",
        {**_calls({"kind": "malformed"}), "video": _searched({"kind": "malformed"})},
    ),
    Row("HTML 200", {**_calls({"kind": "garbage"}), "video": _searched({"kind": "garbage"})}),
    Row(
        "empty 200",
        {
            "image": (_A, {"kind": "empty"}, 0.0),
            "video": _searched({"kind": "empty"}),
            "speech": (_A, {"kind": "empty"}, 0.0),
        },
        "its previews are seen, see below",
    ),
    Row("in-band error", _all({"kind": "in_band"})),
    Row("job fails late", {"video": (_A, {"kind": "job_fails"}, 0.0)}, _NO_JOB),
    Row("job never ends", {"video": (Outcome.GIVEN_UP, {"kind": "job_hangs"}, SLA)}, _NO_JOB),
    Row(
        "job 404, then found",
        {"video": (Outcome.SAME, _status(404, on="poll", times=10), 0.0)},
        _NO_JOB,
    ),
    Row(
        "job succeeds after it failed",
        {"video": (_A, {"kind": "job_relents", "delay_ms": 50}, 0.0)},
        _NO_JOB,
    ),
    Row(
        f"{SEEN}: cut",
        {
            "stream": (_C, {"kind": "cut", **_PIECE}, 0.0),
            "speech": (_C, {"kind": "cut", **_PIECE}, 0.0),
        },
        _ONE_ANSWER,
    ),
    Row(
        f"{SEEN}: reset",
        {
            "stream": (_C, {"kind": "reset", **_PIECE}, 0.0),
            "speech": (_C, {"kind": "reset", **_PIECE}, 0.0),
        },
        _ONE_ANSWER,
    ),
    Row(
        f"{SEEN}: hang",
        {
            "stream": (_C, {"kind": "hang", **_PIECE}, IDLE),
            "speech": (_C, {"kind": "hang", **_PIECE}, IDLE),
        },
        _ONE_ANSWER,
    ),
    Row(
        f"{SEEN}: slow drip",
        {"speech": (_C, {"kind": "slow", "after": 16, "delay_ms": 300}, TOTAL)},
        "a preview is seen whole, see above",
    ),
    Row(
        f"{SEEN}: malformed SSE",
        {"stream": (_C, {"kind": "malformed", "after": 1}, 0.0)},
        "a sound has no events",
    ),
    Row(f"{SEEN}: empty", {"stream": (_C, {"kind": "empty"}, 0.0)}, "a sound is not empty then"),
    Row(
        f"{SEEN}: in-band error",
        {"stream": (_C, {"kind": "in_band", "after": 1}, 0.0)},
        "a sound has no events",
    ),
)

CELLS = tuple(cell for row in ROWS for cell in row)
