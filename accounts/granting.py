"""What a key may manage, and what it may give to others: never more than it has itself. Pure.

Whoever manages is a person, by the role in the account, or a key. A key that is itself limited, to
models or by a budget of its own, to less than the default rate or to the sandbox, manages nothing:
it could make another one without the limit, or many that have it each. One that works from some
networks only gives no key more of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from accounts.key_networks import Network, within

RATE: Final = 600
CONCURRENCY: Final = 50
"""What a key may do in a minute, and at once, where nobody says otherwise."""


NO_MODEL: Final = ("",)
"""A list of models that none is in."""


class Scope(StrEnum):
    """Something that a key may do; stored by these names."""

    GENERATE = "generate"
    READ_GENERATIONS = "read_generations"
    DELETE_GENERATIONS = "delete_generations"
    READ_BILLING = "read_billing"
    MANAGE_BILLING = "manage_billing"
    MANAGE_API_KEYS = "manage_api_keys"
    MANAGE_WEBHOOKS = "manage_webhooks"


EVERYTHING = frozenset(Scope)
"""What an operator's key may do: one that was stored without scopes."""


@dataclass(frozen=True, slots=True)
class Manager:
    """Who wants to manage something: a key, or a person who signed in."""

    key_id: UUID | None = None
    user_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Holder:
    """What a manager has, as the database knows it now."""

    scopes: frozenset[Scope]
    allowed_models: Sequence[str]
    """Empty: all of them."""
    has_budget: bool
    """Whether a budget limits this key alone."""
    requests_per_minute: int
    concurrency: int
    expires_at: datetime | None
    sandbox: bool
    allowed_networks: Sequence[Network] = ()
    """Empty: all of them."""
    user_id: UUID | None = None
    """The member: who signed in, or whose key it is."""
    only_own: bool = False
    """Whether it is a developer, who manages keys of its own."""
    is_held: bool = False
    """Whether a budget limits any key of that developer: another one would not be in it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a key is to be, or what of it is to change; None leaves it, or takes the default."""

    name: str | None = None
    scopes: frozenset[Scope] | None = None
    requests_per_minute: int | None = None
    concurrency: int | None = None
    allowed_models: Sequence[str] | None = None
    allowed_networks: Sequence[Network] | None = None
    expires_at: datetime | None = None
    never_expires: bool = False
    """With it, `expires_at` is None because it shall be."""


def scopes_of(stored: Sequence[str]) -> frozenset[Scope]:
    """The scopes of a stored key."""
    return frozenset(map(Scope, stored)) or EVERYTHING


def both(of_key: Sequence[str], of_account: Sequence[str]) -> Sequence[str]:
    """The models that a key and its account allow; in all three, none means all of them."""
    if not of_key or not of_account:
        return of_key or of_account
    return [name for name in of_key if name in of_account] or NO_MODEL


def may_manage(holder: Holder, scope: Scope) -> bool:
    """Whether *holder* may use a scope that manages."""
    is_slowed = holder.requests_per_minute < RATE or holder.concurrency < CONCURRENCY
    is_bounded = bool(holder.allowed_models) or holder.has_budget or holder.sandbox
    return scope in holder.scopes and not (is_slowed or is_bounded)


def excess(holder: Holder, wanted: Settings) -> str | None:
    """The setting of *wanted* that goes beyond what *holder* has itself; None: none does."""
    if wanted.scopes is not None and not wanted.scopes <= holder.scopes:
        return "scopes"
    if (wanted.requests_per_minute or 0) > holder.requests_per_minute:
        return "limits.requests_per_minute"
    if (wanted.concurrency or 0) > holder.concurrency:
        return "limits.concurrent_generations"
    if wanted.allowed_networks is not None and not within(
        wanted.allowed_networks, holder.allowed_networks
    ):
        return "allowed_networks"
    if holder.expires_at is not None:
        later = wanted.expires_at is not None and wanted.expires_at > holder.expires_at
        if later or wanted.never_expires:
            return "expire_time"
    return None
