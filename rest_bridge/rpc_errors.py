"""From gRPC's errors to ours: the ErrorInfo decides; gRPC's own text is never shown."""

from collections.abc import Mapping

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from rest_bridge.errors import ApiError
from rest_bridge.headers import Headers

_DETAILS = "grpc-status-details-bin"
_DOMAIN = "reapi"
_AWAY = "The gateway's core cannot be reached; try again."

_REASON_OF_CODE: Mapping[grpc.StatusCode, str] = {
    # Core gives a reason with every error of its own. What comes without one is
    # gRPC's: core is away, overwhelmed or older than this bridge. On shutdown a
    # call that never ran may end CANCELLED (runtime.md B).
    grpc.StatusCode.CANCELLED: "OVERLOADED",
    grpc.StatusCode.UNAVAILABLE: "OVERLOADED",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "OVERLOADED",
    grpc.StatusCode.DEADLINE_EXCEEDED: "DEADLINE_EXCEEDED",
    grpc.StatusCode.UNAUTHENTICATED: "API_KEY_INVALID",
    grpc.StatusCode.PERMISSION_DENIED: "PERMISSION_DENIED",
    grpc.StatusCode.NOT_FOUND: "NOT_FOUND",
    grpc.StatusCode.INVALID_ARGUMENT: "INVALID_PARAMETER",
    grpc.StatusCode.FAILED_PRECONDITION: "INVALID_PARAMETER",
    grpc.StatusCode.OUT_OF_RANGE: "INVALID_PARAMETER",
    grpc.StatusCode.UNIMPLEMENTED: "ENDPOINT_NOT_AVAILABLE",
}


def api_error(error: grpc.aio.AioRpcError, headers: Headers = ()) -> ApiError:
    """What the caller is told about a call that ended with *error*."""
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS and isinstance(value, bytes):
            try:
                status = status_pb2.Status.FromString(value)
            except DecodeError:
                break
            return from_status(status, headers)
    message = _AWAY if error.code() is grpc.StatusCode.UNAVAILABLE else ""
    return ApiError(_REASON_OF_CODE.get(error.code(), "INTERNAL"), message, headers=headers)


def from_status(status: status_pb2.Status, headers: Headers = ()) -> ApiError:
    """What the caller is told about a `google.rpc.Status` of core's."""
    info = error_details_pb2.ErrorInfo()
    retry = error_details_pb2.RetryInfo()
    known = False
    retry_after = None
    for detail in status.details:
        if detail.Is(info.DESCRIPTOR):
            known = _unpack(detail.value, info) and info.domain == _DOMAIN
        elif detail.Is(retry.DESCRIPTOR) and _unpack(detail.value, retry):
            retry_after = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
    if not known:
        return ApiError("INTERNAL", headers=headers)
    return ApiError(
        info.reason,
        status.message,
        retry_after=retry_after,
        metadata=dict(info.metadata),
        headers=headers,
    )


def _unpack(data: bytes, into: error_details_pb2.ErrorInfo | error_details_pb2.RetryInfo) -> bool:
    try:
        into.ParseFromString(data)
    except DecodeError:
        return False
    return True
