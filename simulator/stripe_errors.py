"""Stripe's refusals: an HTTP status and an error object."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Thing: TypeAlias = dict[str, Any]
"""An object of Stripe's as JSON has it. Members that begin with `_` are ours and never sent."""
DOCUMENTATION = "https://docs.stripe.com/error-codes"


@dataclass(eq=False)
class StripeError(Exception):
    """A request is refused.

    What is refused before anything was executed (`is_validation`) is not remembered under its
    idempotency key.
    """

    status: int
    message: str
    code: str | None = None
    param: str | None = None
    type: str = "invalid_request_error"
    more: Mapping[str, Any] | None = None
    is_validation: bool = False

    def body(self, request_id: str) -> Thing:
        """Give the answer's JSON."""
        error: Thing = {"message": self.message, "type": self.type}
        if self.code is not None:
            error |= {
                "code": self.code,
                "doc_url": f"{DOCUMENTATION}#{self.code.replace('_', '-')}",
            }
        if self.param is not None:
            error["param"] = self.param
        error |= self.more or {}
        error["request_log_url"] = f"https://dashboard.stripe.com/test/logs/{request_id}"
        return {"error": error}


def invalid(message: str, param: str | None = None, code: str | None = None) -> StripeError:
    """Refuse what no endpoint would have begun to execute."""
    return StripeError(400, message, code, param, is_validation=True)


def missing(kind: str, given: str, param: str, *, in_path: bool) -> StripeError:
    """Refuse the id of an object that does not exist: 404 in the path, 400 elsewhere."""
    message = f"No such {kind}: '{given[:255]}'"
    status = 404 if in_path else 400
    return StripeError(status, message, "resource_missing", param, is_validation=True)


def refused(message: str, code: str | None = None, param: str | None = None) -> StripeError:
    """Refuse because of how an object stands."""
    return StripeError(400, message, code, param)
