"""What can go wrong, in our own words, and what each fault of a provider means.

Two tables and no branches: `MEANING` says whether a fault allows another channel
and whether it blames the one that made it; `core.interceptors` turns a `Reason`
into a gRPC status. Tests prove both total.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum

from core.body import Body


class Reason(StrEnum):
    """Why a call or a generation failed: the names of `reapi.v1.ErrorReason`."""

    API_KEY_MISSING = "API_KEY_MISSING"
    API_KEY_INVALID = "API_KEY_INVALID"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    ACCOUNT_SUSPENDED = "ACCOUNT_SUSPENDED"
    SESSION_INVALID = "SESSION_INVALID"
    CREDENTIALS_INVALID = "CREDENTIALS_INVALID"
    EMAIL_NOT_VERIFIED = "EMAIL_NOT_VERIFIED"
    NETWORK_NOT_ALLOWED = "NETWORK_NOT_ALLOWED"
    REAUTHENTICATION_REQUIRED = "REAUTHENTICATION_REQUIRED"
    INVALID_PARAMETER = "INVALID_PARAMETER"
    MISSING_PARAMETER = "MISSING_PARAMETER"
    UNKNOWN_PARAMETER = "UNKNOWN_PARAMETER"
    INVALID_TYPE = "INVALID_TYPE"
    MALFORMED_REQUEST = "MALFORMED_REQUEST"
    UNSUPPORTED_CONTENT_TYPE = "UNSUPPORTED_CONTENT_TYPE"
    REQUEST_TOO_LARGE = "REQUEST_TOO_LARGE"
    INVALID_INPUT = "INVALID_INPUT"
    REQUEST_TIMEOUT = "REQUEST_TIMEOUT"
    MODEL_NOT_FOUND = "MODEL_NOT_FOUND"
    GENERATION_NOT_FOUND = "GENERATION_NOT_FOUND"
    ASSET_NOT_FOUND = "ASSET_NOT_FOUND"
    ENDPOINT_NOT_FOUND = "ENDPOINT_NOT_FOUND"
    ENDPOINT_NOT_AVAILABLE = "ENDPOINT_NOT_AVAILABLE"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    NOT_FOUND = "NOT_FOUND"
    MODEL_NOT_ALLOWED = "MODEL_NOT_ALLOWED"
    CONFLICT = "CONFLICT"
    PAYMENT_SERVICE_UNAVAILABLE = "PAYMENT_SERVICE_UNAVAILABLE"
    INSUFFICIENT_CREDITS = "INSUFFICIENT_CREDITS"
    BUDGET_EXCEEDED = "BUDGET_EXCEEDED"
    QUOTE_EXPIRED = "QUOTE_EXPIRED"
    QUOTE_MISMATCH = "QUOTE_MISMATCH"
    RATE_LIMIT_EXCEEDED = "RATE_LIMIT_EXCEEDED"
    CONCURRENCY_LIMIT_EXCEEDED = "CONCURRENCY_LIMIT_EXCEEDED"
    ACCOUNT_IN_DEBT = "ACCOUNT_IN_DEBT"
    IDEMPOTENCY_MISMATCH = "IDEMPOTENCY_MISMATCH"
    RESULT_NOT_RETAINED = "RESULT_NOT_RETAINED"
    REQUEST_NOT_RETAINED = "REQUEST_NOT_RETAINED"
    OVERLOADED = "OVERLOADED"
    STORAGE_UNAVAILABLE = "STORAGE_UNAVAILABLE"
    INTERNAL = "INTERNAL"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    STILL_RUNNING = "STILL_RUNNING"
    CONTENT_POLICY_VIOLATION = "CONTENT_POLICY_VIOLATION"
    UPSTREAM_REJECTED = "UPSTREAM_REJECTED"
    UPSTREAM_ERROR = "UPSTREAM_ERROR"
    UPSTREAM_TIMEOUT = "UPSTREAM_TIMEOUT"
    UPSTREAM_OVERLOADED = "UPSTREAM_OVERLOADED"
    NO_CHANNEL = "NO_CHANNEL"
    STREAM_INTERRUPTED = "STREAM_INTERRUPTED"
    CANCELLED = "CANCELLED"
    BOT_CHECK_FAILED = "BOT_CHECK_FAILED"
    TOKEN_INVALID = "TOKEN_INVALID"  # noqa: S105 (a reason)
    SIGN_IN_REFUSED = "SIGN_IN_REFUSED"
    SIGN_IN_SERVICE_UNAVAILABLE = "SIGN_IN_SERVICE_UNAVAILABLE"
    CSRF_TOKEN_INVALID = "CSRF_TOKEN_INVALID"  # noqa: S105 (a reason)


class GatewayError(Exception):
    """A failure with a reason that callers may rely on.

    `message` is ours: it names the parameter and the remedy, and never repeats
    content. `metadata` are the dynamic parts, repeated for machines.
    `retry_after` is in seconds.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        parameter: str = "",
        retry_after: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.message = message
        self.parameter = parameter
        self.retry_after = retry_after
        self.metadata: dict[str, str] = dict(metadata or {})
        if parameter:
            self.metadata["parameter"] = parameter


class Fault(StrEnum):
    """How an attempt on a channel failed (providers.md 0; the last four are ours)."""

    BAD_REQUEST = "bad_request"
    CONTENT_POLICY = "content_policy"
    AUTH = "auth"
    QUOTA = "quota"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    NOT_FOUND = "not_found"
    UNREACHABLE = "unreachable"
    """Never sent: connection refused, no such host, no TLS."""
    TIMEOUT = "timeout"
    """A phase deadline passed."""
    INVALID_RESPONSE = "invalid_response"
    """An answer that is not one: HTML, no image, cut JSON."""
    LOST = "lost"
    """Sent, and the connection broke before the outcome was known."""


class Another(Enum):
    """Whether a fault allows another channel to be tried."""

    NEVER = "never"
    ALWAYS = "always"
    IF_DUPLICATE_OK = "if duplicate_ok"
    """The provider may still be working on it: only where a duplicate is the operator's risk."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What follows from a fault."""

    another: Another
    blames_channel: bool
    reason: Reason
    alerts: bool = False
    """An operator must act: the credential or the provider balance is bad."""


_NO, _YES, _MAYBE = Another.NEVER, Another.ALWAYS, Another.IF_DUPLICATE_OK

# fmt: off
MEANING: Mapping[Fault, Meaning] = {
    Fault.BAD_REQUEST:      Meaning(_NO,    False, Reason.UPSTREAM_REJECTED),
    Fault.CONTENT_POLICY:   Meaning(_NO,    False, Reason.CONTENT_POLICY_VIOLATION),
    Fault.AUTH:             Meaning(_YES,   True,  Reason.UPSTREAM_ERROR, alerts=True),
    Fault.QUOTA:            Meaning(_YES,   True,  Reason.UPSTREAM_OVERLOADED, alerts=True),
    Fault.RATE_LIMITED:     Meaning(_YES,   True,  Reason.UPSTREAM_OVERLOADED),
    Fault.OVERLOADED:       Meaning(_YES,   True,  Reason.UPSTREAM_OVERLOADED),
    Fault.SERVER_ERROR:     Meaning(_YES,   True,  Reason.UPSTREAM_ERROR),
    Fault.NOT_FOUND:        Meaning(_YES,   True,  Reason.UPSTREAM_ERROR),
    Fault.UNREACHABLE:      Meaning(_YES,   True,  Reason.UPSTREAM_ERROR),
    Fault.TIMEOUT:          Meaning(_MAYBE, True,  Reason.UPSTREAM_TIMEOUT),
    Fault.INVALID_RESPONSE: Meaning(_MAYBE, True,  Reason.UPSTREAM_ERROR),
    Fault.LOST:             Meaning(_MAYBE, True,  Reason.UPSTREAM_ERROR),
}
# fmt: on


class Phase(StrEnum):
    """How far an attempt got."""

    CONNECT = "connect"
    ACKNOWLEDGE = "acknowledge"
    FIRST_BYTE = "first_byte"
    BODY = "body"
    DONE = "done"


@dataclass(eq=False)
class UpstreamError(Exception):
    """An attempt failed. Providers' own words are in `detail`, for the live caller at most."""

    fault: Fault
    phase: Phase = Phase.FIRST_BYTE
    http_status: int = 0
    retry_after: float | None = None
    """Seconds the provider asked us to wait."""
    stage: str = ""
    """Of a CONTENT_POLICY fault: `input` or `output`, where the provider tells."""
    parameter: str = ""
    """Of a BAD_REQUEST: the parameter in our vocabulary, where the provider names one we know."""
    detail: Body[str] | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.fault} in {self.phase}"


_DESCRIPTIONS: Mapping[Reason, str] = {
    Reason.CONTENT_POLICY_VIOLATION: "The provider's safety system refused the request.",
    Reason.UPSTREAM_REJECTED: "The provider refused the request as invalid.",
    Reason.UPSTREAM_ERROR: "Every channel that could serve the request failed.",
    Reason.UPSTREAM_TIMEOUT: "The provider did not answer in time.",
    Reason.UPSTREAM_OVERLOADED: "Every channel of the model is overloaded; try again later.",
    Reason.STREAM_INTERRUPTED: "The provider failed after output had been shown.",
    Reason.REQUEST_NOT_RETAINED: (
        "The process that held the request ended first; requests are never stored. Send it again."
    ),
    Reason.STORAGE_UNAVAILABLE: "The output could not be stored.",
    Reason.CANCELLED: "The generation was cancelled.",
    Reason.DEADLINE_EXCEEDED: "The time that was given for the request is over.",
    Reason.INTERNAL: "The gateway failed.",
}


def describe(reason: Reason) -> str:
    """Say for humans why a generation failed, when only the reason was kept."""
    return _DESCRIPTIONS.get(reason, "The generation failed.") + " Nothing was charged."


def explained(reason: Reason, retry_after: float | None = None) -> GatewayError:
    """The error of a generation that failed for *reason*, in the words that belong to it."""
    return GatewayError(reason, describe(reason), retry_after=retry_after)
