"""What is known of receivers and of messages to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from core.body import Secret


class EventType(StrEnum):
    """What a message is about; the `type` in its body."""

    GENERATION_SUCCEEDED = "generation.succeeded"
    GENERATION_FAILED = "generation.failed"
    GENERATION_CANCELLED = "generation.cancelled"
    BUDGET_ALERT = "budget.alert"
    BALANCE_LOW = "balance.low"
    PRICE_INCREASE = "price.increase"
    TEST = "test"


class State(StrEnum):
    """Where a message stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A URL that an account registered."""

    id: UUID
    version: int
    url: Secret[str]
    display_name: Secret[str]
    event_types: Sequence[EventType]
    """Empty: all about generations."""
    disabled: bool
    created_at: datetime
    last_success_at: datetime | None = None
    old_secret_expires_at: datetime | None = None
    """None too when that is past."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What to change of an endpoint; None leaves it."""

    url: Secret[str] | None = None
    display_name: Secret[str] | None = None
    event_types: Sequence[EventType] | None = None
    disabled: bool | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to one URL, without its contents: those are made when it is sent."""

    id: UUID
    endpoint_id: UUID | None
    """None: the callback URL of the generation."""
    generation_id: UUID | None
    event_type: EventType
    state: State
    try_count: int
    http_status: int
    fault: str
    created_at: datetime
    last_try_at: datetime | None
    next_try_at: datetime | None


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that is to be sent now: everything but what it says."""

    account_id: UUID
    id: UUID
    endpoint_id: UUID | None
    generation_id: UUID | None
    notice_id: UUID | None
    event_type: EventType
    created_at: datetime
    now: datetime
    """By the database's clock."""
    round_at: datetime
    round_tries: int
    failing_since: datetime | None
    stopped: bool
    """Its endpoint is disabled or deleted, or its callback URL forgotten."""
    facts: Mapping[str, object] | None
    """What a notice says; None: it is about something else, or was swept."""
    url: bytes = field(repr=False)
    """Sealed."""
    secrets: Sequence[bytes] = field(repr=False)
    """Sealed; those that sign it, newest first."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which messages of an account to list. Empty and None mean all."""

    limit: int
    after: UUID | None = None
    """Exclusive: the last one of the page before, newest first."""
    endpoint_id: UUID | None = None
    generation_id: UUID | None = None
    states: Sequence[State] = ()


def message_id(id_: UUID) -> str:
    """The `webhook-id` of a message."""
    return f"msg_{id_.hex}"
