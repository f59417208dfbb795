"""A request as it came in: parsed, not yet checked against a model."""

from collections.abc import Mapping
from dataclasses import field

from core.body import Body, Secret
from core.model import Role
from core.values import dataclass

MAXIMUM_INLINE_BYTES = 64 * 1024 * 1024
"""Of all inline inputs of one request together (semantics.md 19)."""

ParameterValue = str | int | float | bool | list["ParameterValue"] | dict[str, "ParameterValue"]


@dataclass(frozen=True, slots=True)
class RawInput:
    """One file, not yet looked at.

    `url` is where the caller says that it is; `data` is empty until it was fetched. With
    `url`, the file itself is no part of what makes two requests the same: its URL is.
    """

    role: Role
    data: Body[bytes]
    parameter: str
    url: Body[str] | None = None


@dataclass(frozen=True, slots=True)
class Routing:
    """Which channels the caller allows."""

    only: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Order:
    """What a caller asks for, and how."""

    model: str = field(repr=False)
    prompt: Body[str]
    given: Mapping[str, ParameterValue] = field(default_factory=dict, repr=False)
    """Parameters by canonical name, as they came."""
    inputs: tuple[RawInput, ...] = ()
    count: int | None = None
    partials: int = 0
    end_user: Body[str] | None = None
    idempotency_key: Body[str] | None = None
    retry_number: int = 0
    routing: Routing = Routing()
    callback_url: Body[str] | None = None
    """Who is told when it ends."""
    quote_token: Secret[str] | None = None
    """The quote that it shall not cost more than."""
    endpoint: str = ""
    request_id: str = ""
    detached: bool = True
    """Whether it outlives its caller."""
    ends: float | None = None
    """When attempts must be over, by the monotonic clock; None: it outlives its caller."""
