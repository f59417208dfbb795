"""API keys as their owners see them, and what may be wrong with what they want."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from accounts.granting import Scope, Settings
from accounts.key_networks import Network
from accounts.registry import NewKey


class Problem(StrEnum):
    """Why a key cannot be made or changed."""

    UNKNOWN = "unknown"
    NOT_PERMITTED = "not permitted"
    TOO_MUCH = "more than the caller has"
    TOO_MANY = "too many"
    HELD = "a budget limits a key of who asks"
    CHANGED = "changed meanwhile"
    INACTIVE = "revoked"
    EXPIRED = "expired"
    REPLACED = "rotated already"
    PAST = "expires in the past"


class KeyStoreError(Exception):
    """It cannot be made or changed; nothing was. *setting* is which one goes too far."""

    def __init__(self, problem: Problem, setting: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.setting = setting


class State(StrEnum):
    """Whether a key works."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """A key as its owner sees it."""

    key_id: UUID
    public_id: str
    name: str
    """Typed by its owner."""
    scopes: frozenset[Scope]
    requests_per_minute: int
    concurrency: int
    allowed_models: Sequence[str]
    sandbox: bool
    state: State
    version: int
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_use_at: datetime | None
    """Up to a minute late."""
    allowed_networks: Sequence[Network] = ()
    member_id: UUID | None = None
    """Who made it, where that is still a member."""
    user_id: UUID | None = None
    line_id: UUID | None = None
    """The first key of its rotations; None: itself."""
    replaced_by: UUID | None = None
    """The key that it was rotated to."""

    @property
    def name_of(self) -> str:
        """`api_keys/{public id}`."""
        return f"api_keys/{self.public_id}"


@dataclass(frozen=True, slots=True)
class Change:
    """What to change of which key."""

    public_id: str
    wanted: Settings
    version: int | None
    """The one that is to be changed; None: whichever it is."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """Which key to replace by *new*, and how long it goes on working."""

    public_id: str
    new: NewKey
    grace: timedelta
