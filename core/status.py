"""Our reasons as gRPC statuses: the only table that knows gRPC's codes."""

from collections.abc import Mapping

from google.protobuf.any_pb2 import Any
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode

from core.errors import GatewayError, Reason

DOMAIN = "reapi"
DETAILS_KEY = "grpc-status-details-bin"
MESSAGE_LIMIT = 1024
"""Bytes; larger details replace the real error on the wire (runtime.md A 10)."""

_NOT_FOUND = StatusCode.NOT_FOUND
_INVALID = StatusCode.INVALID_ARGUMENT
_PRECONDITION = StatusCode.FAILED_PRECONDITION
_EXHAUSTED = StatusCode.RESOURCE_EXHAUSTED

# fmt: off
CODES: Mapping[Reason, StatusCode] = {
    Reason.API_KEY_MISSING:            StatusCode.UNAUTHENTICATED,
    Reason.API_KEY_INVALID:            StatusCode.UNAUTHENTICATED,
    Reason.PERMISSION_DENIED:          StatusCode.PERMISSION_DENIED,
    Reason.ACCOUNT_SUSPENDED:          StatusCode.PERMISSION_DENIED,
    Reason.SESSION_INVALID:            StatusCode.UNAUTHENTICATED,
    Reason.CREDENTIALS_INVALID:        StatusCode.UNAUTHENTICATED,
    Reason.EMAIL_NOT_VERIFIED:         StatusCode.PERMISSION_DENIED,
    Reason.NETWORK_NOT_ALLOWED:        StatusCode.PERMISSION_DENIED,
    Reason.REAUTHENTICATION_REQUIRED:  StatusCode.PERMISSION_DENIED,
    Reason.INVALID_PARAMETER:          _INVALID,
    Reason.MISSING_PARAMETER:          _INVALID,
    Reason.UNKNOWN_PARAMETER:          _INVALID,
    Reason.INVALID_TYPE:               _INVALID,
    Reason.MALFORMED_REQUEST:          _INVALID,
    Reason.UNSUPPORTED_CONTENT_TYPE:   _INVALID,
    Reason.REQUEST_TOO_LARGE:          _INVALID,
    Reason.INVALID_INPUT:              _INVALID,
    Reason.REQUEST_TIMEOUT:            StatusCode.DEADLINE_EXCEEDED,
    Reason.MODEL_NOT_FOUND:            _NOT_FOUND,
    Reason.GENERATION_NOT_FOUND:       _NOT_FOUND,
    Reason.ASSET_NOT_FOUND:            _NOT_FOUND,
    Reason.ENDPOINT_NOT_FOUND:         _NOT_FOUND,
    Reason.ENDPOINT_NOT_AVAILABLE:     StatusCode.UNIMPLEMENTED,
    Reason.METHOD_NOT_ALLOWED:         StatusCode.UNIMPLEMENTED,
    Reason.NOT_FOUND:                  _NOT_FOUND,
    Reason.MODEL_NOT_ALLOWED:          StatusCode.PERMISSION_DENIED,
    Reason.CONFLICT:                   _PRECONDITION,
    Reason.PAYMENT_SERVICE_UNAVAILABLE: StatusCode.UNAVAILABLE,
    Reason.INSUFFICIENT_CREDITS:       _EXHAUSTED,
    Reason.BUDGET_EXCEEDED:            _EXHAUSTED,
    Reason.QUOTE_EXPIRED:              _PRECONDITION,
    Reason.QUOTE_MISMATCH:             _PRECONDITION,
    Reason.RATE_LIMIT_EXCEEDED:        _EXHAUSTED,
    Reason.CONCURRENCY_LIMIT_EXCEEDED: _EXHAUSTED,
    Reason.ACCOUNT_IN_DEBT:            _EXHAUSTED,
    Reason.IDEMPOTENCY_MISMATCH:       StatusCode.ALREADY_EXISTS,
    Reason.RESULT_NOT_RETAINED:        _PRECONDITION,
    Reason.REQUEST_NOT_RETAINED:       StatusCode.ABORTED,
    Reason.OVERLOADED:                 StatusCode.UNAVAILABLE,
    Reason.STORAGE_UNAVAILABLE:        StatusCode.UNAVAILABLE,
    Reason.INTERNAL:                   StatusCode.INTERNAL,
    Reason.DEADLINE_EXCEEDED:          StatusCode.DEADLINE_EXCEEDED,
    Reason.STILL_RUNNING:              StatusCode.DEADLINE_EXCEEDED,
    Reason.CONTENT_POLICY_VIOLATION:   _INVALID,
    Reason.UPSTREAM_REJECTED:          _INVALID,
    Reason.UPSTREAM_ERROR:             StatusCode.UNAVAILABLE,
    Reason.UPSTREAM_TIMEOUT:           StatusCode.UNAVAILABLE,
    Reason.UPSTREAM_OVERLOADED:        StatusCode.UNAVAILABLE,
    Reason.NO_CHANNEL:                 _PRECONDITION,
    Reason.STREAM_INTERRUPTED:         StatusCode.ABORTED,
    Reason.CANCELLED:                  StatusCode.CANCELLED,
    Reason.BOT_CHECK_FAILED:           StatusCode.PERMISSION_DENIED,
    Reason.TOKEN_INVALID:              _INVALID,
    Reason.SIGN_IN_REFUSED:            StatusCode.PERMISSION_DENIED,
    Reason.SIGN_IN_SERVICE_UNAVAILABLE: StatusCode.UNAVAILABLE,
    Reason.CSRF_TOKEN_INVALID:         StatusCode.PERMISSION_DENIED,
}
# fmt: on


def code_of(reason: Reason) -> StatusCode:
    """The canonical code of *reason*."""
    return CODES[reason]


def to_status(error: GatewayError) -> Status:
    """A google.rpc.Status with one ErrorInfo, and RetryInfo where a delay is known."""
    code, _ = CODES[error.reason].value
    status = Status(code=code, message=error.message[:MESSAGE_LIMIT])
    _pack(status, ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata))
    if error.retry_after is not None:
        retry = RetryInfo()
        retry.retry_delay.FromMilliseconds(int(error.retry_after * 1000))
        _pack(status, retry)
    return status


def _pack(status: Status, detail: ErrorInfo | RetryInfo) -> None:
    packed = Any()
    packed.Pack(detail)
    status.details.append(packed)
