"""What it means to a caller when the payment service does not answer, or says no."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from billing.stripe_client import PaymentRefused, PaymentServiceUnavailable
from core.errors import GatewayError, Reason

RETRY_SECONDS: Final = 5.0
"""What is asked for under the same request_id is made once, however often it is asked for."""
_REFUSED_SECONDS: Final = 60.0
"""Where it says no, somebody has to mend something first."""


@contextmanager
def stripe_answers() -> Iterator[None]:
    """Turn what Stripe's client raises into PAYMENT_SERVICE_UNAVAILABLE, without Stripe's text."""
    try:
        yield
    except PaymentServiceUnavailable:
        raise GatewayError(
            Reason.PAYMENT_SERVICE_UNAVAILABLE,
            "The payment service does not answer. Nothing was paid; try again.",
            retry_after=RETRY_SECONDS,
        ) from None
    except PaymentRefused as refused:
        raise GatewayError(
            Reason.PAYMENT_SERVICE_UNAVAILABLE,
            "The payment service refuses this. Nothing was paid; the operator has to look at it.",
            retry_after=_REFUSED_SECONDS,
            metadata={"code": refused.code},
        ) from None
