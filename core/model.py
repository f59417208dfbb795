"""The words of the gateway: frozen values that every part speaks."""

from collections.abc import Mapping
from dataclasses import field, replace
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


class Mode(StrEnum):
    """What a request starts from: providers have a model, or a path, for each."""

    TEXT = "text"
    """Words only."""
    IMAGE = "image"
    """Images to edit or to refer to, perhaps with sounds."""
    FIRST_FRAME = "first_frame"
    FRAMES = "frames"
    """From a first to a last frame."""
    VIDEO = "video"
    """A video to edit, enhance or refer to, perhaps with images."""


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
    seconds: float = 0.0
    """Of a video or a sound, where its bytes tell."""
    url: Body[str] | None = None
    """Where a provider can fetch it, if anywhere: the caller's own URL, or one of ours."""
    frames: int = 0
    """Of a video, where its bytes tell."""


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
    texts: Mapping[str, Body[str]] = field(default_factory=dict, repr=False)
    """Other free words of the caller, by parameter: `negative_prompt`, `instructions`."""

    @property
    def mode(self) -> Mode:
        """What it starts from, by the roles of its inputs."""
        roles = {item.role for item in self.inputs}
        for role, mode in MODES.items():
            if role in roles:
                return mode
        return Mode.TEXT

    @property
    def used(self) -> frozenset[str]:
        """The names of everything that the request relies on, for channel exclusion."""
        names = set(self.parameters)
        names.update(f"input:{item.role}" for item in self.inputs)
        if self.partials:
            names.add("partials")
        return frozenset(names)


MODES = {
    Role.VIDEO: Mode.VIDEO,
    Role.LAST_FRAME: Mode.FRAMES,
    Role.FIRST_FRAME: Mode.FIRST_FRAME,
    Role.IMAGE: Mode.IMAGE,
    Role.MASK: Mode.IMAGE,
    Role.AUDIO: Mode.IMAGE,
}
"""The first role that a request has decides."""


@dataclass(frozen=True, slots=True)
class FieldRule:
    """How a channel is told one parameter, or the inputs of one role. See `providers.mapping`."""

    to: str
    """Their name; dots lead into objects (`parameters.size`), `[]` at the end makes a list."""
    values: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    """Their words for ours, of values as text; one that is not in it cannot be asked for."""
    form: str = ""
    """How a value is written, as `{}s`: makes a text of it."""
    modes: frozenset[Mode] = frozenset(Mode)
    """Only these are told; in others it means nothing to the model."""
    omit: frozenset[str] = frozenset()
    """Values that are said by saying nothing."""
    also: Mapping[str, str] = field(default_factory=dict)
    """Words beside it, in the object that `to` adds to a list: `type` of `media[].url`."""


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
    """What it cannot honour: names (`background`, `input:mask`, `partials`), `name=value` pairs,
    `mode:video`, and `inline:video` where it takes such files by URL only."""
    maximum_count: int = 10
    """Outputs that one call can make."""
    maximum_in_flight: int = 1000
    maximum_answer_bytes: int = 256 * 1024 * 1024
    maximum_result_bytes: int = 2 * 1024 * 1024 * 1024
    """Of an output that is hosted: it passes through in pieces."""
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
    variants: Mapping[Mode, str] = field(default_factory=dict)
    """The upstream model of each mode, where they differ; a mode that is missing is not served."""
    fields: Mapping[str, FieldRule] = field(default_factory=dict)
    """How it is told `prompt`, `output_count`, `end_user_id`, parameters, and `input:role`.

    Empty where the dialect itself knows. What is in neither cannot be asked for: the loader
    adds it to `unsupported`.
    """
    constants: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    """Told with every request, by their name as in `FieldRule.to`."""
    side_url: str = ""
    """A second base URL, where the provider answers questions about jobs elsewhere."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Words that only the dialect understands."""
    links: frozenset[Role] = frozenset()
    """Inputs of these roles are told by a link, which the gateway makes."""
    credential_name: str = ""
    """Where the catalogue says that `credential` is: `env:NAME` or `file:name`. No secret."""
    credentials: Mapping[str, Secret[str]] = field(default_factory=dict, repr=False)
    """All of them by name, `credential` too: they take turns (`using`)."""

    def using(self, name: str) -> "Channel":
        """The same, called with the credential of that name, if it still has it."""
        if name == self.credential_name or name not in self.credentials:
            return self
        return replace(self, credential=self.credentials[name], credential_name=name)

    def upstream_of(self, ask: Ask) -> str:
        """The provider's name of the model that serves *ask*."""
        return self.variants.get(ask.mode, self.upstream_model)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a provider counted, in tokens."""

    input_text_tokens: int = 0
    input_image_tokens: int = 0
    output_tokens: int = 0
    output_image_tokens: int | None = None


# What an attempt yields, in order: Acknowledged, previews, sounds and finals, one Report.


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
class Sound:
    """A part of an output, as it is made: a caller may hear it before the whole is there.

    The parts of an output follow each other without a gap; after the last one, which is empty,
    comes the Final with all of them.
    """

    output_index: int
    media_type: str
    offset: int
    data: Body[bytes]
    last: bool = False


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


Piece = Acknowledged | Preview | Sound | Final | Hosted | Report

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
