"""The words of the gateway: frozen values that every part speaks."""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from core.body import Body, Secret
from core.errors import Reason
from core.values import dataclass


class Kind(StrEnum):
    """What a model makes."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    CHAT = "chat"
    TOOL = "tool"


class GenerationState(StrEnum):
    """Where a generation stands; the last three never change."""

    ACCEPTED = "accepted"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        return self in _TERMINAL


_TERMINAL = frozenset(
    {GenerationState.SUCCEEDED, GenerationState.FAILED, GenerationState.CANCELLED}
)


class AttemptState(StrEnum):
    """Where one try on a channel stands; LOST = sent, outcome unknown."""

    SUBMITTING = "submitting"
    SUBMITTED = "submitted"
    DONE = "done"
    FAILED = "failed"
    LOST = "lost"


class Resubmit(StrEnum):
    """What may be done after a request was sent and no outcome came back."""

    DUPLICATE_OK = "duplicate_ok"
    """Leaves no job: ask another channel at once; a double cost is the operator's."""
    RECONCILE_FIRST = "reconcile_first"
    """May have made a job: ask the provider before anybody is asked again."""


class Role(StrEnum):
    """What a model does with an input."""

    IMAGE = "image"
    MASK = "mask"
    FIRST_FRAME = "first_frame"
    LAST_FRAME = "last_frame"
    VIDEO = "video"
    AUDIO = "audio"


@dataclass(frozen=True, slots=True)
class Input:
    """One file that the model looks at, already probed."""

    role: Role
    data: Body[bytes]
    media_type: str
    width: int = 0
    height: int = 0
    parameter: str = ""
    """What the caller calls it: `image[1]`."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One validated request, as dialects see it. Parameters have passed the model's schema.

    `parameters` holds what differs from the model's defaults, and those defaults that
    providers must be told, by canonical name (`size`, `quality`, `background`,
    `output_format`, `output_compression`, `moderation`, …), values of type str, int, float or
    bool.
    """

    model: str
    kind: Kind
    prompt: Body[str]
    inputs: tuple[Input, ...] = ()
    count: int = 1
    partials: int = 0
    """Previews of each output to stream, 0 to 3; 0 also means: do not stream."""
    parameters: Mapping[str, str | int | float | bool] = field(default_factory=dict, repr=False)
    end_user: Body[str] | None = None

    @property
    def used(self) -> frozenset[str]:
        """The names of everything that the request relies on, for channel exclusion."""
        names = set(self.parameters)
        names.update(f"input:{item.role}" for item in self.inputs)
        if self.partials:
            names.add("partials")
        return frozenset(names)


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds that each phase of an attempt may take."""

    connect: float = 3.0
    acknowledge: float = 15.0
    """Until response headers, where the provider answers before the work is done."""
    first_byte: float = 300.0
    """Until the first byte of the answer (of a sync call: the headers)."""
    idle: float = 30.0
    """Between two reads of the body."""
    total: float = 600.0


@dataclass(frozen=True, slots=True)
class Channel:
    """One way to serve a model."""

    name: str
    dialect: str
    upstream_model: str
    base_url: str
    credential: Secret[str]
    priority: int = 0
    """Lower is tried first."""
    weight: int = 100
    region: str = ""
    resubmit: Resubmit = Resubmit.DUPLICATE_OK
    bills_on_cancel: bool = False
    bills_on_refusal: bool = False
    unsupported: frozenset[str] = frozenset()
    """Names (`background`, `input:mask`, `partials`) and `name=value` pairs it cannot honour."""
    maximum_count: int = 10
    """Outputs that one call can make."""
    maximum_in_flight: int = 1000
    maximum_answer_bytes: int = 256 * 1024 * 1024
    media_hosts: frozenset[str] = frozenset()
    """Hosts of results that may have private addresses, as the base URL's may; `*.` stands for
    a subdomain. Public ones need no mention."""
    poll_seconds: float = 5.0
    """Between two looks at a job."""
    job_seconds: float = 3600.0
    """How long a job may take, from its submission; then its fate is unknown until the SLA."""
    sla_seconds: float = 7200.0
    """From the acceptance: then a generation whose job has not ended is given up, FAILED and
    voided for ever (semantics.md 22)."""
    deadlines: Deadlines = Deadlines()


@dataclass(frozen=True, slots=True)
class Usage:
    """What a provider counted, in tokens."""

    input_text_tokens: int = 0
    input_image_tokens: int = 0
    output_tokens: int = 0
    output_image_tokens: int | None = None


# What an attempt yields, in order: Acknowledged, previews and finals, one Report.


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The provider answered with headers."""

    http_status: int


@dataclass(frozen=True, slots=True)
class Preview:
    """A partial image."""

    output_index: int
    partial_index: int
    media_type: str
    data: Body[bytes]


@dataclass(frozen=True, slots=True)
class Final:
    """A finished output."""

    output_index: int
    data: Body[bytes]


@dataclass(frozen=True, slots=True)
class Report:
    """What the provider says about the outputs it made; empty where it does not."""

    usage: Usage | None = None
    size: str = ""
    quality: str = ""
    background: str = ""
    output_format: str = ""
    seconds: float = 0.0
    """How long the video or the sound is."""


@dataclass(frozen=True, slots=True)
class Hosted:
    """A finished output that the provider keeps for a while: to be copied at once.

    `url` may be anywhere on the open internet; of private addresses, only the host of the
    channel's base URL and its `media_hosts` are asked. `headers` go to the base URL's origin
    only, never along with a redirect to another.
    """

    output_index: int
    url: Body[str]
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


Piece = Acknowledged | Preview | Final | Hosted | Report

EMPTY_REPORT = Report()


# What becomes of a request: rows that the gateway keeps for 30 days. No content.


@dataclass(frozen=True, slots=True)
class Asset:
    """One stored output. `name` is its name in the bucket, and the path of its link."""

    output_index: int
    name: str = field(repr=False)
    media_type: str
    size_bytes: int
    sha256: bytes
    expire_at: datetime


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a generation failed: the parts that may be kept."""

    reason: Reason
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Generation:
    """One accepted request and where it stands."""

    id: UUID
    account_id: UUID
    model: str
    kind: Kind
    state: GenerationState
    created_at: datetime
    requested_count: int
    quoted_micros: int
    ended_at: datetime | None = None
    fate_unknown_since: datetime | None = None
    delivered_count: int = 0
    charged_micros: int | None = None
    channel: str = ""
    attempt_count: int = 1
    assets: tuple[Asset, ...] = ()
    failure: Failure | None = None
    sandbox: bool = False
    report: Report = EMPTY_REPORT
    duration_ms: int = 0
    """How long a video or a sound was asked to be (at most), and then is; 0: it has no length."""
    progress_percent: int | None = None
    """How far its job is, where the provider tells and this process looks."""
    epoch: int = 0
    """Of the process that owns it: the upper half of its events' sequence numbers."""
