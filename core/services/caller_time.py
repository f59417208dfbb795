"""How much time a caller gives a request: the deadline of the call, or a word of its own.

`x-reapi-timeout`, seconds, ends a generation also where the call that makes it does not:
REST opens every call detached (docs/decisions/0020-caller-deadlines.md).
"""

import re
from time import monotonic
from typing import Any, TypeAlias

from grpc import aio

from core.errors import GatewayError, Reason
from core.policy.deadlines import attempts_end
from core.values import dataclass

Context: TypeAlias = "aio.ServicerContext[Any, Any]"

NAME = "x-reapi-timeout"
SHORTEST_SECONDS = 0.1
LONGEST_SECONDS = 86_400.0
"""A day: longer than any provider's job may take (sla_seconds of the catalogue)."""
_SECONDS = re.compile(r"[0-9]{1,5}(\.[0-9]{1,3})?\Z")


@dataclass(frozen=True, slots=True)
class CallerBudget:
    """What a caller said about time. Moments of the monotonic clock; None: nothing."""

    arrived: float
    stated: float | None
    """The end that `x-reapi-timeout` names."""

    def attempts_end(self, remaining: float | None = None) -> float | None:
        """When its attempts must be over; an attached call ends them in its *remaining* seconds."""
        end = self.stated
        if remaining is not None:
            call_ends = monotonic() + remaining
            end = call_ends if end is None else min(end, call_ends)
        return None if end is None else attempts_end(self.arrived, end)


def caller_budget(context: Context, arrived: float) -> CallerBudget:
    """Read it from a call that came at *arrived*; raises INVALID_PARAMETER."""
    stated: float | None = None
    for name, value in context.invocation_metadata() or ():
        if name == NAME:
            stated = arrived + _seconds(value)
    return CallerBudget(arrived, stated)


def _seconds(value: str | bytes) -> float:
    text = value if isinstance(value, str) else ""
    seconds = float(text) if _SECONDS.match(text) else 0.0
    if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        raise GatewayError(
            Reason.INVALID_PARAMETER,
            f"`{NAME}` must be seconds, {SHORTEST_SECONDS} to {LONGEST_SECONDS:.0f}, "
            f"with three decimals at most.",
            parameter=NAME,
        )
    return seconds
