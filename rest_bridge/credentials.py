"""Asks core whether a key is good, where no other call does."""

from typing import TYPE_CHECKING

import grpc

from reapi.v1 import model_service_pb2
from rest_bridge.errors import ApiError
from rest_bridge.exchange import Exchange
from rest_bridge.rpc_errors import api_error

if TYPE_CHECKING:  # the class exists in the stub file only
    from reapi.v1.model_service_pb2_grpc import ModelServiceAsyncStub


class Credentials:
    """Checks keys by the cheapest call that needs one."""

    def __init__(self, stub: "ModelServiceAsyncStub") -> None:
        self._stub = stub

    async def check(self, exchange: Exchange) -> None:
        """Raise core's error if the credential of the request is not good."""
        request = model_service_pb2.ListModelsRequest(page_size=1)
        try:
            await self._stub.ListModels(
                request, metadata=exchange.metadata(), timeout=exchange.settings.unary_seconds
            )
        except grpc.aio.AioRpcError as error:
            raise api_error(error) from None

    async def refuse(self, exchange: Exchange) -> None:
        """Answer for a route of the contract that this deployment does not offer.

        404, not 501: a 501 would be retried.
        """
        await self.check(exchange)
        raise ApiError(
            "ENDPOINT_NOT_AVAILABLE",
            f"The endpoint {exchange.method} {exchange.endpoint} is not available here.",
            metadata={"endpoint": exchange.endpoint},
        )
