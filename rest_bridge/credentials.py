"""Asks core whether a key is good, where no other call does."""

import grpc

from reapi.v1 import admin_service_pb2, model_service_pb2
from reapi.v1.admin_service_pb2_grpc import AdminServiceStub
from reapi.v1.model_service_pb2_grpc import ModelServiceStub
from rest_bridge.errors import ApiError
from rest_bridge.exchange import Exchange
from rest_bridge.unary import ask


class Credentials:
    """Checks keys, and the operator's token, by the cheapest call that needs one."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._models = ModelServiceStub(channel)
        self._admin = AdminServiceStub(channel)

    async def check(self, exchange: Exchange) -> None:
        """Raise core's error if the key of the request is not good."""
        request = model_service_pb2.ListModelsRequest(page_size=1)
        await ask(self._models.ListModels, request, exchange)

    async def check_operator(self, exchange: Exchange) -> None:
        """Raise core's error if the request is not the operator's."""
        request = admin_service_pb2.ListChannelsRequest(page_size=1)
        await ask(self._admin.ListChannels, request, exchange)

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
