"""What is kept of a generation: the records of its commits and of its reads.

No prompt, no upstream text, nothing a user typed: names of models, channels and
reasons, numbers, keyed hashes and ids. Times inside a generation are milliseconds
since it was accepted, by the owner's monotonic clock; times of day come from the
database's clock as aware datetimes.
"""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from uuid import UUID

from billing.pricing import PriceLine
from core.errors import Fault, Phase, Reason
from core.model import AttemptState, GenerationState, Kind, Usage
from core.values import dataclass

# ---- what an attempt and an output leave behind


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One try of a generation on one channel."""

    number: int
    """From 1."""
    channel: str
    mark: UUID
    """Random; given to the provider where it can echo or list one."""
    state: AttemptState = AttemptState.SUBMITTING
    fault: Fault | None = None
    phase: Phase | None = None
    http_status: int = 0
    started_ms: int = 0
    acknowledged_ms: int | None = None
    first_byte_ms: int | None = None
    ended_ms: int | None = None
    upstream_job_id: str = ""
    shard: int = 0
    """Which part of a request that was split over several calls it was to make; from 0."""
    is_hedge: bool = False
    """Begun beside another that took long; the first to deliver wins."""
    standing: str = ""
    """How the channel stood when it was chosen (`core.policy.health.Standing`); empty: unknown."""
    candidates: int = 0
    """How many channels could have served the request; 0: unknown."""
    credential: str = ""
    """Where the channel's credential is that it used, `env:NAME`: its job is asked for with it."""


@dataclass(frozen=True, slots=True)
class AssetRecord:
    """One output in the bucket."""

    output_index: int
    sha256: bytes
    size_bytes: int
    media_type: str
    link: str
    """The unguessable part of its URL: 96 random bits."""
    width: int = 0
    height: int = 0
    keep_days: int = 30


@dataclass(frozen=True, slots=True)
class Callback:
    """Where the end of a generation is told."""

    target: UUID
    """Stands for the account and the host: who is slow together."""
    url: bytes = field(repr=False)
    """Sealed."""


# ---- parts of commits


@dataclass(frozen=True, slots=True)
class NewGeneration:
    """An accepted request. Commit as (NewGeneration, KeyUse, Hold).

    Refused by Replay, IdempotencyMismatch or Claimed; then nothing was taken.
    """

    id: UUID
    """UUIDv7: its time chooses the day's partition."""
    account_id: UUID
    key_id: UUID
    hold_id: UUID
    """The transfer id of its Hold."""
    owner_epoch: int
    model: str
    kind: Kind
    catalogue_version: str
    endpoint: str
    """The route template or RPC that asked for it."""
    request_id: str
    """Our own `x-request-id`."""
    requested_count: int
    quoted_micros: int
    fingerprint: bytes
    """HMAC of the canonical request, 32 bytes."""
    first_attempt: AttemptRecord
    idempotency_key: bytes | None = None
    """HMAC of the caller's key, 32 bytes."""
    claim: bool = False
    """An SDK's retry without a key: an orphan of this key and fingerprint answers it."""
    sandbox: bool = False
    time_limit_ms: int = 0
    """The outcome is due within this; 0: no limit."""
    duration_ms: int = 0
    """How long a video or a sound is to be, at most."""
    callback: Callback | None = None
    quote_id: UUID | None = None
    """The quote that it carries: its UseQuote is in the same commit."""
    price_lines: tuple[PriceLine, ...] = ()
    """What the most that it may cost is made of."""


@dataclass(frozen=True, slots=True)
class FinishGeneration:
    """The end of a generation. Commit as (FinishGeneration, Settle or Void, KeyRelease).

    It writes the messages to who wants to be told, too. Answers Finished. Refused by
    GenerationUnknown, AlreadyTerminal or NotOwner.
    """

    id: UUID
    account_id: UUID
    key_id: UUID
    owner_epoch: int
    model: str
    state: GenerationState
    """SUCCEEDED, FAILED or CANCELLED."""
    reason: Reason | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Of the reason; ours, never content."""
    channel: str = ""
    """Who made it."""
    attempts: tuple[AttemptRecord, ...] = ()
    """All of them; those known before are updated."""
    assets: tuple[AssetRecord, ...] = ()
    delivered_count: int = 0
    charged_micros: int = 0
    usage: Usage | None = None
    size: str = ""
    quality: str = ""
    background: str = ""
    output_format: str = ""
    duration_ms: int = 0
    """How long what was made is; 0 leaves what was asked for."""


@dataclass(frozen=True, slots=True)
class SubmitAttempt:
    """A further attempt on a channel that leaves a job, written before bytes leave."""

    generation_id: UUID
    account_id: UUID
    owner_epoch: int
    attempt: AttemptRecord


@dataclass(frozen=True, slots=True)
class NoteJob:
    """The provider's id for the job of an attempt: from now on an adopter can finish it."""

    generation_id: UUID
    account_id: UUID
    owner_epoch: int
    number: int
    upstream_job_id: str


@dataclass(frozen=True, slots=True)
class NoteFate:
    """Whether the job of a generation is being made is not known, or known again."""

    id: UUID
    account_id: UUID
    owner_epoch: int
    is_unknown: bool


@dataclass(frozen=True, slots=True)
class Adopt:
    """Take a generation over from a process whose lease has expired, by compare-and-set."""

    id: UUID
    account_id: UUID
    from_epoch: int
    to_epoch: int


@dataclass(frozen=True, slots=True)
class MarkOrphan:
    """The caller's connection closed before the answer: an SDK's retry may claim it.

    Also when it was claimed before: the answer to that claim was lost as well.
    """

    id: UUID
    account_id: UUID


@dataclass(frozen=True, slots=True)
class RequestCancel:
    """The caller asks for an end; the answer is the state at this moment."""

    id: UUID
    account_id: UUID


@dataclass(frozen=True, slots=True)
class HideGeneration:
    """Delete: it is found no more, its outputs are marked deleted. Answers the state."""

    id: UUID
    account_id: UUID


# ---- answers


@dataclass(frozen=True, slots=True)
class Finished:
    """A generation has ended."""

    hidden: bool
    """It was deleted before: nobody will find its outputs, so whoever made them discards them.

    (Who deletes what has ended already finds them with `assets(…, deleted=True)`.)
    """


# ---- refusals


@dataclass(frozen=True, slots=True)
class Replay:
    """The same request under the same idempotency key has this generation."""

    generation_id: UUID


@dataclass(frozen=True, slots=True)
class IdempotencyMismatch:
    """Another request came under the same idempotency key."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """An orphan answers the SDK's retry; it is nobody else's from now on."""

    generation_id: UUID


@dataclass(frozen=True, slots=True)
class GenerationUnknown:
    """No such generation on that account."""


@dataclass(frozen=True, slots=True)
class AlreadyTerminal:
    """It ended before."""

    state: GenerationState


@dataclass(frozen=True, slots=True)
class NotOwner:
    """Another process owns it now."""

    owner_epoch: int


# ---- what reads give


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation as stored."""

    id: UUID
    account_id: UUID
    key_id: UUID
    hold_id: UUID
    owner_epoch: int
    model: str
    kind: Kind
    state: GenerationState
    catalogue_version: str
    endpoint: str
    request_id: str
    requested_count: int
    quoted_micros: int
    sandbox: bool
    created_at: datetime
    deadline_at: datetime | None
    finished_at: datetime | None
    cancel_requested_at: datetime | None
    orphaned_at: datetime | None
    claimed_at: datetime | None
    reason: Reason | None
    metadata: Mapping[str, str]
    channel: str
    attempt_count: int
    delivered_count: int
    charged_micros: int
    usage: Usage | None
    size: str
    quality: str
    background: str
    output_format: str
    duration_ms: int = 0
    fate_unknown_since: datetime | None = None
    hidden: bool = False
    """It was deleted: only who finishes it reads it."""
    quote_id: UUID | None = None
    price_lines: tuple[PriceLine, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredAsset:
    """One output as stored."""

    generation_id: UUID
    account_id: UUID
    record: AssetRecord
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Stray:
    """A generation that has not ended and whose owner's lease has expired."""

    id: UUID
    account_id: UUID
    key_id: UUID
    hold_id: UUID
    owner_epoch: int
    model: str


@dataclass(frozen=True, slots=True)
class Listing:
    """Which generations of an account to read. Empty sets mean all."""

    limit: int
    after: UUID | None = None
    """Exclusive: the last one of the page before, in the same order."""
    kinds: frozenset[Kind] = frozenset()
    models: frozenset[str] = frozenset()
    oldest_first: bool = False
