"""A request that was examined: what may be accepted, and what is recorded of it then."""

from dataclasses import field
from uuid import UUID

from billing.pricing import PriceLine
from core.caller import Caller
from core.catalog.entries import Model
from core.engine.ids import moment_of
from core.engine.quotes import Quote
from core.engine.records import Callback
from core.model import Ask, Generation, GenerationState
from core.policy.routing import Plan
from core.values import dataclass


@dataclass(frozen=True, slots=True)
class Job:
    """A request that may be accepted."""

    ask: Ask
    model: Model
    routing: Plan
    price_lines: tuple[PriceLine, ...]
    """What the most that it may cost is made of."""
    quoted_micros: int
    """The most that it may cost."""
    seconds: int
    """How many are paid for at most, of each output; 0 where they are not counted."""
    step: int
    """Seconds that are charged at a time; 1 where they are not counted."""
    fingerprint: bytes = field(repr=False)
    idempotency_key: bytes | None = field(repr=False)
    endpoint: str
    request_id: str
    is_retry: bool
    detached: bool
    media_type: str
    """What outputs must be; empty: any type that we know."""
    callback: Callback | None = None
    catalogue_version: str = ""
    quote: Quote | None = None
    """The quote that it carries."""

    def accepted(self, caller: Caller, id_: UUID, epoch: int, channel: str) -> Generation:
        """The generation as it stands once its hold is committed."""
        return Generation(
            id=id_,
            account_id=caller.account_id,
            model=self.model.id,
            kind=self.model.kind,
            state=GenerationState.ACCEPTED,
            created_at=moment_of(id_),
            requested_count=self.ask.count,
            quoted_micros=0 if caller.sandbox else self.quoted_micros,
            duration_ms=self.seconds * 1000,
            channel=channel,
            sandbox=caller.sandbox,
            epoch=epoch,
        )
