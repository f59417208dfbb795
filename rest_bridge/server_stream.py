"""A server-streaming call on behalf of one HTTP request: ends when either side goes away."""

import asyncio
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar, cast

import grpc

from rest_bridge.asgi import ClientGone
from rest_bridge.exchange import Exchange
from rest_bridge.rpc_errors import api_error

M = TypeVar("M")


class StreamCall(Protocol):
    """What is used of a call: the same on a gRPC channel and in process."""

    async def read(self) -> object:
        """The next message, or `grpc.aio.EOF`."""

    def cancel(self) -> bool:
        """End the call."""


class ServerStream(Generic[M]):
    """An async context manager around a call; cancels it on leaving, whatever happens."""

    def __init__(self, call: StreamCall, exchange: Exchange) -> None:
        self._call = call
        self._exchange = exchange

    async def __aenter__(self) -> Self:
        connection = self._exchange.connection
        connection.on_lost = self._call.cancel
        if connection.lost:
            self._call.cancel()
            raise ClientGone
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._exchange.connection.on_lost = None
        self._call.cancel()

    async def read(self) -> M | None:
        """The next message; None at the end. Raises the call's error, and ClientGone."""
        try:
            message = await self._call.read()
        except grpc.aio.AioRpcError as error:
            raise api_error(error) from None
        except asyncio.CancelledError:
            raise cancellation(self._exchange) from None
        return None if message is grpc.aio.EOF else cast("M", message)


def cancellation(exchange: Exchange) -> ClientGone | asyncio.CancelledError:
    """What a CancelledError out of a call means: the caller is gone, or our task was cancelled.

    gRPC raises it for a call that somebody cancelled, here the lost connection.
    """
    task = asyncio.current_task()
    if exchange.connection.lost and (task is None or not task.cancelling()):
        return ClientGone()
    return asyncio.CancelledError()
