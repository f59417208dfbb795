"""What the live caller is told of a generation whose attempts have ended."""

from core.errors import GatewayError, Reason
from core.policy.decisions import Stop

DETAIL_LIMIT = 500
"""Characters of a provider's own words that a live caller is shown."""

_QUOTED = frozenset({Reason.UPSTREAM_REJECTED, Reason.CONTENT_POLICY_VIOLATION})


def explain(stop: Stop) -> GatewayError:
    """The error of a failed generation; the live caller also gets the provider's words."""
    error = stop.to_error()
    detail = stop.cause.detail if stop.cause is not None else None
    if detail and stop.reason in _QUOTED:
        error.message = f"{error.message} The provider says: {detail.reveal()[:DETAIL_LIMIT]}"
    return error
