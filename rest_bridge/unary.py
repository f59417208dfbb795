"""One unary call to core on behalf of one HTTP request."""

from collections.abc import Awaitable
from typing import Protocol, TypeVar

import grpc

from rest_bridge.exchange import Exchange, Metadata
from rest_bridge.rpc_errors import api_error

Q_contra = TypeVar("Q_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)
Q = TypeVar("Q")
R = TypeVar("R")


class UnaryCall(Protocol[Q_contra, R_co]):
    """A method of a stub: the same on a gRPC channel and in process."""

    def __call__(
        self, request: Q_contra, /, *, metadata: Metadata, timeout: float
    ) -> Awaitable[R_co]:
        """Make the call."""


async def ask(
    method: UnaryCall[Q, R], request: Q, exchange: Exchange, seconds: float | None = None
) -> R:
    """The answer to *request*, within *seconds* or those of the settings; raises core's error."""
    limit = exchange.settings.unary_seconds if seconds is None else seconds
    try:
        return await method(request, metadata=exchange.metadata(), timeout=limit)
    except grpc.aio.AioRpcError as error:
        raise api_error(error) from None
